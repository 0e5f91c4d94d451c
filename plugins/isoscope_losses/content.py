"""What keeps content where it is: cycle consistency, saliency, identity."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

from pydantic import Field
from torch import Tensor

from isoscope.saliency import soft_mask

if TYPE_CHECKING:
    from isoscope.cycle import Cycle

__all__ = ["cycle", "identity", "saliency"]


def cycle() -> Callable[[Cycle], Tensor]:
    """E|F(G(a)) - a| + E|G(F(b)) - b| (Li et al. 2019, Eq. 2): means, so weights hold for any patch and channels."""

    def loss(cycle: Cycle) -> Tensor:
        return (cycle.rec_a - cycle.real_a).abs().mean() + (cycle.rec_b - cycle.real_b).abs().mean()

    return loss


def saliency(*, slope: Annotated[float, Field(gt=0)] = 10.0) -> Callable[[Cycle], Tensor]:
    """Content masks agree before and after each mapping (Li et al. 2019, Eq. 6), each by its own domain's threshold.

    Args:
        slope: steepness k of the soft mask per normalised unit; steep masks have no gradient far from the threshold.
    """

    def loss(cycle: Cycle) -> Tensor:
        a, b = cycle.source, cycle.target
        forward = soft_mask(cycle.real_a, a, slope) - soft_mask(cycle.fake_b, b, slope)
        backward = soft_mask(cycle.real_b, b, slope) - soft_mask(cycle.fake_a, a, slope)
        return forward.abs().mean() + backward.abs().mean()

    return loss


def identity() -> Callable[[Cycle], Tensor]:
    """E|G(b) - b| + E|F(a) - a| (Zhu et al. 2017); only for domains of equal channels."""

    def loss(cycle: Cycle) -> Tensor:
        ours = (cycle.identity("b") - cycle.real_b).abs().mean()
        return ours + (cycle.identity("a") - cycle.real_a).abs().mean()

    return loss

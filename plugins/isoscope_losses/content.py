"""What keeps content where it is: cycle consistency, saliency, identity."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

from pydantic import Field
from torch import Tensor

from isoscope.saliency import smooth, soft_mask

if TYPE_CHECKING:
    from isoscope.cycle import Cycle

__all__ = ["cycle", "identity", "saliency"]


Sigma = Annotated[float, Field(ge=0)]


def _seen(x: Tensor, sigma: float) -> Tensor:
    return smooth(x, sigma) if sigma else x


def cycle(*, blur_a: Sigma = 0.0, blur_b: Sigma = 0.0) -> Callable[[Cycle], Tensor]:
    """E|F(G(a)) - a| + E|G(F(b)) - b| (Li et al. 2019, Eq. 2): means, so weights hold for any patch and channels.

    Args:
        blur_a: sigma in pixels of a Gaussian through which a and F(G(a)) are compared, where a holds noise that no
            G(a) should have to keep.
        blur_b: the same for b and G(F(b)).
    """

    def loss(cycle: Cycle) -> Tensor:
        a, b = cycle.rec_a - cycle.real_a, cycle.rec_b - cycle.real_b
        return _seen(a, blur_a).abs().mean() + _seen(b, blur_b).abs().mean()

    return loss


def saliency(*, slope: Annotated[float, Field(gt=0)] = 10.0, blur: Sigma = 0.0) -> Callable[[Cycle], Tensor]:
    """Content masks agree before and after each mapping (Li et al. 2019, Eq. 6), each by its own domain's threshold.

    Args:
        slope: steepness k of the soft mask per normalised unit; steep masks have no gradient far from the threshold.
        blur: sigma in pixels of a Gaussian before the masks are taken, so that noise is not held to be content.
    """

    def loss(cycle: Cycle) -> Tensor:
        a, b = cycle.source, cycle.target
        real_a, fake_b, real_b, fake_a = (
            _seen(x, blur) for x in (cycle.real_a, cycle.fake_b, cycle.real_b, cycle.fake_a)
        )
        forward = soft_mask(real_a, a, slope) - soft_mask(fake_b, b, slope)
        backward = soft_mask(real_b, b, slope) - soft_mask(fake_a, a, slope)
        return forward.abs().mean() + backward.abs().mean()

    return loss


def identity() -> Callable[[Cycle], Tensor]:
    """E|G(b) - b| + E|F(a) - a| (Zhu et al. 2017); only for domains of equal channels."""

    def loss(cycle: Cycle) -> Tensor:
        ours = (cycle.identity("b") - cycle.real_b).abs().mean()
        return ours + (cycle.identity("a") - cycle.real_a).abs().mean()

    return loss

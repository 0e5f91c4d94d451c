"""How far a prediction is from the truth, where pairs show it: for supervised controls."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from torch import Tensor

if TYPE_CHECKING:
    from isoscope.cycle import Cycle

__all__ = ["l1", "laplace"]


def l1() -> Callable[[Cycle], Tensor]:
    """E|G(a) - b| over pairs (a, b): CARE's loss for images alone (Weigert et al. 2018), and pix2pix' content term."""

    def loss(cycle: Cycle) -> Tensor:
        return (cycle.fake_b - cycle.truth_b).abs().mean()

    return loss


class Laplace:
    """Negative log-likelihood of the truth under a Laplace distribution for each pixel."""

    needs_scale = True

    def __call__(self, cycle: Cycle) -> Tensor:
        """E[|b - mean| / scale + log(2 scale)]."""
        truth = cycle.truth_b
        mean, scale = cycle.distribution_b
        return ((truth - mean).abs() / scale + scale.log()).mean() + math.log(2)


def laplace() -> Laplace:
    """E[|b - m(a)| / s(a) + log 2 s(a)] over pairs: probabilistic CARE (Weigert et al. 2018, Methods).

    The network estimates a mean m and a scale s for each pixel, with twice the output channels while it trains;
    predictions are the mean. Where the image leaves open what is right, s grows and the error there counts less.
    """
    return Laplace()

"""Weights and rates as pure functions of the progress u in [0, 1], so that a resumed run meets the same values."""

from __future__ import annotations

import math
from typing import Literal

__all__ = ["Shape", "rate", "weight"]

Shape = Literal["constant", "exp", "cosine"]


def weight(u: float, shape: Shape = "constant", speed: float = 6.0, floor: float = 0.0) -> float:
    """Relative weight of a loss at progress u: 1 at the start, never below `floor`.

    `exp` falls as exp(-speed u) (speed 6 is the released c2GAN code's); `cosine` falls smoothly to the floor at u = 1.
    """
    if shape == "constant":
        return 1.0
    if shape == "exp":
        return max(math.exp(-speed * u), floor)
    return floor + (1.0 - floor) * 0.5 * (1.0 + math.cos(math.pi * u))


def rate(u: float, knee: float) -> float:
    """Relative learning rate at progress u: 1 up to the knee, then linear to 0 at u = 1."""
    return 1.0 if u <= knee else max(0.0, (1.0 - u) / (1.0 - knee))

"""Grey values to network values and back, by data-set limits that live in the model; never per image or per tile."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["HEADROOM", "Intensity", "encode"]

HEADROOM = 0.9
"""The limits map to -0.9 and 0.9, so that a tanh output can still exceed them."""


class Intensity:
    """An affine map per channel between grey values and [-1, 1]: limits (low, high) map to -0.9 and 0.9.

    Args:
        limits: of each channel.
        planes: of each channel that follow each other and share its limits.
    """

    def __init__(self, limits: tuple[tuple[float, float], ...], planes: int = 1) -> None:
        low, high = np.asarray(limits, np.float64).repeat(planes, 0).T
        self._scale = torch.tensor(2 * HEADROOM / (high - low), dtype=torch.float64)
        self._low = torch.tensor(low, dtype=torch.float64)

    def _shaped(self, x: Tensor) -> tuple[Tensor, Tensor]:
        shape = (-1, 1, 1)
        # computed per call: grey values may be large integers that float32 would round before the subtraction
        return (a.to(x.device, x.dtype).reshape(shape) for a in (self._scale, self._low))  # type: ignore[return-value]

    def normalise(self, x: Tensor) -> Tensor:
        """Grey values [..., C, H, W] (floating point) -> network values."""
        scale, low = self._shaped(x)
        return (x - low) * scale - HEADROOM

    def grey_values(self, x: Tensor) -> Tensor:
        """Network values [..., C, H, W] -> grey values, neither clipped nor rounded."""
        scale, low = self._shaped(x)
        return (x + HEADROOM) / scale + low

    def threshold(self, grey: float) -> float:
        """One grey value on the scale of the channels' mean network value."""
        scale, low = self._scale.numpy(), self._low.numpy()
        return float(((grey - low) * scale - HEADROOM).mean())

    def from_threshold(self, value: float) -> float:
        """The grey value whose `threshold` is `value`."""
        zero, one = self.threshold(0.0), self.threshold(1.0)
        return (value - zero) / (one - zero)


def encode(values: NDArray[Any], dtype: np.dtype[Any]) -> tuple[NDArray[Any], int]:
    """Grey values in the output's type, and how many had to be clipped: integers are rounded, floats kept."""
    if not np.issubdtype(dtype, np.integer):
        return values.astype(dtype), 0
    info = np.iinfo(dtype)
    if dtype.itemsize <= 2 and values.dtype == np.float32:  # which holds all of these integers
        whole = np.rint(values)
        made = np.clip(whole, info.min, info.max)
        return made.astype(dtype), int(np.count_nonzero(made != whole))
    rounded = np.rint(values, dtype=np.float64)
    below, above = rounded < info.min, rounded >= float(info.max) + 1
    # neither float32 nor float64 holds the largest 32- or 64-bit integer: clipping as floats would wrap it around
    encoded = np.where(below | above, 0.0, rounded).astype(dtype)
    encoded[below], encoded[above] = info.min, info.max
    return encoded, int(below.sum() + above.sum())

"""What a coarser grid of pixels or planes records of a picture, and what reading makes of it by interpolation."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from isoscope.noise import noise_of

__all__ = ["Recording", "as_many"]

_PHASES = 8
_TRIAL = 192
"""Side of the white noise on which it is found how much of it interpolation leaves."""
_LEAST = 0.05

Phases = Mapping[int, float]


def _positions(length: int, step: float, phase: float) -> tuple[float, int]:
    """Where samples lie along an axis: that of the first, before its beginning, and how many until behind its end."""
    first = phase - 1.5 * step - 0.5
    return first, math.ceil((length - first) / step) + 2


def _between(at: Tensor, start: float, step: float, count: int, like: Tensor) -> Tensor:
    """Linear interpolation as a matrix [places, count]: values at `start + step * k` are given, the last ones held."""
    place = ((at - start) / step).clamp(0, count - 1)
    k = torch.arange(count, dtype=torch.float64)
    return (1 - (place[:, None] - k).abs()).clamp_min(0).to(like)


def _along(x: Tensor, axis: int, matrix: Tensor) -> Tensor:
    return matrix @ x if axis == -2 else x @ matrix.T


class Recording:
    """Samples every so many pixels, by linear interpolation, and back again.

    Args:
        steps: pixels between two samples by axis, -2 for rows and -1 for columns; axes without one stay as they are.
    """

    def __init__(self, steps: Mapping[int, float]) -> None:
        self.steps = {axis: step for axis, step in steps.items() if step > 1}

    def __bool__(self) -> bool:
        """Whether it does anything."""
        return bool(self.steps)

    def phases(self, drawn: bool) -> Phases:
        """Where between the pixels samples lie: drawn, as patches begin anywhere, or in the middle."""
        return {axis: step * (float(torch.rand(())) - 0.5 if drawn else 0.0) for axis, step in self.steps.items()}

    def record(self, x: Tensor, phases: Phases) -> Tensor:
        """[N, C, H, W] -> the samples, some of them outside of the picture, where its edge is repeated."""
        for axis, step in self.steps.items():
            first, count = _positions(x.shape[axis], step, phases[axis])
            at = first + step * torch.arange(count, dtype=torch.float64)
            x = _along(x, axis, _between(at, 0.0, 1.0, x.shape[axis], x))
        return x

    def back(self, samples: Tensor, size: tuple[int, ...], phases: Phases) -> Tensor:
        """Interpolate samples to pictures [..., H, W] of this size."""
        for axis, step in self.steps.items():
            first, count = _positions(size[axis], step, phases[axis])
            at = torch.arange(size[axis], dtype=torch.float64)
            samples = _along(samples, axis, _between(at, first, step, count, samples))
        return samples

    def thinned(self, x: Tensor) -> Tensor:
        """About as many pixels as were recorded, for measuring noise."""
        every = {axis: max(1, round(step)) for axis, step in self.steps.items()}
        return x[..., :: every.get(-2, 1), :: every.get(-1, 1)]

    def kept(self) -> float:
        """Which part of the variance of white noise `noise_of` finds in thinned, interpolated samples, over phases."""
        if not self:
            return 1.0
        found = []
        draw = torch.Generator().manual_seed(0)
        for n in range(_PHASES):
            phases = {axis: step * (n / _PHASES - 0.5) for axis, step in self.steps.items()}
            shape = self.record(torch.zeros(1, 1, _TRIAL, _TRIAL), phases).shape
            white = torch.randn(shape, generator=draw)
            found.append(float(noise_of(self.thinned(self.back(white, (_TRIAL, _TRIAL), phases)))[0]))
        return max(sum(found) / len(found), _LEAST)


def as_many(z: Tensor, like: Tensor) -> Tensor:
    """Noise [N, K, H, W] for as many samples as `like` has, repeated where there are fewer."""
    (h, w), (rows, columns) = z.shape[-2:], like.shape[-2:]
    return z.repeat(1, 1, -(-rows // h), -(-columns // w))[..., :rows, :columns]

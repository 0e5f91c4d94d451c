"""What makes labels of a z-stack without learning shapes: by rank of its texture, or by a linear map of its planes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from isoscope.baselines.planewise import PlanewiseVolume
from isoscope.frames import Frames, sampled
from isoscope.volume import Volume

__all__ = ["linear_map", "texture_table"]

Floats = NDArray[np.float64]


def texture_table(
    volumes: Sequence[Volume], source: Sequence[Volume], target: Sequence[Volume], window: float = 4.0
) -> list[Volume]:
    """The labels whose rank in the target set is that of the local deviation in the source set; no pair is used.

    Args:
        volumes: stacks, whose planes are channels.
        source: the set that ranks are counted in.
        target: the set whose grey values are given, of one plane each.
        window: sigma in pixels of the window that texture is measured in: cells are wider than their edges.
    """
    stacks = sampled([Frames(v, "stack") for v in source], 0)
    known = np.sort(np.concatenate([_deviation(s, window).ravel() for s in stacks]))
    samples = list(sampled([Frames(v) for v in target], 0))
    wanted = [np.sort(np.concatenate([s[c].ravel() for s in samples])) for c in range(len(samples[0]))]

    def change(stack: Floats) -> Floats:
        rank = np.searchsorted(known, _deviation(stack, window)) / len(known)
        places = [np.minimum((rank * len(w)).astype(int), len(w) - 1) for w in wanted]
        return np.stack([w[place] for w, place in zip(wanted, places, strict=True)])

    return [PlanewiseVolume(Frames(v, "stack"), change, len(wanted)) for v in volumes]


def _deviation(stack: NDArray[np.generic], sigma: float) -> Floats:
    """Standard deviation in a Gaussian window of [Z, H, W], mean over planes, [H, W]."""
    from scipy.ndimage import gaussian_filter

    values, window = stack.astype(np.float64), (0, sigma, sigma)
    square, mean = gaussian_filter(values**2, window), gaussian_filter(values, window)
    found: Floats = np.sqrt(np.maximum(square - mean**2, 0)).mean(0)
    return found


def linear_map(volumes: Sequence[Volume], pairs: tuple[Sequence[Volume], Sequence[Volume]]) -> list[Volume]:
    """Least squares from all planes of a pixel, and 1, to each of its labels.

    Args:
        volumes: stacks, whose planes are channels.
        pairs: stacks and their labels, of one plane each, paired by position.
    """
    # by normal equations, so that all pixels of all pairs count and one frame at a time is in memory
    squares, mixed = zip(*(_products(stack, labels) for stack, labels in _paired(*pairs)), strict=True)
    weights, *_ = np.linalg.lstsq(np.sum(squares, 0), np.sum(mixed, 0), rcond=None)

    def change(stack: Floats) -> Floats:
        made: Floats = (_columns(stack) @ weights).T.reshape(-1, *stack.shape[1:])
        return made

    return [PlanewiseVolume(Frames(v, "stack"), change, weights.shape[1]) for v in volumes]


def _products(stack: Floats, labels: Floats) -> tuple[Floats, Floats]:
    """X'X and X'Y of one frame."""
    given = _columns(stack)
    return given.T @ given, given.T @ labels.reshape(len(labels), -1).T


def _paired(stacks: Sequence[Volume], labels: Sequence[Volume]) -> Iterator[tuple[Floats, Floats]]:
    """Every stack [Z, H, W] with its labels [C, H, W]."""
    for one, other in zip(stacks, labels, strict=True):
        a, b = Frames(one, "stack"), Frames(other)
        ys, xs = (slice(0, n) for n in a.size)
        for index in range(len(a)):
            yield a.read(index, ys, xs).astype(np.float64), b.read(index, ys, xs).astype(np.float64)


def _columns(stack: NDArray[np.generic]) -> Floats:
    pixels = stack.reshape(len(stack), -1).T.astype(np.float64)
    return np.concatenate([pixels, np.ones((len(pixels), 1))], 1)

"""Grey values and colours by tables and stain numbers, learned from image sets without pairs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isoscope.baselines.planewise import planewise
from isoscope.frames import REC601, Frames, sampled
from isoscope.preparation.section import Stain
from isoscope.preparation.stain import Method
from isoscope.preparation.staining import stained, with_reference
from isoscope.volume import Volume

__all__ = ["luminance_table", "matched_histograms", "mean_tint", "stained_like"]

Floats = NDArray[np.float64]

_QUANTILES = np.linspace(0, 1, 1025)
_LEVELS = 1024
_ROWS = 256


def matched_histograms(
    volumes: Sequence[Volume], source: Sequence[Volume], target: Sequence[Volume], *, grey: bool = False
) -> list[Volume]:
    """Every grey value replaced by the one at the same place in the target set's distribution.

    The distributions are those of whole sets, so that equal grey values stay equal. A single channel becomes as many
    as the target has, each by its own table.

    Args:
        volumes: the images.
        source: the set they are like.
        target: the set whose grey values they shall have.
        grey: read RGB of `volumes` and `source` as luminance.
    """
    ours, theirs = (_quantiles(s, g) for s, g in ((source, grey), (target, False)))
    ours = np.repeat(ours, len(theirs), 0) if len(ours) == 1 else ours
    tables = [_increasing(x, y) for x, y in zip(ours, theirs, strict=True)]

    def change(plane: Floats) -> Floats:
        planes = np.repeat(plane, len(tables), 0) if len(plane) == 1 else plane
        return np.stack([np.interp(p, x, y) for p, (x, y) in zip(planes, tables, strict=True)])

    return planewise(volumes, change, channels=len(tables), grey=grey)


def _quantiles(volumes: Sequence[Volume], grey: bool) -> Floats:
    """Of a seeded sample of a set, [C, 1025]."""
    samples = list(sampled([Frames(v, "xy", grey) for v in volumes], seed=0))
    return np.stack([np.quantile(np.concatenate([s[c].ravel() for s in samples]), _QUANTILES)
                     for c in range(len(samples[0]))])  # fmt: skip


def _increasing(x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """A table without repeated entries: a grey value that takes many places gets the mean of theirs."""
    known, where = np.unique(x, return_inverse=True)
    return known, np.bincount(where, y) / np.bincount(where)


def luminance_table(volumes: Sequence[Volume], target: Sequence[Volume], *, grey: bool = False) -> list[Volume]:
    """Every grey level in the mean colour that the target set has where its luminance is that level.

    Args:
        volumes: grey images on the target's grey-value scale, or with `grey` RGB ones.
        target: RGB images.
        grey: read RGB as luminance (Rec. 601).
    """
    low, high, count = _span(target)
    colours, counts = np.zeros((3, count)), np.zeros(count)
    for rgb in _strips(target):
        level = (np.asarray(REC601) @ rgb - low) / (high - low) * (count - 1)
        at = np.clip(np.rint(level), 0, count - 1).astype(int)
        counts += np.bincount(at, minlength=count)
        colours += [np.bincount(at, c, count) for c in rgb]
    seen = np.flatnonzero(counts)
    levels, means = low + seen * (high - low) / (count - 1), colours[:, seen] / counts[seen]
    return planewise(
        volumes, lambda plane: np.stack([np.interp(plane[0], levels, m) for m in means]), channels=3, grey=grey
    )


def _span(target: Sequence[Volume]) -> tuple[float, float, int]:
    """Lowest and highest luminance level of the table, and how many levels it has: all of 8-bit images."""
    if target[0].header.dtype == np.uint8:
        return 0.0, 255.0, 256
    values = np.concatenate([s.ravel() for s in sampled([Frames(v) for v in target], seed=0)])
    low, high = float(values.min()), float(values.max())
    return low, high if high > low else low + 1, _LEVELS


def _strips(volumes: Sequence[Volume]) -> Iterator[NDArray[Any]]:
    """All pixels of RGB images, [3, n] at a time."""
    for frames in map(Frames, volumes):
        height, width = frames.size
        for index in range(len(frames)):
            for y in range(0, height, _ROWS):
                yield frames.read(index, slice(y, min(y + _ROWS, height)), slice(0, width)).reshape(3, -1).astype(float)


def mean_tint(volumes: Sequence[Volume], target: Sequence[Volume], *, grey: bool = False) -> list[Volume]:
    """Grey images with the difference between the target set's mean colour and mean luminance added.

    Args:
        volumes: grey images, or with `grey` RGB ones.
        target: RGB images.
        grey: read RGB as luminance (Rec. 601).
    """
    sums = sum((np.append(rgb.sum(1), rgb.shape[1]) for rgb in _strips(target)), np.zeros(4))
    mean = sums[:3] / sums[3]
    tint = mean - np.asarray(REC601) @ mean
    return planewise(volumes, lambda plane: plane[:1] + tint[:, None, None], channels=3, grey=grey)


def stained_like(volumes: Sequence[Volume], target: Sequence[Volume], method: Method) -> list[Volume]:
    """H&E images with the stain of the target set's median image (Reinhard et al. 2001, Macenko et al. 2009).

    Args:
        volumes: RGB images of uint8 or uint16.
        target: RGB images likewise.
        method: "reinhard" or "macenko".
    """
    return stained(volumes, with_reference(target, Stain(name=method)))

"""Pictures of every arm's best, median and worst test image, to be written on and laid out by whoever saves them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isoscope.comparison.entrants import ImageSets
from isoscope.comparison.scored import Scored
from isoscope.metrics import affine_fit
from isoscope.pictures import Picture, error_map, to_display
from isoscope.sources import open_one
from isoscope.volume import Box, Volume

__all__ = ["Cell", "sheet"]

Array = NDArray[Any]

_SIDE = 256
_READABLE = 160


@dataclass(frozen=True, slots=True)
class Cell:
    """One arm's picture of one test image.

    Attributes:
        title: the arm.
        picture: grey after an affine fit to the truth, so that only the picture differs; colours as they are.
        error: |arm - truth|, white at `limit` grey values; none for the truth.
        limit: of `error`.
    """

    title: str
    picture: Picture
    error: Picture | None = None
    limit: float = 0.0


def sheet(scored: Sequence[Scored], sets: ImageSets, reference: str, metric: str) -> list[tuple[str, list[Cell]]]:
    """The best, the median and the worst test image of the reference arm, each with all arms and the truth.

    Shows the middle, at most 256 px a side, of the middle plane, the first of many channels.

    Args:
        scored: from `run`; of several seeds the first is shown.
        sets: the images.
        reference: an arm's name.
        metric: the higher the better.
    """
    arms = {s.name: s for s in reversed(scored) if s.images}
    order = [s.name for s in scored if arms.get(s.name) is s]
    values = [image[metric] for image in arms[reference].images]
    known = sorted((n for n, v in enumerate(values) if v is not None), key=lambda n: -values[n])
    if not known:
        known = [0]
    chosen = {known[0]: "best", known[-1]: "worst", known[(len(known) - 1) // 2]: "median"}
    if len(known) < 3:
        chosen = dict.fromkeys(known, "")
    rows = []
    for n in sorted(chosen, key=known.index):
        which = f", {chosen[n]} of {len(values)} for {reference}" if chosen[n] else ""
        title = f"{sets.test_source[n].header.name}{which}"
        rows.append((title, _cells([(name, Path(arms[name].predictions[n])) for name in order], sets.test_truth[n])))
    return rows


def _cells(made: Sequence[tuple[str, Path]], truth: Volume) -> list[Cell]:
    whole = _middle(truth)
    limits = _limits(whole)
    limit = (limits[1] - limits[0]) / 2
    cells = []
    for name, path in made:
        image = _fitted(_middle(open_one(path)[0]), whole)
        cells.append(Cell(name, _large(to_display(image, limits)), _large(error_map(image, whole, limit)), limit))
    return [*cells, Cell("truth", _large(to_display(whole, limits)))]


def _middle(volume: Volume) -> Array:
    """[C, h, w], of channels that make no picture the first."""
    _, c, z, *size = volume.header.shape
    (y, x), (h, w) = ((n - min(n, _SIDE)) // 2 for n in size), (min(n, _SIDE) for n in size)
    shown = c if c in (1, 3) else 1
    return volume.read(Box((0, 0, z // 2, y, x), (1, shown, z // 2 + 1, y + h, x + w)))[0, :, 0].astype(np.float64)


def _limits(truth: Array) -> tuple[float, float]:
    low, high = (float(v) for v in np.percentile(truth, (0.1, 99.9)))
    return low, high if high > low else low + 1.0


def _fitted(image: Array, truth: Array) -> Array:
    if len(truth) == 3:
        return image
    slope, offset = affine_fit(image, truth)
    return slope * image + offset


def _large(picture: Picture) -> Picture:
    """Small pictures enlarged by whole pixels, so that a name fits above."""
    factor = max(1, math.ceil(_READABLE / picture.shape[1]))
    return picture.repeat(factor, 0).repeat(factor, 1)

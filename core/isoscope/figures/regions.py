"""Parts of an image that are worth a closer look: asked for, or where the images differ most, and one as most are."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from isoscope.errors import DataError

__all__ = ["Region", "asked", "chosen", "usual_side"]

Floats = NDArray[np.float64]

_LARGEST = 256
_PART = 4
_NUMBERS = re.compile(r"\s*(\d+)\s*,\s*(\d+)\s*,\s*(\d+)\s*")


@dataclass(frozen=True, slots=True)
class Region:
    """A square.

    Attributes:
        y, x: its first row and column, in pixels of the full resolution.
        side: in pixels.
        why: it is shown.
    """

    y: int
    x: int
    side: int
    why: str

    @property
    def slices(self) -> tuple[slice, slice]:
        """Its rows and columns."""
        return slice(self.y, self.y + self.side), slice(self.x, self.x + self.side)


def asked(text: str, size: tuple[int, int]) -> Region:
    """The region that `y,x,side` names.

    Raises:
        DataError: if it is not written so, or does not lie in an image of this size.
    """
    found = _NUMBERS.fullmatch(text)
    if not found:
        raise DataError(f"got --zoom {text!r}; expected y,x,size in pixels; write it such as 100,200,64")
    y, x, side = (int(n) for n in found.groups())
    if side < 1 or y + side > size[0] or x + side > size[1]:
        raise DataError(f"got --zoom {text}; expected a square within {size[0]} x {size[1]} px; correct it")
    return Region(y, x, side, "asked for")


def usual_side(size: tuple[int, int]) -> int:
    """A quarter of the shorter side of an image, at most 256 pixels."""
    return max(1, min(min(size) // _PART, _LARGEST))


def chosen(
    difference: Floats, texture: Floats, step: int, size: tuple[int, int], other: str, worst: int = 1
) -> list[Region]:
    """Where images differ most, and, apart from that, where they differ as in the median of squares with content.

    Args:
        difference: of the images, [h, w], each pixel a mean over `step` x `step`.
        texture: the image that content is seen in, [h, w]: at least median standard deviation.
        step: pixels of the full resolution along the side of one of the maps'.
        size: of the full resolution.
        other: what it is the difference to, such as "truth".
        worst: how many squares of the largest differences, the worst first, none of which overlap; fewer where no more
            have room.
    """
    from scipy.ndimage import uniform_filter

    window = max(1, usual_side(size) // step)

    def means(values: Floats) -> Floats:
        """Of every square that fits, by its first row and column."""
        half, (rows, columns) = window // 2, (n - window + 1 for n in values.shape)
        averaged: Floats = uniform_filter(values, window, mode="nearest")[half : half + rows, half : half + columns]
        return averaged

    scores = means(difference)
    spread = means(texture**2) - means(texture) ** 2
    apart, found = np.ones(scores.shape, bool), list[Region]()
    rows, columns = np.ogrid[: scores.shape[0], : scores.shape[1]]
    while len(found) < worst and apart.any():
        place = np.unravel_index(int(np.argmax(np.where(apart, scores, -np.inf))), scores.shape)
        why = f"largest difference to the {other}" + (f", number {len(found) + 1}" if found else "")
        found.append(_region(place, step, size, why))
        apart &= (np.abs(rows - place[0]) >= window) | (np.abs(columns - place[1]) >= window)
    candidates = apart & (spread >= np.median(spread))
    if candidates.any():
        distance = np.where(candidates, np.abs(scores - np.median(scores[candidates])), np.inf)
        typical = np.unravel_index(int(np.argmin(distance)), scores.shape)
        found.append(_region(typical, step, size, "typical"))
    return found


def _region(place: tuple[np.intp, ...], step: int, size: tuple[int, int], why: str) -> Region:
    side = usual_side(size)
    y, x = (min(int(n) * step, limit - side) for n, limit in zip(place, size, strict=True))
    return Region(y, x, side, why)

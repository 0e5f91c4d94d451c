"""Grey values along a line."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from isoscope.errors import DataError

__all__ = ["Line", "line", "profile"]

Floats = NDArray[np.float64]

_PIECE = 256
_NUMBER = r"\s*(\d+(?:\.\d+)?)\s*"
_ENDS = re.compile(",".join([_NUMBER] * 4))


@dataclass(frozen=True, slots=True)
class Line:
    """From one pixel to another, in pixels of the full resolution; a pixel's centre has whole numbers."""

    y0: float
    x0: float
    y1: float
    x1: float

    @property
    def length(self) -> float:
        """In pixels."""
        return math.hypot(self.y1 - self.y0, self.x1 - self.x0)

    @property
    def points(self) -> Floats:
        """Rows and columns of points about a pixel apart, both ends among them, [2, n]."""
        count = math.ceil(self.length) + 1
        return np.stack([np.linspace(self.y0, self.y1, count), np.linspace(self.x0, self.x1, count)])


def line(text: str, size: tuple[int, int]) -> Line:
    """The line that `y0,x0,y1,x1` names.

    Raises:
        DataError: if it is not written so, has no length, or leaves an image of this size.
    """
    found = _ENDS.fullmatch(text)
    if not found:
        raise DataError(f"got --line {text!r}; expected y0,x0,y1,x1 in pixels; write it such as 10,10,10,200")
    made = Line(*(float(n) for n in found.groups()))
    if made.length == 0:
        raise DataError(f"got --line {text} without length; expected two different ends; move one")
    if max(made.y0, made.y1) > size[0] - 1 or max(made.x0, made.x1) > size[1] - 1:
        raise DataError(f"got --line {text}; expected ends within 0 to {size[0] - 1}, 0 to {size[1] - 1}; correct it")
    return made


def profile(crop: Callable[[slice, slice], Floats], along: Line) -> Floats:
    """Grey values at the line's points, [C, n], between pixels by linear interpolation.

    Args:
        crop: reads rows and columns of an image, [C, h, w]; only squares around pieces of the line are read.
        along: the line.
    """
    points = along.points
    starts = range(0, points.shape[1], _PIECE)
    return np.concatenate([_piece(crop, points[:, n : n + _PIECE]) for n in starts], axis=1)


def _piece(crop: Callable[[slice, slice], Floats], points: Floats) -> Floats:
    from scipy.ndimage import map_coordinates

    low, high = np.floor(points.min(axis=1)).astype(int), np.ceil(points.max(axis=1)).astype(int) + 1
    values = crop(slice(int(low[0]), int(high[0])), slice(int(low[1]), int(high[1])))
    return np.stack([map_coordinates(channel, points - low[:, None], order=1, mode="nearest") for channel in values])

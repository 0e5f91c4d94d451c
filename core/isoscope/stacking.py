"""Several images as one, along an axis: planes in files of their own become a stack, stains become channels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isoscope.errors import DataError
from isoscope.volume import AXES, Box, Header, Volume

__all__ = ["stacked"]


@dataclass(frozen=True, slots=True)
class _Stacked:
    """Equal volumes, one after the other along `axis`; reads only those that a box touches."""

    volumes: tuple[Volume, ...]
    axis: int
    header: Header

    def read(self, box: Box, /) -> NDArray[Any]:
        """The pixels of a box."""
        length = self.volumes[0].header.shape[self.axis]
        parts = []
        for index, volume in enumerate(self.volumes):
            start = max(box.start[self.axis] - index * length, 0)
            stop = min(box.stop[self.axis] - index * length, length)
            if start < stop:
                parts.append(volume.read(_moved(box, self.axis, start, stop)))
        return np.concatenate(parts, self.axis)


def _moved(box: Box, axis: int, start: int, stop: int) -> Box:
    first, last = list(box.start), list(box.stop)
    first[axis], last[axis] = start, stop
    return Box((*first,), (*last,))  # type: ignore[arg-type]


def stacked(volumes: Sequence[Volume], axis: str) -> Volume:
    """Equal images as one, in the given order, along time, channels or depth.

    Along channels, images of one channel each give it their names. Pixel size and notes are the first one's.

    Raises:
        DataError: if the axis is another, the images differ, or are colour pictures to be stacked along channels.
    """
    if axis not in ("T", "C", "Z"):
        raise DataError(f"got the axis {axis!r} to stack along; expected T, C or Z; choose one of them")
    first = volumes[0].header
    for other in (v.header for v in volumes):
        if (other.shape, other.dtype, other.rgb) != (first.shape, first.dtype, first.rgb):
            got = f"{other.name} is {other.shape} of {other.dtype}, {first.name} {first.shape} of {first.dtype}"
            raise DataError(f"{got} (TCZYX); expected equal images to stack; convert them separately")
    if axis == "C" and first.rgb:
        raise DataError(
            f"{first.name} is a colour picture; expected grey images to stack as channels; use --grey first"
        )
    place = AXES.index(axis)
    shape = list(first.shape)
    shape[place] *= len(volumes)
    axes = first.axes if axis in first.axes else axis + first.axes
    named = axis == "C" and first.shape[1] == 1
    channels = tuple(v.header.name for v in volumes) if named else first.channels if axis != "C" else ()
    header = replace(first, shape=(*shape,), axes=axes, channels=channels)  # type: ignore[arg-type]
    return _Stacked(tuple(volumes), place, header)

"""Volumes that are computed plane by plane as they are read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isoscope.frames import Frames
from isoscope.volume import Box, Header, Volume

__all__ = ["Change", "PlanewiseVolume", "as_read", "planewise"]

Change = Callable[[NDArray[np.float64]], NDArray[Any]]
"""From a plane [C, H, W] of grey values to another of the same size, perhaps of other channels."""


class PlanewiseVolume:
    """An image every plane of which is a function of the same plane of another; the last one is kept.

    Args:
        frames: the other image.
        change: what is done to each plane.
        channels: of the result; 3 are red, green and blue, unless the input has three of its own.
    """

    def __init__(self, frames: Frames, change: Change, channels: int) -> None:
        given = frames.volume.header
        t, c, z, y, x = given.shape
        stack = frames.planes == "stack"
        coloured = given.rgb if channels == c else channels == 3 and not stack
        self._header = replace(
            given, shape=(t, channels, 1 if stack else z, y, x), dtype=np.dtype(np.float32), rgb=coloured,
            channels=given.channels if channels == c and not stack else (), axes="TCZYX",
        )  # fmt: skip
        self._frames = frames
        self._plane = lru_cache(maxsize=1)(lambda index: self._made(change, index))

    @property
    def header(self) -> Header:
        """What the input says of itself, but for channels and type."""
        return self._header

    def _made(self, change: Change, index: int) -> NDArray[np.float32]:
        height, width = self._frames.size
        whole = self._frames.read(index, slice(0, height), slice(0, width))
        return np.asarray(change(whole.astype(np.float64)), np.float32)

    def read(self, box: Box, /) -> NDArray[Any]:
        """The pixels of a box; the planes that it touches are computed whole."""
        (t0, c0, z0, y0, x0), (t1, c1, z1, y1, x1) = box.start, box.stop
        depth = self._header.shape[2]
        out = np.empty(box.shape, np.float32)
        for t in range(t0, t1):
            for z in range(z0, z1):
                out[t - t0, :, z - z0] = self._plane(t * depth + z)[c0:c1, y0:y1, x0:x1]
        return out


def planewise(
    volumes: Sequence[Volume], change: Change, *, channels: int | None = None, grey: bool = False
) -> list[Volume]:
    """Every volume with a function applied to each of its planes.

    Args:
        volumes: the images.
        change: what is done to each plane.
        channels: of the result; none: as many as are read.
        grey: read RGB as luminance (Rec. 601).
    """
    frames = [Frames(v, "xy", grey) for v in volumes]
    return [PlanewiseVolume(f, change, channels or f.channels) for f in frames]


def as_read(volumes: Sequence[Volume], *, channels: int | None = None, grey: bool = False) -> list[Volume]:
    """The images as they are: the baseline of doing nothing.

    Args:
        volumes: the images.
        channels: repeat a single channel so often, to compare grey with colour.
        grey: read RGB as luminance (Rec. 601), as a model does whose source is grey.
    """
    many = channels or 0
    return planewise(
        volumes, lambda plane: np.repeat(plane, many, 0) if len(plane) < many else plane, channels=channels, grey=grey
    )

"""Volumes seen from their sides: XZ and YZ planes instead of XY."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from isoscope.volume import Box, Header, Layout, Shape, Volume, layout_of

__all__ = ["FRONT", "SIDE", "TurnedVolume", "View", "sides", "turned", "turned_shape"]

T = TypeVar("T")

View = tuple[int, int, int]
"""Which axes of TCZYX become planes, rows and columns."""

FRONT: View = (3, 2, 4)
"""XZ planes, one for each y: rows are z, columns are x."""
SIDE: View = (4, 2, 3)
"""YZ planes, one for each x: rows are z, columns are y."""


def turned_shape(shape: Shape, view: View) -> Shape:
    """Lengths or corners along TCZYX as a view has them."""
    plane, row, column = (shape[axis] for axis in view)
    return shape[0], shape[1], plane, row, column


def _back(shape: Shape, view: View) -> Shape:
    out = list(shape)
    for axis, value in zip(view, shape[2:], strict=True):
        out[axis] = value
    t, c, z, y, x = out
    return t, c, z, y, x


@dataclass(frozen=True, slots=True)
class TurnedVolume:
    """A volume whose planes are cut along z.

    Attributes:
        volume: the images.
        view: `FRONT` or `SIDE`.
    """

    volume: Volume
    view: View

    @property
    def header(self) -> Header:
        """What the volume says of itself, turned."""
        return turned(self.volume.header, self.view)

    @property
    def layout(self) -> Layout | None:
        """How the images lie on disk, turned."""
        layout = layout_of(self.volume)
        return layout and replace(
            layout, shard=turned_shape(layout.shard, self.view), chunk=turned_shape(layout.chunk, self.view)
        )

    def read(self, box: Box, /) -> NDArray[Any]:
        """The pixels of a box of the turned volume, a view."""
        values = self.volume.read(Box(_back(box.start, self.view), _back(box.stop, self.view)))
        return np.transpose(values, (0, 1, *self.view))


def turned(header: Header, view: View) -> Header:
    """What a volume says of itself once it is seen so."""
    size = header.pixel_size
    plane, row, column = (axis - 2 for axis in view)
    axes = header.axes if "Z" in header.axes else "Z" + header.axes
    return replace(
        header, shape=turned_shape(header.shape, view), axes=axes,
        pixel_size=size and (size[plane], size[row], size[column]),
    )  # fmt: skip


def sides(volume: Volume) -> list[Volume]:
    """The volume as XZ planes, and as YZ planes."""
    return [TurnedVolume(volume, FRONT), TurnedVolume(volume, SIDE)]

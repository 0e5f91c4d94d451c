"""Open a PNG or JPEG file as a Volume."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isoscope.errors import blame
from isoscope.reading import ReadOptions, check_axes, choose
from isoscope.volume import AXES, Box, Header, Layout, as_tczyx
from isoscope_images.formats import Picture, decode, inspect

__all__ = ["ImageVolume", "open_volume"]

_REMEDY = "copy the file again from its origin"


class ImageVolume:
    """One picture. These formats have no parts, so every read decodes all of it."""

    def __init__(self, picture: Picture, header: Header) -> None:
        self._picture = picture
        self._header = header

    @property
    def header(self) -> Header:
        """What the file says of the picture."""
        return self._header

    @property
    def layout(self) -> Layout:
        """One chunk: the whole picture."""
        return Layout(self._header.shape, self._header.shape)

    def read(self, box: Box, /) -> NDArray[Any]:
        """The pixels of a box.

        Raises:
            DataError: if the file is damaged.
        """
        with blame(self._picture.path, "cannot be decoded", _REMEDY):
            values = as_tczyx(decode(self._picture), self._header.axes)
            return np.ascontiguousarray(values[box.slices], self._header.dtype)


def open_volume(path: Path, options: ReadOptions = ReadOptions()) -> ImageVolume:
    """The picture in a file.

    Raises:
        DataError: if it is no PNG or JPEG, damaged, neither grey nor RGB, or has not what was asked for.
    """
    with blame(path, "cannot be read as PNG or JPEG", _REMEDY):
        picture = inspect(path)
        choose(path, "level", options.level, [picture])
        choose(path, "series", options.series, [picture])
        return ImageVolume(picture, _header(picture, check_axes(path, options.axes or picture.axes, picture.shape)))


def _header(picture: Picture, axes: str) -> Header:
    notes = picture.notes
    t, c, z, y, x = (picture.shape[axes.index(a)] if a in axes else 1 for a in AXES)
    channels, attributes = notes.get("channels"), notes.get("attributes")
    return Header(
        name=picture.path.stem,
        shape=(t, c, z, y, x),
        dtype=picture.dtype,
        axes=axes,
        pixel_size=_pixel_size(notes.get("pixel_size")) if axes == picture.axes else None,
        unit=str(notes.get("unit", "micrometer")),
        channels=tuple(map(str, channels)) if isinstance(channels, list) and len(channels) == c else (),
        rgb=axes == "YXC" and bool(notes.get("rgb", True)),
        attributes=picture.remarks | (attributes if isinstance(attributes, dict) else {}),
    )


def _pixel_size(value: Any) -> tuple[float, float, float] | None:
    """Only our own notes are believed: dots per inch in a PNG or JPEG are for printing."""
    if not isinstance(value, list) or len(value) != 3 or not all(isinstance(v, int | float) and v > 0 for v in value):
        return None
    z, y, x = map(float, value)
    return z, y, x

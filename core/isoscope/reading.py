"""What a user says of a file that does not say it itself, or says it wrong: how it is to be read."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from isoscope.errors import DataError, nearest, refusal
from isoscope.volume import AXES, Box, Header, Layout, Volume, layout_of

__all__ = ["BARE_AXES", "ReadOptions", "adjust", "check_axes", "choose", "choose_series"]

BARE_AXES = {2: "YX", 3: "ZYX", 4: "CZYX", 5: "TCZYX"}
"""What the dimensions of an array are taken for, by their number, where nobody says."""
_RGB = ("red", "green", "blue")
_log = logging.getLogger(__name__)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """How to read a file; the defaults believe what it says.

    Attributes:
        axes: what each of the file's own dimensions is, letters of TCZYX in the file's order.
        pixel_size: (y, x) or (z, y, x) in micrometers.
        channels: the channels to keep, in this order, each by its index from 0 or by its name.
        level: of a pyramid; 0 is the full resolution.
        series: which image of a file that holds several.

    Raises:
        DataError: if a value makes sense for no file.
    """

    axes: str | None = None
    pixel_size: tuple[float, ...] | None = None
    channels: tuple[int | str, ...] | None = None
    level: int = 0
    series: int = 0

    def __post_init__(self) -> None:
        _check_letters(self.axes)
        _check_size(self.pixel_size)
        if self.channels is not None and not 0 < len(self.channels) == len(set(self.channels)):
            raise DataError(f"got channels {_listed(self.channels)}; expected one or more, each once; name them again")
        if min(self.level, self.series) < 0:
            raise DataError(f"got level {self.level}, series {self.series}; expected 0 or more; count from 0")

    @property
    def file(self) -> ReadOptions:
        """Only what a store has to know: `adjust` sees to the rest, alike for all formats."""
        return replace(self, pixel_size=None, channels=None)


def _check_letters(axes: str | None) -> None:
    if axes is None:
        return
    if set(axes) - set(AXES) or len(set(axes)) < len(axes) or not {"Y", "X"} <= set(axes):
        raise DataError(f"got axes {axes!r}; expected letters of {AXES}, each once, Y and X among them; such as ZYX")


def _check_size(size: tuple[float, ...] | None) -> None:
    if size is not None and (len(size) not in (2, 3) or not all(math.isfinite(s) and s > 0 for s in size)):
        raise DataError(f"got pixel size {_listed(size)}; expected y, x or z, y, x in micrometers, each above 0")


def _listed(values: Sequence[object]) -> str:
    return ", ".join(map(str, values)) or "none"


def check_axes(path: object, axes: str, shape: Sequence[int]) -> str:
    """The axes, if there is one letter for each of a file's dimensions.

    Raises:
        DataError: if not.
    """
    if len(axes) != len(shape):
        raise refusal(path, f"axes {axes} for dimensions {tuple(shape)}", "one letter each", "name its axes anew")
    return axes


def choose(path: object, what: str, number: int, found: Sequence[T]) -> T:
    """The level or series that the user asked for.

    Raises:
        DataError: if there are not so many.
    """
    if number >= len(found):
        only = "0" if len(found) == 1 else f"0 to {len(found) - 1}"
        raise refusal(path, f"{what} {number} of {len(found)}", only, f"choose another {what}")
    return found[number]


def choose_series(path: object, options: ReadOptions, found: Sequence[T]) -> T:
    """The image that the user asked for, of several; that there are others is said aloud where nobody asked.

    Raises:
        DataError: if there are not so many.
    """
    if options.series == 0 and (last := len(found) - 1) > 0:
        _log.warning("%s: holds %d images; the first is read, series 1 to %d are not", path, last + 1, last)
    return choose(path, "series", options.series, found)


@dataclass(frozen=True, slots=True)
class _Adjusted:
    """A volume with some of its channels, or with another pixel size."""

    volume: Volume
    header: Header
    channels: tuple[int, ...]

    @property
    def layout(self) -> Layout | None:
        """How the volume lies in its file, with all its channels."""
        return layout_of(self.volume)

    def read(self, box: Box, /) -> NDArray[Any]:
        """The pixels of a box of the chosen channels; one read, from the first to the last of them."""
        wanted = self.channels[box.start[1] : box.stop[1]]
        first, last = min(wanted), max(wanted) + 1
        span = Box(_with_channel(box.start, first), _with_channel(box.stop, last))
        values = self.volume.read(span)
        return (
            values
            if wanted == tuple(range(first, last))
            else np.ascontiguousarray(values[:, [c - first for c in wanted]])
        )


def _with_channel(corner: tuple[int, int, int, int, int], channel: int) -> tuple[int, int, int, int, int]:
    t, _, z, y, x = corner
    return t, channel, z, y, x


def adjust(volume: Volume, options: ReadOptions, path: object) -> Volume:
    """The volume with the channels and the pixel size that the user asked for.

    Raises:
        DataError: if it has no such channel, or its depth is not told by a pixel size of y and x.
    """
    if options.channels is None and options.pixel_size is None:
        return volume
    header, kept = volume.header, tuple(range(volume.header.shape[1]))
    if options.channels is not None:
        kept = _indices(header, options.channels, path)
        header = _selected(header, kept)
    if options.pixel_size is not None:
        header = replace(header, pixel_size=_sized(header, options.pixel_size, path), unit="micrometer")
    return _Adjusted(volume, header, kept)


def _indices(header: Header, wanted: Sequence[int | str], path: object) -> tuple[int, ...]:
    names = _RGB if header.rgb else header.channels
    kept = tuple(_index(name, names, header.shape[1], path) for name in wanted)
    if len(set(kept)) < len(kept):
        raise refusal(path, f"channels {_listed(wanted)}", "each once", "name them again")
    return kept


def _index(wanted: int | str, names: Sequence[str], count: int, path: object) -> int:
    if wanted in names:
        return list(names).index(str(wanted))
    if str(wanted).isdecimal() and int(wanted) < count:
        return int(wanted)
    numbers = "0" if count == 1 else f"0 to {count - 1}"
    known = f" or a name: {nearest(str(wanted), names)}" if names else ", as it names none"
    raise DataError(f"{path}: got channel {wanted!r} of {count}; expected {numbers}{known}")


def _selected(header: Header, kept: tuple[int, ...]) -> Header:
    names = _RGB if header.rgb else header.channels
    t, _, z, y, x = header.shape
    still_rgb = header.rgb and kept == (0, 1, 2)
    channels = () if still_rgb or not names else tuple(names[c] for c in kept)
    return replace(header, shape=(t, len(kept), z, y, x), rgb=still_rgb, channels=channels)


def _sized(header: Header, size: tuple[float, ...], path: object) -> tuple[float, float, float]:
    known = header.pixel_size[0] if header.pixel_size and header.unit == "micrometer" else None
    if len(size) == 2 and known is None and header.shape[2] > 1:
        raise refusal(path, "a pixel size of y and x only", "z as well", "give the three in micrometers: z, y, x")
    z, y, x = map(float, size if len(size) == 3 else (known or 1.0, *size))
    return z, y, x

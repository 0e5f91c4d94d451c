"""Read any region of a TIFF series without decoding the rest, and without keeping the file open."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from tifffile import TiffFile, TiffPage, TiffPageSeries

from isoscope.errors import refusal
from isoscope_tiff.gate import segment_shape

__all__ = ["Contiguous", "Pixels", "Segmented", "plan"]

Array = NDArray[Any]
_JPEG = {6, 7, 33007, 34892}
_JPEG_2000 = {33003, 33004, 33005, 34712}


@dataclass(frozen=True, slots=True)
class Contiguous:
    """Uncompressed values in one run: the operating system fetches what is touched."""

    path: Path
    offset: int
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    codec: str = "none"

    @property
    def unit(self) -> None:
        """Nothing has to be decoded."""

    def read(self, region: tuple[slice, ...]) -> Array:
        """A copy of the region, one slice per axis of the series."""
        mapped = np.memmap(self.path, self.dtype, "r", self.offset, self.shape)
        return np.array(mapped[region])


@dataclass(frozen=True, slots=True)
class Frame:
    """Where the strips or tiles of one page lie."""

    path: Path
    offsets: Sequence[int]
    counts: Sequence[int]
    options: dict[str, Any]

    def encoded(self, stream: IO[bytes], index: int) -> bytes | None:
        """The bytes of one strip or tile; None where the file leaves it out (sparse files do)."""
        if self.offsets[index] == 0 or self.counts[index] == 0:
            return None
        stream.seek(self.offsets[index])
        content = stream.read(self.counts[index])
        if len(content) < self.counts[index]:  # JPEG decoders would fill the rest with grey and say nothing
            raise EOFError(f"strip or tile {index} ends {self.counts[index] - len(content)} bytes after the file does")
        return content


@dataclass(frozen=True, slots=True)
class Segmented:
    """Pages of strips or tiles; only those that a region touches are decoded."""

    frames: list[Frame | None]
    leading: tuple[int, ...]
    trailing: tuple[int, ...]
    trailing_axes: str
    page_shape: tuple[int, int, int, int, int]
    segment: tuple[int, int]
    segments: int
    dtype: np.dtype[Any]
    blank: Any
    decode: Callable[..., Any]
    codec: str

    @property
    def unit(self) -> tuple[int, ...]:
        """Lengths of what is decoded at once, one per axis of the series."""
        sides = dict(zip("YX", self.segment, strict=True)) if self._is_upright() else {}
        inner = (sides.get(axis, n) for axis, n in zip(self.trailing_axes, self.trailing, strict=True))
        return *(1 for _ in self.leading), *inner

    def read(self, region: tuple[slice, ...]) -> Array:
        """A copy of the region, one slice per axis of the series."""
        outer, inner = region[: len(self.leading)], region[len(self.leading) :]
        read = self._read_sides(inner)
        wanted = itertools.product(*(range(s.start, s.stop) for s in outer))
        found = [self._frame(int(np.ravel_multi_index(i, self.leading)) if i else 0, **read) for i in wanted]
        lengths = [s.stop - s.start for s in outer]
        done = dict(zip("YX", read.values(), strict=True)) if self._is_upright() else {}
        trailing = [_length(done.get(a, slice(0, n))) for a, n in zip(self.trailing_axes, self.trailing, strict=True)]
        rest = [slice(None) if a in done else s for a, s in zip(self.trailing_axes, inner, strict=True)]
        whole = [slice(None) for _ in lengths]
        return np.stack(found).reshape(*lengths, *trailing)[tuple(whole + rest)]

    def _is_upright(self) -> bool:
        """Whether the rows and columns of a page are the Y and X of the series; writers may declare another shape."""
        sides = dict(zip(self.trailing_axes, self.trailing, strict=True))
        return (sides["Y"], sides["X"]) == self.page_shape[2:4]

    def _read_sides(self, inner: tuple[slice, ...]) -> dict[str, slice]:
        if not self._is_upright():
            return {"y": slice(0, self.page_shape[2]), "x": slice(0, self.page_shape[3])}
        return {axis.lower(): inner[self.trailing_axes.index(axis)] for axis in "YX"}

    def _frame(self, number: int, y: slice, x: slice) -> Array:
        samples, depth, _, _, contiguous = self.page_shape
        out = np.full((samples, depth, y.stop - y.start, x.stop - x.start, contiguous), self.blank, self.dtype)
        frame = self.frames[number]
        if frame is not None:
            with frame.path.open("rb") as stream:
                for index in self._touched(y, x):
                    self._paste(out, frame, stream, index, y, x)
        return out

    def _touched(self, y: slice, x: slice) -> Iterator[int]:
        height, width = self.segment
        rows, columns = -(-self.page_shape[2] // height), -(-self.page_shape[3] // width)
        for layer in range(self.segments // (rows * columns)):
            for row in range(y.start // height, -(-y.stop // height)):
                for column in range(x.start // width, -(-x.stop // width)):
                    yield (layer * rows + row) * columns + column

    def _paste(self, out: Array, frame: Frame, stream: IO[bytes], index: int, y: slice, x: slice) -> None:
        values, (s, d, top, left, _), _ = self.decode(frame.encoded(stream, index), index, **frame.options)
        if values is None:
            return
        rows = slice(max(y.start, top), min(y.stop, top + values.shape[1]))
        columns = slice(max(x.start, left), min(x.stop, left + values.shape[2]))
        target = out[s, d : d + values.shape[0], rows.start - y.start : rows.stop - y.start,
                     columns.start - x.start : columns.stop - x.start]  # fmt: skip
        target[...] = values[: target.shape[0], rows.start - top : rows.stop - top,
                             columns.start - left : columns.stop - left]  # fmt: skip


Pixels = Contiguous | Segmented


def _length(span: slice) -> int:
    return int(span.stop - span.start)


def plan(path: Path, tif: TiffFile, series: TiffPageSeries) -> Pixels:
    """How to read a series; needs the open file now, but not later.

    Raises:
        DataError: if the pages do not add up to the series.
    """
    page = series.keyframe
    shape = tuple(int(n) for n in series.shape)
    if series.dataoffset is not None and not series.is_multifile and page.dtype is not None:
        return _contiguous(path, series.dataoffset, page.dtype.newbyteorder(tif.byteorder), shape)
    split = _page_axes(series.axes, shape, page.size)
    if math.prod(shape[:split]) != len(series.pages) or not {"Y", "X"} <= set(series.axes[split:]):
        raise refusal(path, f"{len(series.pages)} pages for shape {shape}", "one per plane", "copy the file again")
    frames = [None if p is None else _frame(p, page) for p in series.pages]
    return Segmented(
        frames, shape[:split], shape[split:], series.axes[split:], page.shaped, segment_shape(page),
        math.prod(page.chunked), np.dtype(page.dtype), page.nodata, page.decode, _codec(page),
    )  # fmt: skip


def _codec(page: TiffPage) -> str:
    compression = int(page.compression)
    return "jpeg2000" if compression in _JPEG_2000 else str(getattr(page.compression, "name", compression)).lower()


def _contiguous(path: Path, offset: int, dtype: np.dtype[Any], shape: tuple[int, ...]) -> Contiguous:
    needed, stored = offset + math.prod(shape) * dtype.itemsize, path.stat().st_size
    if needed > stored:
        raise refusal(path, f"{stored} bytes", f"{needed}, as its tags declare", "copy the file again; it is cut short")
    return Contiguous(path, offset, dtype, shape)


def _page_axes(axes: str, shape: tuple[int, ...], size: int) -> int:
    """Where the axes within a page begin: the shortest tail that has Y and X and as many values as a page."""
    for split in range(len(axes) - 1, -1, -1):
        if {"Y", "X"} <= set(axes[split:]) and math.prod(shape[split:]) >= size:
            return split
    return 0


def _frame(page: Any, keyframe: TiffPage) -> Frame:
    tables = {"jpegtables": page.jpegtables, "jpegheader": keyframe.jpegheader}
    options = tables if int(keyframe.compression) in _JPEG else {}
    return Frame(Path(page.parent.filehandle.path), page.dataoffsets, page.databytecounts, options)

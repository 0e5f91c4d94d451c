"""Open an image of a TIFF file as a Volume."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tifffile import TiffFile, TiffPage, TiffPageSeries

from isoscope.errors import blame
from isoscope.reading import ReadOptions, choose, choose_series
from isoscope.volume import Box, Header, Layout
from isoscope_tiff.axes import Arrangement, Size, arrange, relabelled, shrunk
from isoscope_tiff.damage import check_tags, refuse_damage
from isoscope_tiff.gate import check_pages, check_photometric, check_size
from isoscope_tiff.metadata import channel_names, notes, pixel_size
from isoscope_tiff.pixels import Pixels, plan

__all__ = ["TiffVolume", "open_volume"]

_log = logging.getLogger(__name__)
_WHITE, _RGB, _PALETTE, _YCBCR = 0, 2, 3, 6
_ALPHA = {1, 2}
_DIFFERENCES = 2
_WHOLE_BITS = {8, 16, 32, 64}
_REMEDY = "copy the file again from its origin, or export it as plain TIFF"
Convert = Callable[[NDArray[Any]], NDArray[Any]]


class TiffVolume:
    """One image of a TIFF file. Holds no open file: threads may share it, processes may unpickle it."""

    def __init__(
        self, path: Path, header: Header, pixels: Pixels, arrangement: Arrangement, convert: Convert,
        options: ReadOptions,
    ) -> None:  # fmt: skip
        self._path = path
        self._options = options
        self._header = header
        self._pixels = pixels
        self._arrangement = arrangement
        self._convert = convert

    @property
    def header(self) -> Header:
        """What the file's metadata says of the image."""
        return self._header

    @property
    def layout(self) -> Layout | None:
        """The strip or tile that is decoded at once; none where pixels lie open in the file."""
        if (region := self._pixels.unit) is None:
            return None
        chunk = self._arrangement.chunk(region)
        return Layout(chunk, chunk, self._pixels.codec)

    def read(self, box: Box, /) -> NDArray[Any]:
        """The pixels of a box, in native byte order.

        Raises:
            DataError: if a strip or tile is damaged.
        """
        with blame(self._path, "cannot be decoded", _REMEDY):
            values = self._pixels.read(self._arrangement.region(box))
            return np.ascontiguousarray(self._convert(self._arrangement.fit(values, box)), self._header.dtype)

    def __reduce__(self) -> tuple[Any, ...]:
        return open_volume, (self._path, self._options)  # tifffile's decoders are closures, which cannot be pickled


def open_volume(path: Path, options: ReadOptions = ReadOptions()) -> TiffVolume:
    """One image in the file, the first unless asked otherwise: of a pyramid, one level.

    Raises:
        DataError: if it is no TIFF, damaged, not to be read as grey values or RGB, or has not what was asked for.
    """
    with blame(path, "cannot be read as TIFF", _REMEDY), refuse_damage(path), TiffFile(path) as tif:
        return _open(path, tif, options)


def _open(path: Path, tif: TiffFile, options: ReadOptions) -> TiffVolume:
    check_pages(path, tif)
    series = _series(path, tif, options)
    page = series.keyframe
    check_tags(path, page)
    check_photometric(path, page)
    check_size(path, series, page)
    shape = tuple(int(n) for n in series.shape)
    letters = arrange(path, series.axes, shape, options.axes)
    arrangement = Arrangement(letters, shape, _kept_samples(path, page, letters, shape))
    convert, remarks = _conversion(path, page)
    header = _header(path, tif, page, arrangement, options.series)
    size = _pixel_size(tif, series, letters, options.series)
    header = replace(header, pixel_size=size, attributes=remarks | header.attributes)
    return TiffVolume(path, header, plan(path, tif, series), arrangement, convert, options)


def _series(path: Path, tif: TiffFile, options: ReadOptions) -> TiffPageSeries:
    """The level of the series; a slide's thumbnail, label and photograph are series that nobody misses."""
    slide = options.series == 0 and tif.series[0].name == "Baseline"
    image = tif.series[0] if slide else choose_series(path, options, tif.series)
    return choose(path, "level", options.level, image.levels)


def _pixel_size(tif: TiffFile, level: TiffPageSeries, letters: str, series: int) -> Size | None:
    full = tif.series[series]
    if full.axes != level.axes:
        return None
    return relabelled(shrunk(pixel_size(tif, series), full.axes, full.shape, level.shape), full.axes, letters)


def _kept_samples(path: Path, page: TiffPage, axes: str, shape: tuple[int, ...]) -> int:
    samples = shape[axes.index("S")] if "S" in axes else 1
    alpha = sum(int(extra) in _ALPHA for extra in page.extrasamples)
    if 0 < alpha < samples:
        _log.warning("%s: transparency is left out; only grey values and colours are read", path)
        return samples - alpha
    return samples


def _conversion(path: Path, page: TiffPage) -> tuple[Convert, dict[str, Any]]:
    """What turns stored into grey values (black = 0), and what to remark about it."""
    whole = _wrapped if page.predictor == _DIFFERENCES and page.bitspersample not in _WHOLE_BITS else _unchanged
    mask = partial(whole, bits=page.bitspersample)
    if page.photometric == _PALETTE:
        return mask, {"palette": "index"}
    if page.photometric != _WHITE:
        return mask, {}
    if page.dtype is not None and page.dtype.kind == "f":  # floats have no white to count from
        _log.warning("%s: is min-is-white in floating point; its values are read as stored", path)
        return mask, {"photometric": "min-is-white, as stored"}
    white = -1 if page.dtype is not None and page.dtype.kind == "i" else 2**page.bitspersample - 1
    return lambda values: white - mask(values), {"photometric": "min-is-white, inverted"}


def _unchanged(values: NDArray[Any], bits: Any) -> NDArray[Any]:  # noqa: ARG001 (as `_wrapped`)
    return values.astype(np.uint8) if values.dtype.kind == "b" else values


def _wrapped(values: NDArray[Any], bits: int) -> NDArray[Any]:
    """Sums of differences of packed samples, which wrap at their own number of bits and not at the decoder's."""
    return np.asarray(np.bitwise_and(values, 2**bits - 1, dtype=values.dtype))


def _header(path: Path, tif: TiffFile, page: TiffPage, arrangement: Arrangement, series: int) -> Header:
    shape = arrangement.volume
    colours = page.photometric in {_RGB, _YCBCR} and arrangement.samples == 3
    stored = np.dtype(page.dtype)
    attributes = notes(tif, series).get("attributes")
    return Header(
        name=_stem(path), shape=shape, dtype=np.dtype("u1") if stored.kind == "b" else stored.newbyteorder("="),
        axes=arrangement.axes, channels=() if colours else channel_names(tif, shape[1], series),
        rgb=colours and shape[1] == 3, attributes=attributes if isinstance(attributes, dict) else {},
    )  # fmt: skip


def _stem(path: Path) -> str:
    stem = path.stem
    return stem[:-4] if stem.lower().endswith(".ome") else stem

"""Open the first image of a TIFF file as a Volume."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tifffile import TiffFile, TiffPage

from isoscope.volume import Box, Header
from isoscope_tiff.axes import Arrangement, arrange
from isoscope_tiff.errors import blame
from isoscope_tiff.gate import check_pages, check_photometric, check_size
from isoscope_tiff.metadata import channel_names, notes, pixel_size
from isoscope_tiff.pixels import Pixels, plan

__all__ = ["TiffVolume", "open_volume"]

_log = logging.getLogger(__name__)
_WHITE, _RGB, _PALETTE, _YCBCR = 0, 2, 3, 6
_ALPHA = {1, 2}
_REMEDY = "copy the file again from its origin, or export it as plain TIFF"
Convert = Callable[[NDArray[Any]], NDArray[Any]]


class TiffVolume:
    """One image of a TIFF file. Holds no open file: threads may share it, processes may unpickle it."""

    def __init__(self, path: Path, header: Header, pixels: Pixels, arrangement: Arrangement, convert: Convert) -> None:
        self._path = path
        self._header = header
        self._pixels = pixels
        self._arrangement = arrangement
        self._convert = convert

    @property
    def header(self) -> Header:
        """What the file's metadata says of the image."""
        return self._header

    def read(self, box: Box, /) -> NDArray[Any]:
        """The pixels of a box, in native byte order.

        Raises:
            DataError: if a strip or tile is damaged.
        """
        with blame(self._path, "cannot be decoded", _REMEDY):
            values = self._pixels.read(self._arrangement.region(box))
            return np.ascontiguousarray(self._convert(self._arrangement.fit(values, box)), self._header.dtype)

    def __reduce__(self) -> tuple[Any, ...]:
        return open_volume, (self._path,)  # tifffile's decoders are closures, which cannot be pickled


def open_volume(path: Path) -> TiffVolume:
    """The first image in the file: of a pyramid, its full resolution.

    Raises:
        DataError: if it is no TIFF, damaged, or not to be read as grey values or RGB.
    """
    with blame(path, "cannot be read as TIFF", _REMEDY), TiffFile(path) as tif:
        return _open(path, tif)


def _open(path: Path, tif: TiffFile) -> TiffVolume:
    check_pages(path, tif)
    series = tif.series[0]
    page = series.keyframe
    check_photometric(path, page)
    check_size(path, series, page)
    shape = tuple(int(n) for n in series.shape)
    arrangement = arrange(path, series.axes, shape, _kept_samples(path, page, series.axes, shape))
    convert, remarks = _conversion(path, page)
    header = _header(path, tif, page, arrangement, remarks)
    return TiffVolume(path, header, plan(path, tif, series), arrangement, convert)


def _kept_samples(path: Path, page: TiffPage, axes: str, shape: tuple[int, ...]) -> int:
    samples = shape[axes.index("S")] if "S" in axes else 1
    alpha = sum(int(extra) in _ALPHA for extra in page.extrasamples)
    if 0 < alpha < samples:
        _log.warning("%s: transparency is left out; only grey values and colours are read", path)
        return samples - alpha
    return samples


def _conversion(path: Path, page: TiffPage) -> tuple[Convert, dict[str, Any]]:
    """What turns stored into grey values (black = 0), and what to remark about it."""
    if page.photometric == _PALETTE:
        return _unchanged, {"palette": "index"}
    if page.photometric != _WHITE:
        return _unchanged, {}
    if page.dtype is not None and page.dtype.kind == "f":  # floats have no white to count from
        _log.warning("%s: is min-is-white in floating point; its values are read as stored", path)
        return _unchanged, {"photometric": "min-is-white, as stored"}
    white = -1 if page.dtype is not None and page.dtype.kind == "i" else 2**page.bitspersample - 1
    return lambda values: white - _unchanged(values), {"photometric": "min-is-white, inverted"}


def _unchanged(values: NDArray[Any]) -> NDArray[Any]:
    return values.astype(np.uint8) if values.dtype.kind == "b" else values


def _header(path: Path, tif: TiffFile, page: TiffPage, arrangement: Arrangement, remarks: dict[str, Any]) -> Header:
    shape = arrangement.volume
    colours = page.photometric in {_RGB, _YCBCR} and arrangement.samples == 3
    stored = np.dtype(page.dtype)
    dtype = np.dtype("u1") if stored.kind == "b" else stored.newbyteorder("=")
    attributes = notes(tif).get("attributes")
    return Header(
        name=_stem(path), shape=shape, dtype=dtype, axes=arrangement.axes, pixel_size=pixel_size(tif, page),
        channels=() if colours else channel_names(tif, shape[1]), rgb=colours and shape[1] == 3,
        attributes=remarks | (attributes if isinstance(attributes, dict) else {}),
    )  # fmt: skip


def _stem(path: Path) -> str:
    stem = path.stem
    return stem[:-4] if stem.lower().endswith(".ome") else stem

"""Refuse what is unsafe to decode, or what would read as wrong grey values, from the tags alone.

This bounds what the C libraries behind imagecodecs are asked for; it does not contain them. A file made to exploit a
flaw in one of them is decoded in this very process: open files of strangers on a machine that may be lost.
"""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

from tifffile import TIFF, TiffFile, TiffPage, TiffPageSeries

from isoscope.errors import refusal

__all__ = ["check_pages", "check_photometric", "check_size", "segment_shape"]

_MAX_PAGES = 1_000_000
_MAX_SEGMENT = 2 * 2**30
_MAX_BYTES = 2**50
_MAX_RATIO = 10_000
_ALWAYS_SAFE = 64 * 2**20
_WHITE, _BLACK, _RGB, _PALETTE, _MASK, _CMYK, _YCBCR = range(7)
# These decoders turn YCbCr into RGB by themselves; anything else would hand us luma and chroma as if they were colours.
_YCBCR_DECODERS = {6, 7, 33003, 33004, 33005, 33007, 34712, 34892, 34927, 50001}


def check_pages(path: Path, tif: TiffFile) -> None:
    """Check the number of pages, which is all that can be known before the pages are grouped."""
    if not 1 <= len(tif.pages) <= _MAX_PAGES:
        raise refusal(path, f"{len(tif.pages)} pages", f"1 to {_MAX_PAGES}", "copy the file again, or split it")


def segment_shape(page: TiffPage) -> tuple[int, int]:
    """Height and width in pixels of what the page decodes at once, a tile or a strip."""
    if page.is_tiled:
        return page.tilelength, page.tilewidth
    return min(page.rowsperstrip, page.imagelength), page.imagewidth


def check_photometric(path: Path, page: TiffPage) -> None:
    """Check that the samples are grey values, palette indices or RGB."""
    photometric, compression = int(page.photometric), int(page.compression)
    grey_or_colour = photometric in {_WHITE, _BLACK, _RGB, _PALETTE, _MASK}
    if not grey_or_colour and not (photometric == _YCBCR and compression in _YCBCR_DECODERS):
        name = "CMYK" if photometric == _CMYK else getattr(page.photometric, "name", str(photometric))
        raise refusal(path, f"{name} colours, compression {compression}", "grey, palette or RGB", "save it as RGB")
    if page.dtype is None or page.dtype.kind not in "biuf" or page.dtype.itemsize > 8:
        got = f"sample format {int(page.sampleformat)} of {page.bitspersample} bits"
        raise refusal(path, got, "integers or floats of at most 64 bits", "convert it")
    if compression not in TIFF.DECOMPRESSORS:
        raise refusal(path, f"compression {compression}", "one that imagecodecs decodes", "save it with LZW or deflate")


def check_size(path: Path, series: TiffPageSeries, page: TiffPage) -> None:
    """Check the declared against the stored size, so that a tiny file cannot ask for a giant array."""
    shape = tuple(int(n) for n in series.shape)
    if min(shape, default=0) < 1:
        raise refusal(path, f"shape {shape}", "positive lengths", "copy the file again from its origin")
    item = page.dtype.itemsize if page.dtype else 1
    declared = math.prod(shape) * item
    if declared > min(_MAX_BYTES, max(_ALWAYS_SAFE, _MAX_RATIO * _stored(path, series))):
        raise refusal(path, f"a declared size of {declared} bytes", f"{_MAX_RATIO} x its file at most", "check it")
    segment = math.prod(segment_shape(page)) * page.tiledepth * page.samplesperpixel * item
    if not page.is_contiguous and segment > _MAX_SEGMENT:
        raise refusal(path, f"strips or tiles of {segment} bytes", "at most 2 GiB", "save it in tiles")


def _stored(path: Path, series: TiffPageSeries) -> int:
    if not series.is_multifile:
        return path.stat().st_size
    parents: set[Any] = {page.parent.filehandle.path for page in series.pages if page is not None}
    return sum(os.stat(parent).st_size for parent in parents)  # noqa: PTH116 (tifffile gives strings)

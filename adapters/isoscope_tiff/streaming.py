"""Stream an image and its smaller copies into a TIFF file, band by band."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tifffile import TiffWriter

from isoscope.volume import AXES, Box, Header, Volume
from isoscope_tiff.options import TILE, Kind, axes_of, file_options

__all__ = ["write_file"]

_BAND = 2 * TILE
_AHEAD = 2**24  # bytes that tifffile compresses at a time; it would take half a gigabyte


def write_file(
    file: Path, kind: Kind, header: Header, levels: Sequence[Volume], options: dict[str, Any], beat: Callable[[], None]
) -> None:
    """Write a file of an image (the first level) and its smaller copies, as SubIFDs.

    Args:
        file: to write.
        kind: of TIFF.
        header: of the image.
        levels: the image, then the smaller ones.
        options: for tifffile, of the image.
        beat: called after every band.
    """
    axes, rest = axes_of(kind, header), {k: v for k, v in options.items() if k not in ("metadata", "resolution")}
    with TiffWriter(file, **file_options(kind, header)) as tif:
        for number, volume in enumerate(levels):
            own = {"subfiletype": 1, "metadata": None, **rest} if number else {"subifds": len(levels) - 1, **options}
            shape = tuple(volume.header.shape[AXES.index(a)] for a in axes)
            data: Any = (_tiles if "tile" in options else _bands)(volume, axes, header.rgb, beat)
            if shape[axes.index("X")] == 1:  # tifffile takes such an axis for samples, and cuts tiles otherwise
                data = np.concatenate([*_bands(volume, axes, header.rgb, beat)]).reshape(shape)
            tif.write(data, shape=shape, dtype=header.dtype, buffersize=_AHEAD, **own)


def _bands(volume: Volume, axes: str, rgb: bool, beat: Callable[[], None]) -> Iterator[NDArray[Any]]:
    """Rows over the whole width, [h, w] or [h, w, 3], plane by plane in the order of the axes."""
    lengths = dict(zip(AXES, volume.header.shape, strict=True))
    outer = [a for a in axes if a not in ("YXC" if rgb else "YX")]
    for index in product(*(range(lengths[a]) for a in outer)):
        at = dict(zip(outer, index, strict=True))
        for top in range(0, lengths["Y"], _BAND):
            yield _band(volume, at, top, min(top + _BAND, lengths["Y"]), rgb)
            beat()


def _band(volume: Volume, at: dict[str, int], top: int, bottom: int, rgb: bool) -> NDArray[Any]:
    t, c, z = (at.get(a, 0) for a in "TCZ")
    stop = volume.header.shape[1] if rgb else c + 1
    values = volume.read(Box((t, c, z, top, 0), (t + 1, stop, z + 1, bottom, volume.header.shape[4])))[0, :, 0]
    return np.ascontiguousarray(np.moveaxis(values, 0, -1) if rgb else values[0])


def _tiles(volume: Volume, axes: str, rgb: bool, beat: Callable[[], None]) -> Iterator[NDArray[Any]]:
    for band in _bands(volume, axes, rgb, beat):
        for y, x in product(range(0, band.shape[0], TILE), range(0, band.shape[1], TILE)):
            yield band[y : y + TILE, x : x + TILE]

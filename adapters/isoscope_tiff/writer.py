"""Gather an image in memory (or in a scratch file, if large) and write it as TIFF in one go."""

from __future__ import annotations

import contextlib
import json
import logging
import math
import os
import secrets
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from isoscope.durable import publish
from isoscope.errors import DataError, blame, refusal
from isoscope.volume import AXES, Box, Header
from isoscope_tiff.metadata import MICROMETERS

__all__ = ["TiffSink"]

_IN_MEMORY = 2**30
_CLASSIC = 2 * 2**30
_OME = ("int8", "int16", "int32", "uint8", "uint16", "uint32", "float32", "float64")
_IMAGEJ = ("uint8", "uint16", "float32")
_REMEDY = "free space or choose another place"
_log = logging.getLogger(__name__)


class TiffSink:
    """One image on its way into a TIFF file. Threads may write different boxes at once."""

    def __init__(self, path: Path, header: Header) -> None:
        self._path = path
        self._header = header
        self._kind = _kind(path, header)
        self._order = "TZYXC" if header.rgb else "TZCYX" if self._kind == "imagej" else AXES
        self._scratch = path.with_name(f".{path.name}.scratch-{os.getpid()}-{secrets.token_hex(4)}.partial")
        self._stored: NDArray[Any] | None = None
        _notes(header)
        with blame(path, "cannot be created", _REMEDY):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._stored = self._allocate()

    def _allocate(self) -> NDArray[Any]:
        shape = tuple(self._header.shape[AXES.index(a)] for a in self._order)
        if _bytes(self._header) <= _IN_MEMORY:
            return np.zeros(shape, self._header.dtype)
        return np.memmap(self._scratch, self._header.dtype, "w+", shape=shape)

    def write(self, box: Box, values: NDArray[Any], /) -> None:
        """Keep one box until `close`."""
        if self._stored is None:
            raise ValueError(f"{self._path} is closed")
        self._stored.transpose([self._order.index(a) for a in AXES])[box.slices] = values

    def written(self, _box: Box, /) -> bool:
        """Never: the image is gathered in memory."""
        return False

    def close(self) -> None:
        """Write the file under a temporary name, then move it into place."""
        if self._stored is None:
            return
        with blame(self._path, "cannot be written", _REMEDY):
            values, options = self._squeezed(self._stored), self._options()
            publish(self._path, lambda draft: tifffile.imwrite(draft, values, **options))
        self.abort()

    def abort(self) -> None:
        """Forget what was gathered."""
        self._stored = None
        with contextlib.suppress(OSError):
            self._scratch.unlink(missing_ok=True)

    def discard(self) -> None:
        """Forget what was gathered."""
        self.abort()

    def _kept(self) -> str:
        """The axes to store: a plain TIFF lists them as they are, so those the image never had are left out."""
        dropped = set("TCZ") - set(self._header.axes) if self._kind == "plain" else set()
        lengths = dict(zip(AXES, self._header.shape, strict=True))
        return "".join(a for a in self._order if a not in dropped or lengths[a] > 1)

    def _squeezed(self, stored: NDArray[Any]) -> NDArray[Any]:
        return stored.reshape([self._header.shape[AXES.index(a)] for a in self._kept()])

    def _options(self) -> dict[str, Any]:
        make = {"ome": _ome_options, "imagej": _imagej_options, "plain": _plain_options}[self._kind]
        axes = self._kept().replace("C", "S") if self._header.rgb else self._kept()
        common = {"photometric": "rgb" if self._header.rgb else "minisblack"}
        return common | make(self._header, axes, _micrometers(self._header))


Size = tuple[float, float, float] | None


def _bytes(header: Header) -> int:
    return math.prod(header.shape) * header.dtype.itemsize


def _kind(path: Path, header: Header) -> str:
    ome = path.name.lower().endswith((".ome.tif", ".ome.tiff"))
    if header.dtype.kind not in "iuf" or header.dtype.itemsize > 8 or (ome and header.dtype.name not in _OME):
        expected = ", ".join(_OME) if ome else "integers or floats of at most 64 bits"
        raise refusal(path, f"{header.dtype} pixels", expected, "convert them, or write .ome.zarr")
    if header.rgb and header.shape[1] != 3:
        raise refusal(path, f"{header.shape[1]} channels of RGB", "3", "correct the header")
    if header.shape[4] == 1 and not ome:  # tifffile drops a last axis of length 1 and writes another picture
        raise refusal(path, "an image one pixel wide", "two or more", "write .ome.tif or .ome.zarr")
    simple = header.dtype.name in (_IMAGEJ[:1] if header.rgb else _IMAGEJ) and _bytes(header) <= _CLASSIC
    return "ome" if ome else "imagej" if simple else "plain"


def _micrometers(header: Header) -> Size:
    if header.pixel_size is None:
        return None
    if (factor := MICROMETERS.get(header.unit)) is None:
        _log.warning("%s: pixel size in %r cannot be kept in TIFF", header.name, header.unit)
        return None
    z, y, x = header.pixel_size
    return z * factor, y * factor, x * factor


def _notes(header: Header, **more: Any) -> str:
    try:
        return json.dumps({"attributes": header.attributes} | more)
    except (TypeError, ValueError) as error:
        raise DataError(f"got attributes beyond JSON ({error}); expected plain values; convert them") from error


def _tiled(header: Header) -> dict[str, Any]:
    predicts = header.dtype.kind in "iu" and header.dtype.itemsize <= 4
    return {"tile": (256, 256), "compression": "zlib", "predictor": predicts, "bigtiff": _bytes(header) > _CLASSIC}


def _printable(names: tuple[str, ...]) -> list[str]:
    return ["".join(c for c in name if c.isprintable()) for name in names]  # XML has no place for control characters


def _ome_options(header: Header, axes: str, size: Size) -> dict[str, Any]:
    about: dict[str, Any] = {"axes": axes, "Name": _printable((header.name,))[0]}
    for axis, length in zip("ZYX", size or (), strict=False):
        about |= {f"PhysicalSize{axis}": length, f"PhysicalSize{axis}Unit": "µm"}
    if header.channels and not header.rgb:
        about["Channel"] = {"Name": _printable(header.channels)}
    if header.attributes:
        about["MapAnnotation"] = {"Namespace": "isoscope", "isoscope": _notes(header)}
    return _tiled(header) | {"ome": True, "metadata": about}


def _imagej_options(header: Header, axes: str, size: Size) -> dict[str, Any]:
    about: dict[str, Any] = {"axes": axes} | ({"Info": _notes(header)} if header.attributes else {})
    if header.channels and not header.rgb:
        about["Labels"] = [*header.channels] * (header.shape[0] * header.shape[2])
    if size is None:
        return {"imagej": True, "metadata": about}
    about |= {"unit": "um", "spacing": size[0]}
    return {"imagej": True, "resolution": (1 / size[2], 1 / size[1]), "metadata": about}


def _plain_options(header: Header, axes: str, size: Size) -> dict[str, Any]:
    spacing = {"spacing": size[0]} if size else {}
    about = {"axes": axes, "isoscope": _notes(header, channels=header.channels, **spacing)}
    placed = {"resolution": (1e4 / size[2], 1e4 / size[1]), "resolutionunit": "CENTIMETER"} if size else {}
    return _tiled(header) | placed | {"metadata": about}

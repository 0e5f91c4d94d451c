"""How tifffile is asked to write an image: as OME-TIFF, as what ImageJ opens, or as plain TIFF."""

from __future__ import annotations

import json
import logging
import math
from pathlib import Path
from typing import Any, Literal

from isoscope.errors import DataError, refusal
from isoscope.volume import AXES, Header
from isoscope_tiff.metadata import MICROMETERS

__all__ = ["TILE", "Kind", "axes_of", "file_options", "kind_of", "notes", "page_options", "size_of"]

Kind = Literal["ome", "imagej", "plain"]
TILE = 256
_CLASSIC = 2 * 2**30
_OME = ("int8", "int16", "int32", "uint8", "uint16", "uint32", "float32", "float64")
_IMAGEJ = ("uint8", "uint16", "float32")
_log = logging.getLogger(__name__)

Size = tuple[float, float, float] | None


def size_of(header: Header) -> int:
    """Bytes of the pixels."""
    return math.prod(header.shape) * header.dtype.itemsize


def kind_of(path: Path, header: Header) -> Kind:
    """What to write: OME-TIFF where the name says so, else what ImageJ opens if it can hold the image.

    Raises:
        DataError: if TIFF cannot hold it.
    """
    ome = path.name.lower().endswith((".ome.tif", ".ome.tiff"))
    if header.dtype.kind not in "iuf" or header.dtype.itemsize > 8 or (ome and header.dtype.name not in _OME):
        expected = ", ".join(_OME) if ome else "integers or floats of at most 64 bits"
        raise refusal(path, f"{header.dtype} pixels", expected, "convert them, or write .ome.zarr")
    if header.rgb and header.shape[1] != 3:
        raise refusal(path, f"{header.shape[1]} channels of RGB", "3", "correct the header")
    if header.shape[4] == 1 and not ome:  # tifffile drops a last axis of length 1 and writes another picture
        raise refusal(path, "an image one pixel wide", "two or more", "write .ome.tif or .ome.zarr")
    simple = header.dtype.name in (_IMAGEJ[:1] if header.rgb else _IMAGEJ) and size_of(header) <= _CLASSIC
    return "ome" if ome else "imagej" if simple else "plain"


def axes_of(kind: Kind, header: Header) -> str:
    """The axes to store, in order: a plain TIFF lists them as they are, so those the image never had are left out."""
    order = "TZYXC" if header.rgb else "TZCYX" if kind == "imagej" else AXES
    dropped = set("TCZ") - set(header.axes) if kind == "plain" else set()
    lengths = dict(zip(AXES, header.shape, strict=True))
    return "".join(a for a in order if a not in dropped or lengths[a] > 1)


def file_options(kind: Kind, header: Header) -> dict[str, Any]:
    """What holds for the whole file."""
    return {
        "ome": kind == "ome",
        "imagej": kind == "imagej",
        "bigtiff": kind != "imagej" and size_of(header) > _CLASSIC,
    }


def page_options(kind: Kind, header: Header, uuid: str | None = None) -> dict[str, Any]:
    """What holds for the image; `uuid` names an OME-TIFF, so that writing it again gives the same bytes."""
    make = {"ome": _ome_options, "imagej": _imagej_options, "plain": _plain_options}[kind]
    axes = axes_of(kind, header)
    common = {"photometric": "rgb" if header.rgb else "minisblack"}
    options = common | make(header, axes.replace("C", "S") if header.rgb else axes, _micrometers(header))
    if kind == "ome" and uuid:
        options["metadata"]["UUID"] = f"urn:uuid:{uuid}"
    return options


def _micrometers(header: Header) -> Size:
    if header.pixel_size is None:
        return None
    if (factor := MICROMETERS.get(header.unit)) is None:
        _log.warning("%s: pixel size in %r cannot be kept in TIFF", header.name, header.unit)
        return None
    z, y, x = header.pixel_size
    return z * factor, y * factor, x * factor


def notes(header: Header, **more: Any) -> str:
    """Our own notes in the file, as `metadata.notes` reads them.

    Raises:
        DataError: if the attributes are more than JSON.
    """
    try:
        return json.dumps({"attributes": header.attributes} | more)
    except (TypeError, ValueError) as error:
        raise DataError(f"got attributes beyond JSON ({error}); expected plain values; convert them") from error


def _tiled(header: Header) -> dict[str, Any]:
    predicts = header.dtype.kind in "iu" and header.dtype.itemsize <= 4
    return {"tile": (TILE, TILE), "compression": "zlib", "predictor": predicts}


def _printable(names: tuple[str, ...]) -> list[str]:
    return ["".join(c for c in name if c.isprintable()) for name in names]  # XML has no place for control characters


def _ome_options(header: Header, axes: str, size: Size) -> dict[str, Any]:
    about: dict[str, Any] = {"axes": axes, "Name": _printable((header.name,))[0]}
    for axis, length in zip("ZYX", size or (), strict=False):
        about |= {f"PhysicalSize{axis}": length, f"PhysicalSize{axis}Unit": "µm"}
    if header.channels and not header.rgb:
        about["Channel"] = {"Name": _printable(header.channels)}
    if header.attributes:
        about["MapAnnotation"] = {"Namespace": "isoscope", "isoscope": notes(header)}
    return _tiled(header) | {"metadata": about}


def _imagej_options(header: Header, axes: str, size: Size) -> dict[str, Any]:
    about: dict[str, Any] = {"axes": axes} | ({"Info": notes(header)} if header.attributes else {})
    if header.channels and not header.rgb:
        about["Labels"] = [*header.channels] * (header.shape[0] * header.shape[2])
    if size is None:
        return {"metadata": about}
    about |= {"unit": "um", "spacing": size[0]}
    return {"resolution": (1 / size[2], 1 / size[1]), "metadata": about}


def _plain_options(header: Header, axes: str, size: Size) -> dict[str, Any]:
    spacing = {"spacing": size[0]} if size else {}
    about = {"axes": axes, "isoscope": notes(header, channels=header.channels, **spacing)}
    placed = {"resolution": (1e4 / size[2], 1e4 / size[1]), "resolutionunit": "CENTIMETER"} if size else {}
    return _tiled(header) | placed | {"metadata": about}

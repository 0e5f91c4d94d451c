"""Pixel size, channel names and our own notes, from wherever a TIFF may keep them."""

from __future__ import annotations

import json
import logging
import math
import re
from typing import Any
from xml.etree import ElementTree

from tifffile import TiffFile, TiffPage

from isoscope_tiff.axes import Size, shrunk

__all__ = ["MICROMETERS", "channel_names", "notes", "pixel_size"]

MICROMETERS = {
    "pm": 1e-6, "picometer": 1e-6, "Å": 1e-4, "angstrom": 1e-4, "nm": 1e-3, "nanometer": 1e-3,
    "um": 1.0, "µm": 1.0, "μm": 1.0, "\\u00b5m": 1.0, "micron": 1.0, "microns": 1.0, "micrometer": 1.0,
    "mm": 1e3, "millimeter": 1e3, "cm": 1e4, "centimeter": 1e4, "m": 1e6, "meter": 1e6,
}  # fmt: skip
"""Micrometers in one unit, by the names OME, ImageJ and OME-NGFF use."""
_RESOLUTION_UNITS = {3: 1e4, 4: 1e3, 5: 1.0}  # not 2: inches are for printing
# What software writes that knows no pixel size, in whatever unit: dots per inch, and one per centimeter.
_PRINT = (2.54, 72, 90, 96, 100, 120, 144, 150, 180, 200, 240, 300, 350, 360, 400, 600, 720, 1200)
_log = logging.getLogger(__name__)


def _size(z: float | None, y: float | None, x: float | None) -> Size | None:
    """Sizes in micrometers; a missing z counts 1, so that what is known of x and y is not lost."""
    y, x = y or x, x or y
    values = (z or 1.0, y or 0.0, x or 0.0)
    return values if all(math.isfinite(v) and v > 0 for v in values) else None


def _element(tif: TiffFile) -> ElementTree.Element | None:
    if not tif.ome_metadata:
        return None
    try:
        return ElementTree.fromstring(tif.ome_metadata)
    except ElementTree.ParseError as error:
        _log.warning("%s: OME-XML cannot be parsed (%s); its metadata is left out", tif.filename, error)
        return None


def _pixels(tif: TiffFile, series: int) -> ElementTree.Element | None:
    """What OME-XML says of one image, if it is certain which it is: images without pixels make no series."""
    root = _element(tif)
    images = [] if root is None else root.findall("{*}Image/{*}Pixels")
    certain = series == 0 or len(images) == len(tif.series)
    return images[series] if certain and series < len(images) else None


def _ome_size(pixels: ElementTree.Element | None) -> Size | None:
    if pixels is None:
        return None
    factors = {a: MICROMETERS.get(pixels.get(f"PhysicalSize{a}Unit", "µm")) for a in "ZYX"}
    sizes = {a: pixels.get(f"PhysicalSize{a}") for a in "ZYX"}
    known = {a: float(sizes[a] or 0) * (factors[a] or 0) for a in "ZYX"}
    return _size(known["Z"], known["Y"], known["X"])


def _per_unit(page: TiffPage, name: str) -> float:
    """The size of a pixel in the page's own unit, 0 if it says nothing."""
    try:
        pixels, units = page.tags.valueof(name)
    except (TypeError, ValueError):  # missing, or not a fraction
        return 0.0
    return units / pixels if pixels else 0.0


def _tag_size(page: TiffPage, factor: float | None, z: Any) -> Size | None:
    y, x = _per_unit(page, "YResolution"), _per_unit(page, "XResolution")
    if factor is None or not (x or y):
        return None
    return _size(float(z or 0) * factor, y * factor, x * factor)


def pixel_size(tif: TiffFile, series: int = 0) -> Size | None:
    """(z, y, x) in micrometers of a series at full resolution, or None if the file gives no physical unit."""
    page = tif.series[series].keyframe
    if size := _ome_size(_pixels(tif, series)):
        return size
    if tif.is_svs and ((size := _slide_size(tif, series)) or series):
        return size
    if tif.is_imagej:
        about = tif.imagej_metadata or {}
        return _tag_size(page, MICROMETERS.get(str(about.get("unit", "")).lower()), about.get("spacing"))
    return _plain_size(page, notes(tif, series))


def _slide_size(tif: TiffFile, series: int) -> Size | None:
    """Of the section itself: its thumbnail repeats the slide's text, and a photograph of the label has no such size."""
    image = tif.series[series]
    found = re.search(r"\bMPP\s*=\s*([\d.eE+-]+)", tif.pages.first.description)
    if not found or image.name not in {"Baseline", "Thumbnail"}:
        return None
    size = _size(None, float(found[1]), float(found[1]))
    return shrunk(size, image.axes, tif.series[0].shape, image.shape)


def _plain_size(page: TiffPage, ours: dict[str, Any]) -> Size | None:
    unit = page.tags.valueof("ResolutionUnit")
    factor = _RESOLUTION_UNITS.get(int(unit)) if unit else None
    size = _tag_size(page, factor, (ours.get("spacing") or 0) / (factor or 1))
    return size if ours or (size and not _is_print(size)) else None


def _is_print(size: Size) -> bool:
    return any(math.isclose(25400 / size[2], dots, rel_tol=1e-3) for dots in _PRINT)


def channel_names(tif: TiffFile, count: int, series: int = 0) -> tuple[str, ...]:
    """One name per channel, or none at all."""
    pixels = _pixels(tif, series)
    names: Any = notes(tif, series).get("channels") or []
    if pixels is not None:
        names = [channel.get("Name") for channel in pixels.findall("{*}Channel")]
    elif tif.is_imagej:
        names = (tif.imagej_metadata or {}).get("Labels") or []
        names = names[:count] if count > 1 and names == names[:count] * (len(names) // count) else []
    return tuple(map(str, names)) if len(names) == count and all(names) else ()


def notes(tif: TiffFile, series: int = 0) -> dict[str, Any]:
    """What our own writer left in the file: `attributes`, and what a plain TIFF has no tag for. We write one series."""
    text: Any = None
    if series:
        return {}
    if (root := _element(tif)) is not None:
        text = next((m.text for m in root.iterfind(".//{*}MapAnnotation/{*}Value/{*}M[@K='isoscope']")), None)
    elif tif.is_imagej:
        text = (tif.imagej_metadata or {}).get("Info")
    elif tif.is_shaped:
        text = next((about.get("isoscope") for about in tif.shaped_metadata or ()), None)
    try:
        found = json.loads(text) if text else {}
    except (TypeError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}

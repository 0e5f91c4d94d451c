"""OME-NGFF metadata (0.1 to 0.5) into a header's words, and back into 0.5."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from isoscope.errors import DataError
from isoscope.volume import AXES, Header
from isoscope_zarr.rendering import RGB_NAMES, Window, omero

__all__ = ["Image", "axis_letter", "is_rgb", "parse", "render"]

Document = dict[str, Any]

_LETTERS = {"t": "T", "time": "T", "c": "C", "ch": "C", "channel": "C", "z": "Z", "y": "Y", "x": "X"}
_TYPES = {"T": "time", "C": "channel", "Z": "space", "Y": "space", "X": "space"}
_MICROMETERS = {
    "angstrom": 1e-4, "nanometer": 1e-3, "micrometer": 1.0, "millimeter": 1e3, "centimeter": 1e4, "meter": 1e6,
}  # fmt: skip
_ALIASES = {
    "nm": "nanometer", "nanometre": "nanometer", "um": "micrometer", "µm": "micrometer", "μm": "micrometer",
    "micron": "micrometer", "microns": "micrometer", "micrometre": "micrometer", "mm": "millimeter",
    "millimetre": "millimeter", "cm": "centimeter", "m": "meter", "metre": "meter",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Image:
    """What OME metadata says of one level of an image: its path, its axes as written, its step along each."""

    path: str
    stored: tuple[Any, ...]
    scale: tuple[float, ...]
    channels: tuple[str, ...]

    @property
    def axes(self) -> str:
        """The axes as letters.

        Raises:
            DataError: if some of them have no place in TCZYX.
        """
        return _letters(self.stored)

    def pixel_size(self, axes: str) -> tuple[tuple[float, float, float] | None, str]:
        """(z, y, x) and its unit, where these are the letters of the axes."""
        return _pixel_size(self.stored, axes, self.scale)


def axis_letter(name: Any, kind: Any = None) -> str | None:
    """T, C, Z, Y or X for an axis name or type as people write them, or None."""
    fallback = {"time": "T", "channel": "C"}.get(str(kind).lower())
    return _LETTERS.get(str(name).lower(), fallback)


def parse(ome: Document) -> list[list[Image]]:
    """The multiscale images of a group, each the list of its levels, the full resolution first."""
    labels = _labels(ome)
    return [[_image(multiscale, dataset, labels) for dataset in multiscale["datasets"]]
            for multiscale in ome["multiscales"]]  # fmt: skip


def _image(multiscale: Document, dataset: Document, labels: tuple[str, ...]) -> Image:
    axes = tuple(multiscale.get("axes", "tczyx"))  # 0.1 and 0.2 knew only these five
    return Image(dataset["path"], axes, _scale(len(axes), dataset, multiscale), labels)


def _letters(axes: Sequence[Any]) -> str:
    names = [axis if isinstance(axis, str) else axis["name"] for axis in axes]
    kinds = [None if isinstance(axis, str) else axis.get("type") for axis in axes]
    found = [axis_letter(*pair) for pair in zip(names, kinds, strict=True)]
    letters = "".join(letter for letter in found if letter)
    if None in found or len(set(letters)) != len(letters) or not {"Y", "X"} <= set(letters):
        raise DataError(f"got OME axes {names}; expected some of t, c, z, y, x, each once; rename them in the metadata")
    return letters


def _scale(ndim: int, *owners: Document) -> tuple[float, ...]:
    scale = np.ones(ndim)
    for owner in owners:
        for transform in owner.get("coordinateTransformations", []):
            if transform.get("type") == "scale" and "scale" in transform:
                scale = scale * np.asarray(transform["scale"], float)
    return tuple(float(s) for s in scale)


def _pixel_size(
    axes: Sequence[Any], letters: str, scale: Sequence[float]
) -> tuple[tuple[float, float, float] | None, str]:
    sizes = {"Z": 1.0, "Y": 1.0, "X": 1.0}
    units: dict[str, str] = {}
    for axis, letter, step in zip(axes, letters, scale, strict=True):
        if letter in sizes:
            sizes[letter] = step
            unit = "" if isinstance(axis, str) else str(axis.get("unit") or "")
            units[letter] = _ALIASES.get(unit, unit)
    named = set(units.values()) - {""}
    usable = all(np.isfinite(s) and s > 0 for s in sizes.values())
    if not usable or (not named and set(sizes.values()) == {1.0}):
        return None, "micrometer"
    if len(named) > 1 and named <= set(_MICROMETERS):
        sizes = {a: s * _MICROMETERS.get(units.get(a, ""), 1.0) for a, s in sizes.items()}
        named = {"micrometer"}
    # A step without a unit still tells how long z is against x, so it is kept with an empty unit.
    return (sizes["Z"], sizes["Y"], sizes["X"]), named.pop() if len(named) == 1 else ""


def _labels(ome: Document) -> tuple[str, ...]:
    channels = (ome.get("omero") or {}).get("channels") or []
    labels = tuple(str(channel.get("label") or "") for channel in channels)
    return labels if all(labels) else ()


def is_rgb(channels: tuple[str, ...]) -> bool:
    """Whether the channels are called red, green and blue, in that order."""
    return tuple(name.lower() for name in channels) == RGB_NAMES


def render(header: Header, windows: list[Window]) -> Document:
    """OME-NGFF 0.5 metadata of one level "0" along TCZYX; `windows` are the grey values seen, channel by channel."""
    size = header.pixel_size or (1.0, 1.0, 1.0)
    unit = {"unit": header.unit} if header.pixel_size and header.unit else {}
    axes = [{"name": a.lower(), "type": _TYPES[a]} | (unit if a in "ZYX" else {}) for a in AXES]
    level = {"path": "0", "coordinateTransformations": [{"type": "scale", "scale": [1.0, 1.0, *map(float, size)]}]}
    image = {"name": header.name, "axes": axes, "datasets": [level]}
    return {"version": "0.5", "multiscales": [image], "omero": omero(header, windows)}

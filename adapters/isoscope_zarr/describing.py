"""The metadata of a finished image as files: OME-NGFF 0.5 in zarr v3, or 0.4 in zarr v2."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import zarr
from zarr.core.buffer import Buffer
from zarr.storage import MemoryStore

from isoscope import __version__
from isoscope.volume import Header
from isoscope_zarr.encoding import Level
from isoscope_zarr.ome import render
from isoscope_zarr.rendering import Window

__all__ = ["describe"]

_DOWNSCALING = {
    "type": "mean",
    "metadata": {
        "description": "each level holds the means of 2 x 2 pixels in y and x of the level before",
        "method": "isoscope.writing.shrinking.shrink", "version": __version__, "kwargs": {"factor": 2},
    },
}  # fmt: skip


def describe(header: Header, made: Sequence[Level], windows: list[Window]) -> dict[str, bytes]:
    """The files that describe the group, by their paths in the store."""
    old = made[0].version == "0.4"
    ome = render(header, windows)
    image = ome["multiscales"][0]
    image |= {"datasets": _datasets(header, made), **(_DOWNSCALING if len(made) > 1 else {})}
    if "labels" in header.attributes:  # whoever reads it shows numbers of objects, not grey values
        ome["image-label"] = {"version": "0.4"} if old else {}
    if old:
        del ome["version"]
        image["version"] = "0.4"
    ours = {"isoscope": {**header.attributes, "axes": header.axes, "rgb": header.rgb}}
    held: dict[str, Buffer] = {}
    attributes = {**ome, **ours} if old else {"ome": ome, **ours}
    zarr.create_group(MemoryStore(held), attributes=attributes, zarr_format=2 if old else 3)
    return {name: content.to_bytes() for name, content in held.items()}


def _datasets(header: Header, made: Sequence[Level]) -> list[dict[str, Any]]:
    """Every level's path, step, and where its first pixel's centre lies."""
    return [_dataset(level.path, 2**n, header.pixel_size or (1.0, 1.0, 1.0)) for n, level in enumerate(made)]


def _dataset(path: str, factor: int, size: tuple[float, float, float]) -> dict[str, Any]:
    z, y, x = map(float, size)
    transforms: list[dict[str, Any]] = [{"type": "scale", "scale": [1.0, 1.0, z, y * factor, x * factor]}]
    if factor > 1:  # the centre of a mean of n pixels lies (n - 1) / 2 pixels from the centre of the first
        moved = (factor - 1) / 2
        transforms.append({"type": "translation", "translation": [0.0, 0.0, 0.0, y * moved, x * moved]})
    return {"path": path, "coordinateTransformations": transforms}

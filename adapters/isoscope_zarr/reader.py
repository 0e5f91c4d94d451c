"""Open the images in a zarr folder as Volumes."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.storage import LocalStore

from isoscope.errors import DataError, blame, refusal
from isoscope.reading import BARE_AXES, ReadOptions, check_axes, choose, choose_series
from isoscope.volume import AXES, Box, Header, Layout, Shape, as_tczyx
from isoscope_zarr.gate import check_array
from isoscope_zarr.node import Node, child, read_node
from isoscope_zarr.ome import Image, axis_letter, is_rgb, parse

__all__ = ["ZarrVolume", "open_volume", "stem"]

_REMEDY = "repair or copy the store again"


class ZarrVolume:
    """One array of a zarr store, read chunk by chunk. Threads may share it; processes may unpickle it."""

    def __init__(self, folder: Path, array: Any, axes: str, header: Header) -> None:
        self._folder = folder
        self._array = array
        self._axes = axes
        self._header = header

    @property
    def header(self) -> Header:
        """What the store's metadata says of the image."""
        return self._header

    @property
    def layout(self) -> Layout:
        """The store's own write and read units."""
        return Layout(self._five(self._array.shards or self._array.chunks), self._five(self._array.chunks))

    def _five(self, sides: tuple[int, ...]) -> Shape:
        t, c, z, y, x = (sides[self._axes.index(a)] if a in self._axes else 1 for a in AXES)
        return t, c, z, y, x

    def read(self, box: Box, /) -> NDArray[Any]:
        """The pixels of a box, in native byte order.

        Raises:
            DataError: if a chunk is damaged.
        """
        region = tuple(box.slices[AXES.index(axis)] for axis in self._axes)
        with blame(self._folder, "cannot be decoded", _REMEDY):
            values = np.asarray(self._array[region])
        return np.ascontiguousarray(as_tczyx(values, self._axes), self._header.dtype)


def open_volume(path: Path, options: ReadOptions = ReadOptions()) -> ZarrVolume:
    """The image under `path`, its first and full resolution unless asked otherwise, or the array that `path` is.

    Raises:
        DataError: if there is none, or more than one and nothing says which, or it cannot be read safely.
    """
    with blame(path, "has zarr metadata that cannot be understood", _REMEDY):
        node = read_node(path)
        if node.kind == "group":
            return _open_group(node, options)
        choose(path, "level", options.level, [node])
        choose(path, "series", options.series, [node])
        return _open_array(node, _in_parent(node), path, options)


def _open_group(node: Node, options: ReadOptions) -> ZarrVolume:
    if "multiscales" in node.ome:
        levels = choose_series(node.folder, options, parse(node.ome) or [[]])
        if not levels:
            raise refusal(node.folder, "OME metadata without a level", "one", _REMEDY)
        image = choose(node.folder, "level", options.level, levels)
        return _open_array(child(node, image.path), image, node.folder, options, node.attributes)
    if "bioformats2raw.layout" in node.ome:  # a collection; its images are called 0, 1, …
        numbers = sorted(int(f.name) for f in node.folder.iterdir() if f.name.isdecimal())
        number = choose_series(node.folder, options, numbers or [0])
        return _open_group(child(node, str(number)), replace(options, series=0))
    return _open_only_child(node, options)


def _open_only_child(node: Node, options: ReadOptions) -> ZarrVolume:
    folders = sorted(f for f in node.folder.iterdir() if (f / "zarr.json").is_file() or (f / ".zarray").is_file())
    arrays = [found for found in map(read_node, folders) if found.kind == "array"]
    if len(arrays) != 1:
        names = ", ".join(a.folder.name for a in arrays[:8]) or "none"
        raise refusal(node.folder, f"arrays: {names}", "one, or OME metadata", "name one, as in PATH/NAME")
    choose(node.folder, "level", options.level, arrays)
    choose(node.folder, "series", options.series, arrays)
    return _open_array(arrays[0], None, node.folder, options)


def _in_parent(node: Node) -> Image | None:
    """What the group around an array says of it, so that STORE/1 keeps its axes and pixel size."""
    try:
        group = read_node(node.folder.parent)
    except DataError:
        return None
    levels = [level for image in parse(group.ome) for level in image] if "multiscales" in group.ome else []
    return next((level for level in levels if level.path == node.folder.name), None)


def _open_array(
    node: Node, image: Image | None, named: Path, options: ReadOptions, attributes: dict[str, Any] | None = None
) -> ZarrVolume:
    if node.kind != "array":
        raise refusal(node.folder, "a group", "an array", _REMEDY)
    check_array(node)
    with warnings.catch_warnings():  # zarr warns of numcodecs in v3 at every opening; they read well
        warnings.simplefilter("ignore")
        array = zarr.open_array(LocalStore(node.folder, read_only=True), mode="r", zarr_format=node.version)
    axes = check_axes(node.folder, options.axes or _axes(node, image), array.shape)
    header = _header(array, axes, image, stem(named), attributes or {}, believe=options.axes is None)
    return ZarrVolume(node.folder, array, axes, header)


def _axes(node: Node, image: Image | None) -> str:
    if image is None:
        return _bare_axes(node)
    try:
        return image.axes
    except DataError as error:
        raise DataError(f"{node.folder}: {error}") from error


def _bare_axes(node: Node) -> str:
    names = node.document.get("dimension_names") or node.attributes.get("_ARRAY_DIMENSIONS") or []
    letters = [axis_letter(name) for name in names] if isinstance(names, list) else []
    known = "".join(letter for letter in letters if letter)
    complete = len(set(known)) == len(known) == len(node.document["shape"]) and {"Y", "X"} <= set(known)
    return known if complete else BARE_AXES[len(node.document["shape"])]


def _header(
    array: Any, axes: str, image: Image | None, name: str, attributes: dict[str, Any], *, believe: bool
) -> Header:
    t, c, z, y, x = (array.shape[axes.index(a)] if a in axes else 1 for a in AXES)
    shape: Shape = (t, c, z, y, x)
    ours = attributes.get("isoscope")
    extra = dict(ours) if isinstance(ours, dict) else {}
    recorded = extra.pop("axes", None)
    size, unit = image.pixel_size(axes) if image else (None, "micrometer")
    axes = _original_axes(recorded, axes, shape) if believe else axes
    channels = image.channels if image and len(image.channels) == c else ()
    rgb = bool(extra.pop("rgb", is_rgb(channels))) and c == 3
    dtype = np.dtype("u1") if array.dtype.kind == "b" else array.dtype.newbyteorder("=")
    return Header(name, shape, dtype, axes, size, unit, () if rgb else channels, rgb, extra)


def _original_axes(recorded: Any, stored: str, shape: Shape) -> str:
    """The axes the image had before we wrote it as TCZYX, if they still fit."""
    named = set(recorded) if isinstance(recorded, str) and len(set(recorded)) == len(recorded) else set()
    if not set("YX") <= named <= set(AXES):
        return stored
    dropped_are_single = all(n == 1 for a, n in zip(AXES, shape, strict=True) if a not in named)
    return str(recorded) if dropped_are_single else stored


def stem(path: Path) -> str:
    """The name without .ome.zarr or .zarr; an array in a store is called after both."""
    own = path.name.removesuffix(".zarr").removesuffix(".ome")
    store = path.parent.name
    return f"{store.removesuffix('.zarr').removesuffix('.ome')}_{own}" if store.endswith(".zarr") else own

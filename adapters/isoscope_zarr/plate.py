"""Multi-well plates: one volume for each field of each well, opened when it is looked at."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from isoscope.errors import blame, refusal
from isoscope.reading import ReadOptions, choose
from isoscope.volume import Box, Header, Layout, Volume, layout_of
from isoscope_zarr.node import Node, child, read_node
from isoscope_zarr.reader import open_volume

__all__ = ["Field", "open_volumes"]

_REMEDY = "repair or copy the store again"


@dataclass(frozen=True)
class Field:
    """One field of a well. A plate has thousands: its pixels' description is read on first use, not before."""

    folder: Path
    name: str
    options: ReadOptions

    @cached_property
    def _volume(self) -> Volume:
        return open_volume(self.folder, self.options)

    @cached_property
    def header(self) -> Header:
        """What the field's metadata say, under the name of well and field, such as A1-0.

        Raises:
            DataError: if the field cannot be read.
        """
        return self._volume.header.renamed(self.name)

    @property
    def layout(self) -> Layout | None:
        """The field's own write and read units."""
        return layout_of(self._volume)

    def read(self, box: Box, /) -> NDArray[Any]:
        """The pixels of a box, in native byte order.

        Raises:
            DataError: if a chunk is damaged.
        """
        return self._volume.read(box)


def open_volumes(path: Path, options: ReadOptions) -> list[Volume]:
    """The fields of a plate or well, or else the one image under `path`.

    Raises:
        DataError: if there is none, or it cannot be read safely.
    """
    with blame(path, "has zarr metadata that cannot be understood", _REMEDY):
        node = read_node(path)
        if not {"plate", "well"} & set(node.ome):
            return [open_volume(path, options)]
        choose(path, "series", options.series, ["every field"])
        found: list[Volume] = [Field(f.folder, name, options) for f, name in _fields(node)]
    if not found:
        raise refusal(path, "a plate without fields", "one at least", _REMEDY)
    return found


def _fields(node: Node) -> Iterator[tuple[Node, str]]:
    if "well" in node.ome:
        yield from _fields_of_well(node, node.folder.parent.name + node.folder.name)
        return
    for well in node.ome["plate"]["wells"]:
        yield from _fields_of_well(child(node, well["path"]), well["path"].replace("/", ""))


def _fields_of_well(well: Node, name: str) -> Iterator[tuple[Node, str]]:
    for image in well.ome["well"]["images"]:
        yield child(well, image["path"]), f"{name}-{image['path']}"

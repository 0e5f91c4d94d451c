"""Where an image waits whose format cannot be written in shards: in memory, or in an OME-Zarr beside the output."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from isoscope import kinds
from isoscope.durable import made
from isoscope.reading import ReadOptions
from isoscope.sources import open_one
from isoscope.volume import ArrayVolume, Box, Header, Layout, Shape, Volume
from isoscope.writing.draft import Draft
from isoscope.writing.orphans import sweep_beside
from isoscope.writing.shrinking import pyramid, shrink

__all__ = ["INSIDE", "LARGE", "Gathered", "gather"]

LARGE = 64 * 2**20
"""Bytes from which an image does not wait in memory."""
INSIDE = "image.ome.zarr"
"""Where in the draft of such an output the image waits."""


class Gathered(Protocol):
    """An image on its way into a format without shards."""

    def write(self, box: Box, values: NDArray[Any], /) -> None:
        """Keep one box of whole shards."""

    def written(self, box: Box, /) -> bool:
        """Whether the box is kept for good."""

    def levels(self) -> list[Volume]:
        """The whole image and its smaller copies, to be read."""

    def beat(self) -> None:
        """Show that somebody is at work here."""

    def abort(self) -> None:
        """Stop here, for whoever resumes."""

    def discard(self) -> None:
        """Remove everything."""


def gather(
    path: Path, header: Header, layout: Layout, *, fingerprint: Mapping[str, Any] | None = None, resume: bool = False
) -> Gathered:
    """Start to gather an image; in memory if it is small and nobody resumes, or a single shard.

    Args:
        path: the output's final name; its folder is made.
        header: what the image is.
        layout: its shards, and how many levels to make.
        fingerprint: all that decides its grey values; without it nothing outlives an abort.
        resume: go on with what a stopped one gathered.
    """
    made(path.parent)
    sweep_beside(path)
    single = all(s >= n for s, n in zip(layout.shard, header.shape, strict=True))
    small = math.prod(header.shape) * header.dtype.itemsize < LARGE
    if single or (small and fingerprint is None):
        return _InMemory(header, layout)
    return _OnDisk(path, header, layout, fingerprint, resume)


class _InMemory:
    def __init__(self, header: Header, layout: Layout) -> None:
        self._header, self._levels = header, layout.levels
        self._array: NDArray[Any] = np.zeros(header.shape, header.dtype)

    def write(self, box: Box, values: NDArray[Any], /) -> None:
        self._array[box.slices] = values

    def written(self, _box: Box, /) -> bool:
        return False

    def levels(self) -> list[Volume]:
        found = [self._array]
        for _ in pyramid(self._header.shape, self._levels)[1:]:
            found.append(shrink(found[-1], 2))
        return [ArrayVolume(a, header=replace(self._header, shape=_shape(a))) for a in found]

    def beat(self) -> None:
        pass

    def abort(self) -> None:
        self.discard()

    def discard(self) -> None:
        self._array = np.zeros((0, 0, 0, 0, 0), self._header.dtype)


def _shape(array: NDArray[Any]) -> Shape:
    t, c, z, y, x = array.shape
    return t, c, z, y, x


class _OnDisk:
    def __init__(
        self, path: Path, header: Header, layout: Layout, fingerprint: Mapping[str, Any] | None, resume: bool
    ) -> None:
        plan = fingerprint or {}
        self._kept, self._layout, self._shape = fingerprint is not None, layout, header.shape
        self._whole = False
        self._draft = Draft.open(path, plan, resume=resume)
        inside, store = self._draft.root / INSIDE, kinds.stores["zarr"]()
        self._sink = store.create(inside, header, layout, fingerprint=plan, resume=True)

    def write(self, box: Box, values: NDArray[Any], /) -> None:
        for part in self._parts(box):
            inner = tuple(slice(a - o, b - o) for a, b, o in zip(part.start, part.stop, box.start, strict=True))
            self._sink.write(part, values[inner])
        self._draft.beat()

    def written(self, box: Box, /) -> bool:
        self._draft.beat()
        return self._kept and (self._whole or all(self._sink.written(part) for part in self._parts(box)))

    def _parts(self, box: Box) -> Iterator[Box]:
        """The shards of a box."""
        steps = zip(box.start, box.stop, self._layout.shard, strict=True)
        for t, c, z, y, x in product(*(range(a, b, s) for a, b, s in steps)):
            ends = zip((t, c, z, y, x), self._layout.shard, box.stop, strict=True)
            t1, c1, z1, y1, x1 = (min(a + s, n) for a, s, n in ends)
            yield Box((t, c, z, y, x), (t1, c1, z1, y1, x1))

    def levels(self) -> list[Volume]:
        self._sink.close()
        self._whole = True  # the file itself may still fail
        inside, count = self._draft.root / INSIDE, len(pyramid(self._shape, self._layout.levels))
        return [open_one(inside, ReadOptions(level=n))[0] for n in range(count)]

    def beat(self) -> None:
        self._draft.beat()

    def abort(self) -> None:
        if not self._kept:
            self.discard()
        else:
            self._sink.abort()
            self._draft.leave()

    def discard(self) -> None:
        self._sink.abort()
        self._draft.discard()

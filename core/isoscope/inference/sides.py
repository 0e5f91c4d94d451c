"""Volumes seen from their sides: each block is predicted as XZ planes and as YZ planes, and both are averaged."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from isoscope import kinds
from isoscope.frames import Frames
from isoscope.inference.planning import Job, Plan
from isoscope.inference.shards import Shard, clipped, finished, padded, read
from isoscope.model import Model
from isoscope.parameters import build
from isoscope.patches.blocks import Window
from isoscope.preparation.turning import FRONT, SIDE, View, turned, turned_shape
from isoscope.tiling import Tile
from isoscope.volume import Box, Shape

__all__ = ["Block", "SideTile", "Work", "opened", "read_block"]

_VIEWS = (FRONT, SIDE)


@dataclass(frozen=True, slots=True)
class SideTile(Tile):
    """A tile of one plane of a view.

    Attributes:
        view: which, 0 for XZ and 1 for YZ.
        plane: y of an XZ plane, x of a YZ plane.
    """

    view: int = 0
    plane: int = 0


@dataclass(slots=True)
class Block:
    """The work of one job; used like a `Shard`.

    Attributes:
        job: what it is.
        frames: for each view, its planes, of which the block and a halo around it are held.
        index: of the time point, times the number of planes gives frames.
        tiles: that are computed, all XZ planes first.
        out: the mean of what is made, float32 [C, d, h, w].
        made: tiles that are done.
    """

    job: Job
    frames: tuple[Frames, ...]
    tiles: tuple[SideTile, ...]
    out: NDArray[np.float32] | None = field(default=None)
    made: int = 0

    @property
    def done(self) -> bool:
        """Whether every tile is in its place."""
        return self.made == len(self.tiles)

    @property
    def seen(self) -> NDArray[Any]:
        """All grey values that its tiles are computed from, [C, planes, h, w] as XZ planes."""
        window = self.frames[0].volume
        assert isinstance(window, Window)
        values: NDArray[Any] = window.values[0]
        return values

    def input(self, tile: Tile) -> Tensor:
        """What the network sees of a tile, [C, h, w]."""
        assert isinstance(tile, SideTile)
        frames, t = self.frames[tile.view], self.job.box.start[0]
        values, (top, left) = padded(frames, t * frames.depth + tile.plane, tile.read)
        ys, xs = (slice(s.start - a, s.stop - a) for s, a in zip(tile.read, (top, left), strict=True))
        return values[:, ys, xs]

    def place(self, tile: Tile, values: NDArray[Any]) -> None:
        """Add what the network made of a tile, [C, h, w], to the mean of both views."""
        assert isinstance(tile, SideTile)
        _, _, *shape = self.job.box.shape
        if self.out is None:
            self.out = np.zeros((len(values), *shape), np.float32)
        seen = self.out.transpose(0, *(axis - 1 for axis in _VIEWS[tile.view]))
        _, _, *start = turned_shape(self.job.box.start, _VIEWS[tile.view])
        rows, columns = (slice(s.start - a, s.stop - a) for s, a in zip(tile.write, start[1:], strict=True))
        kept = values[:, tile.keep[0], tile.keep[1]] * (1.0 if tile.weight is None else tile.weight) / len(_VIEWS)
        seen[:, tile.plane - start[0], rows, columns] += np.asarray(kept, np.float32)
        self.made += 1

    def values(self, model: Model, name: str) -> NDArray[np.float32]:
        """The finished grey values [C, d, h, w], not yet rounded.

        Raises:
            DataError: if the network made anything but numbers.
        """
        return finished(self.out, model, name)


Work = Shard | Block
"""A job on its way, of planes or of a block."""


def opened(plan: Plan, frames: Frames, job: Job) -> Work:
    """Read all that a job needs."""
    return read_block(plan, frames, job) if plan.sides else read(plan, frames, job)


def read_block(plan: Plan, frames: Frames, job: Job) -> Block:
    """Read all that a job needs, once: planes along z lie across the chunks of nearly every file."""
    tiles = tuple(_tiles(plan, job))
    volume, box = frames.volume, _needed(tiles, plan, job, frames.volume.header.shape[1])
    window = Window(volume.header, box.start, volume.read(box))
    seen = tuple(Frames(_seen(window, view), "xy", frames.grey) for view in _VIEWS)
    return Block(job, seen, tiles)


def _needed(tiles: Sequence[SideTile], plan: Plan, job: Job, channels: int) -> Box:
    """The block with all that its tiles see around it."""
    start, stop = list(job.box.start), list(job.box.stop)
    start[1], stop[1] = 0, channels
    sizes = [grid.size for grid, _ in plan.passes()]
    for tile in tiles:
        for axis, (span, _) in zip(_VIEWS[tile.view][1:], clipped(tile.read, sizes[tile.view]), strict=True):
            start[axis], stop[axis] = min(start[axis], span.start), max(stop[axis], span.stop)
    return Box(tuple(start), tuple(stop))  # type: ignore[arg-type]


def _seen(window: Window, view: View) -> Window:
    values = np.transpose(window.values, (0, 1, *view))
    return replace(window, header=turned(window.header, view), start=turned_shape(window.start, view), values=values)


def _tiles(plan: Plan, job: Job) -> Iterator[SideTile]:
    make = build(kinds.tilings, plan.tiling)
    for number, (view, (grid, _)) in enumerate(zip(_VIEWS, plan.passes(), strict=True)):
        first, last = _span(job.box.start, view), _span(job.box.stop, view)
        region = slice(first[1], last[1]), slice(first[2], last[2])
        for plane in range(first[0], last[0]):
            for tile in make(region, grid):
                yield SideTile(tile.read, tile.keep, tile.write, tile.weight, number, plane)


def _span(corner: Shape, view: View) -> tuple[int, int, int]:
    _, _, plane, row, column = turned_shape(corner, view)
    return plane, row, column

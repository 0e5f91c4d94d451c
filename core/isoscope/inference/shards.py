"""One job on its way: what was read for it, the tiles that cover it, and its output as far as it is made."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from isoscope import kinds
from isoscope.errors import DataError
from isoscope.frames import Frames
from isoscope.inference.planning import Job, Plan
from isoscope.model import Model
from isoscope.parameters import build
from isoscope.tiling import Region, Tile

__all__ = ["Shard", "clipped", "finished", "padded", "read"]


@dataclass(slots=True)
class Shard:
    """The work of one job.

    Attributes:
        job: what it is.
        source: grey values of all that its tiles read, float32 [C, h, w].
        corner: plane position of the first pixel of `source`.
        tiles: that are computed, in the tiling's order.
        out: its grey values, float32 [C, h, w]; none before anything is there.
        made: tiles that are done.
    """

    job: Job
    source: Tensor
    corner: tuple[int, int]
    tiles: tuple[Tile, ...]
    out: NDArray[np.float32] | None = field(default=None)
    made: int = 0

    @property
    def done(self) -> bool:
        """Whether every tile is in its place."""
        return self.made == len(self.tiles)

    @property
    def seen(self) -> NDArray[Any]:
        """All grey values that its tiles are computed from, [C, h, w]."""
        return self.source.numpy()

    def input(self, tile: Tile) -> Tensor:
        """What the network sees of a tile, a view [C, h, w]."""
        ys, xs = (_shifted(span, by) for span, by in zip(tile.read, self.corner, strict=True))
        return self.source[:, ys, xs]

    def place(self, tile: Tile, values: NDArray[Any]) -> None:
        """Keep what the network made of a tile, [C, h, w]."""
        self._lay(tile, values)
        self.made += 1

    def fill(self, tile: Tile, values: NDArray[np.float32]) -> None:
        """Keep one colour, [C], in place of a tile that is not computed."""
        height, width = (span.stop - span.start for span in tile.read)
        self._lay(tile, np.broadcast_to(values[:, None, None], (len(values), height, width)))

    def _lay(self, tile: Tile, values: NDArray[Any]) -> None:
        rows, columns = self.job.region
        if self.out is None:
            self.out = np.zeros((len(values), rows.stop - rows.start, columns.stop - columns.start), np.float32)
        kept = values[:, tile.keep[0], tile.keep[1]]
        area = (slice(None), _shifted(tile.write[0], rows.start), _shifted(tile.write[1], columns.start))
        if tile.weight is None:
            self.out[area] = kept
        else:
            self.out[area] += kept * tile.weight

    def values(self, model: Model, name: str) -> NDArray[np.float32]:
        """The finished grey values, not yet rounded.

        Raises:
            DataError: if the network made anything but numbers.
        """
        return finished(self.out, model, name)


def finished(out: NDArray[np.float32] | None, model: Model, name: str) -> NDArray[np.float32]:
    """What a network made of all tiles, in the grey values of the files that it learned to write.

    Raises:
        DataError: if it holds anything but numbers.
    """
    assert out is not None
    if not np.isfinite(out).all():
        raise DataError(f"{name}: the network returned NaN; its weights are damaged; retrain or restore it")
    # what was subtracted from the images it learned to write
    offset = model.writes.prepare.offset
    return out + np.float32(offset) if offset else out


def _shifted(span: slice, by: int) -> slice:
    return slice(span.start - by, span.stop - by)


def read(plan: Plan, frames: Frames, job: Job) -> Shard:
    """Read all that a job needs; what is not computed is filled in already."""
    tiles = tuple(build(kinds.tilings, plan.tiling)(job.region, plan.grid))
    fills = {n: fill for n, t in enumerate(tiles) if plan.blank and (fill := plan.blank.fill(job.frame, t)) is not None}
    left = tuple(t for n, t in enumerate(tiles) if n not in fills)
    shard = _opened(frames, job, left)
    for n, values in fills.items():
        shard.fill(tiles[n], values)
    return shard


def _opened(frames: Frames, job: Job, tiles: tuple[Tile, ...]) -> Shard:
    """A job with the pixels that its tiles read; none where there is no tile."""
    if not tiles:
        return Shard(job, torch.empty(0), (0, 0), ())
    spans = [(min(t.read[n].start for t in tiles), max(t.read[n].stop for t in tiles)) for n in (0, 1)]
    (y0, y1), (x0, x1) = spans
    values, corner = padded(frames, job.frame, (slice(y0, y1), slice(x0, x1)))
    return Shard(job, values, corner, tiles)


def padded(frames: Frames, frame: int, region: Region) -> tuple[Tensor, tuple[int, int]]:
    """Grey values of a region, float32 [C, h, w], reflected past the plane's end, and the position of the first.

    More than the region may come back: reflection needs as many pixels before the edge as lie beyond it, whatever the
    region, else thin tiles would reflect differently.
    """
    spans, pads = zip(*clipped(region, frames.size), strict=True)
    values = np.pad(frames.read(frame, *spans), ((0, 0), *pads), mode="reflect")
    return torch.from_numpy(np.ascontiguousarray(values, np.float32)), (spans[0].start, spans[1].start)


def clipped(region: Region, size: tuple[int, int]) -> Iterator[tuple[slice, tuple[int, int]]]:
    """What is read of a region, rows and then columns, and by how many pixels that is reflected."""
    for span, limit in zip(region, size, strict=True):
        short = max(0, span.stop - limit)
        yield slice(min(span.start, max(0, limit - 1 - short)), min(span.stop, limit)), (0, short)

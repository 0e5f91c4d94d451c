"""The network as tiles meet it: with the statistics of wherever they lie."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache

import torch
from torch import Tensor

from isoscope.fields import Field, Window, measured, use
from isoscope.frames import Frames
from isoscope.inference.shards import padded
from isoscope.inference.sides import Work
from isoscope.model import Model
from isoscope.normalisation import layers
from isoscope.tiling import Grid, Tile, multiple

__all__ = ["Caller", "Item"]

Item = tuple[Work, Tile]

_CELLS = 32
"""Most cells per axis on which dense statistics are measured: what they need is bounded, however large the plane."""


class Caller:
    """From tiles of one size to grey values.

    Args:
        model: what predicts.
        frames: the input as it reads it.
        grid: where tiles lie.
    """

    def __init__(self, model: Model, frames: Frames, grid: Grid) -> None:
        self._model, self._frames, self._grid = model, frames, grid
        self._found = list(layers(model.network)) if model.normalisation == "dense" else []
        self._fields = lru_cache(maxsize=1)(self._measured)

    def together(self, one: Item, other: Item) -> bool:
        """Whether two tiles can go through the network in one call."""
        same_frame = one[0].job.frame == other[0].job.frame
        return _sides(one[1]) == _sides(other[1]) and (same_frame or not self._found)

    @staticmethod
    def shape(item: Item) -> tuple[int, ...]:
        """Height and width of what the network sees of a tile."""
        return _sides(item[1])

    def __call__(self, items: Sequence[Item]) -> Tensor:
        """[N, C, H, W] on the model's device, from N tiles that can go together."""
        if self._found:
            use(self._model.network, self._fields(items[0][0].job.frame), [_window(tile) for _, tile in items])
        return self._model(self._stacked([shard.input(tile) for shard, tile in items]))

    def _stacked(self, inputs: Sequence[Tensor]) -> Tensor:
        """Tiles as one batch; for CUDA in pinned memory, from which the device copies by itself.

        numpy copies in this thread alone: torch would wake a thread per core for it, which readers and writers need.
        """
        pinned = self._model.device.type == "cuda"
        batch = torch.empty((len(inputs), *inputs[0].shape), dtype=inputs[0].dtype, pin_memory=pinned)
        for place, values in zip(batch.numpy(), inputs, strict=True):
            place[...] = values.numpy()
        return batch

    def _measured(self, frame: int) -> list[Field]:
        """The statistics of one frame: a function of it, the model and the recipe alone."""
        side = multiple(self._model.recipe.training.patch, self._grid.stride)
        rows, columns = (
            list(_starts(n, p, side, self._grid.stride))
            for n, p in zip(self._grid.size, self._grid.padded, strict=True)
        )
        for layer in self._found:
            layer.mode = "instance"
        places = ((y, x) for y in rows for x in columns)
        patches = (self._patch(frame, y, x, side) for y, x in places)
        with torch.inference_mode():
            return measured(self._model.network, patches, (len(rows), len(columns)), self._grid.size)

    def _patch(self, frame: int, y: int, x: int, side: int) -> Tensor:
        stop = [min(start + side, n) for start, n in zip((y, x), self._grid.padded, strict=True)]
        values, (top, left) = padded(self._frames, frame, (slice(y, stop[0]), slice(x, stop[1])))
        return self._model.normalised(values[None, :, y - top : stop[0] - top, x - left : stop[1] - left])


def _starts(size: int, limit: int, side: int, stride: int) -> Iterator[int]:
    """Where the patches lie that stand for equal cells along an axis: at their centres, as far as the plane allows."""
    cells = min(_CELLS, -(-size // side))
    for n in range(cells):
        centred = int((n + 0.5) * size / cells - side / 2) // stride * stride
        yield max(0, min(centred, limit - side))


def _sides(tile: Tile) -> tuple[int, ...]:
    return tuple(span.stop - span.start for span in tile.read)


def _window(tile: Tile) -> Window:
    ys, xs = tile.read
    return ys.start, xs.start, ys.stop - ys.start, xs.stop - xs.start

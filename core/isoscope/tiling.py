"""The nouns of tiled prediction: a grid fixed by array shape and recipe alone, and the tiles that cover it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

__all__ = ["Grid", "Region", "Tile", "cores", "multiple", "padded_size", "regions"]

Region = tuple[slice, slice]
"""Rows and columns of a plane, in pixels."""

_SMALLEST = 16
"""Planes are padded at least to this side, so that reflection inside the networks always has something to reflect."""


@dataclass(frozen=True, slots=True)
class Tile:
    """One call of the network.

    Attributes:
        read: what the network sees, in pixels of the padded input plane.
        keep: the part of its output that is used, in pixels of that output.
        write: where that part goes, in pixels of the output plane.
        weight: [h, w] factor of each pixel, or None for one.
    """

    read: Region
    keep: Region
    write: Region
    weight: NDArray[Any] | None = None


@dataclass(frozen=True, slots=True)
class Grid:
    """Where tiles may lie on a plane.

    Attributes:
        size: (height, width) of the plane.
        core: side of a tile's kept core, a multiple of `stride`; cores start at multiples of it.
        halo: pixels around a core that its output depends on, a multiple of `stride`.
        stride: the network's total stride; tile origins are multiples of it.
    """

    size: tuple[int, int]
    core: int
    halo: int
    stride: int

    @property
    def padded(self) -> tuple[int, int]:
        """Plane size after padding at the bottom and right."""
        return padded_size(self.size[0], self.stride), padded_size(self.size[1], self.stride)

    def tile(self, area: Region, write: Region, weight: NDArray[Any] | None = None) -> Tile:
        """The tile that computes `area` (or more, on the stride grid) and keeps `write`, a part of it.

        Halos are clipped at the plane's edge, so that the network's own padding acts there as on a whole image.
        """
        reads, keeps = [], []
        for span, kept, limit in zip(area, write, self.padded, strict=True):
            start = max(0, span.start // self.stride * self.stride - self.halo)
            stop = min(limit, -(-span.stop // self.stride) * self.stride + self.halo)
            reads.append(slice(start, stop))
            keeps.append(slice(kept.start - start, kept.stop - start))
        return Tile((reads[0], reads[1]), (keeps[0], keeps[1]), write, weight)


def multiple(value: int, of: int) -> int:
    """The smallest multiple of `of` that is at least `value`."""
    return -(-value // of) * of


def padded_size(size: int, stride: int) -> int:
    """The smallest multiple of `stride` that holds `size` and is at least 16 px and two strides."""
    return multiple(max(size, _SMALLEST, 2 * stride), stride)


def _spans(start: int, stop: int, step: int, limit: int) -> list[slice]:
    return [slice(k, min(k + step, limit)) for k in range(start // step * step, min(stop, limit), step)]


def cores(region: Region, grid: Grid) -> Iterator[Region]:
    """The grid's cores that meet a region, row by row, clipped at the plane's edge."""
    for ys in _spans(region[0].start, region[0].stop, grid.core, grid.size[0]):
        for xs in _spans(region[1].start, region[1].stop, grid.core, grid.size[1]):
            yield ys, xs


def regions(size: tuple[int, int], side: int) -> Iterator[Region]:
    """The plane cut into squares of `side`, row by row, clipped at the edge: one per job."""
    for y in range(0, size[0], side):
        for x in range(0, size[1], side):
            yield slice(y, min(y + side, size[0])), slice(x, min(x + side, size[1]))

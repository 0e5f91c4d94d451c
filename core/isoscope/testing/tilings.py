"""What every tiling must do."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from isoscope.kinds import Tiling
from isoscope.testing.examples import require
from isoscope.tiling import Grid, Region, Tile, regions

__all__ = ["check_tiling"]

_SIZES = ((1, 1), (3, 90), (53, 97), (31, 32), (33, 64), (64, 129))
"""One pixel, thin, prime, just below, at and above a core of 32 px."""


def _grids() -> Iterator[tuple[Grid, int]]:
    """Grids and the side of the regions that each is asked for: whole planes, and shards of one or two cores."""
    for size in _SIZES:
        for stride, halo in ((1, 0), (4, 8)):
            grid = Grid(size, 32, halo, stride)
            yield from ((grid, side) for side in (32, 64, 160))


def _inside(inner: Region, outer: Region) -> bool:
    return all(o.start <= i.start < i.stop <= o.stop for i, o in zip(inner, outer, strict=True))


def _check_tile(tile: Tile, region: Region, grid: Grid) -> None:
    plane = (slice(0, grid.padded[0]), slice(0, grid.padded[1]))
    require(_inside(tile.read, plane), f"tile reads {tile.read}, outside the padded plane of {grid.padded} px")
    require(_inside(tile.write, region), f"tile writes {tile.write}, outside the region {region}")
    for read, keep, write, limit in zip(tile.read, tile.keep, tile.write, grid.padded, strict=True):
        aligned = read.start % grid.stride == 0 and read.stop % grid.stride == 0
        require(aligned, f"tile reads {read}; expected multiples of the network's stride {grid.stride}")
        placed = (read.start + keep.start, read.start + keep.stop) == (write.start, write.stop)
        require(placed, f"tile keeps {keep} of what starts at {read.start} but writes {write}: pixels move")
        before, after = write.start - read.start, read.stop - write.stop
        room = (before >= grid.halo or read.start == 0) and (after >= grid.halo or read.stop == limit)
        require(room, f"tile reads {read} to write {write}; expected a halo of {grid.halo} px")


def _add(tile: Tile, total: np.ndarray[tuple[int, int], np.dtype[np.float64]]) -> None:
    shape = tuple(w.stop - w.start for w in tile.write)
    if tile.weight is not None:
        require(tile.weight.shape == shape, f"tile has weights of shape {tile.weight.shape} for {shape} px")
    total[tile.write] += 1.0 if tile.weight is None else tile.weight


def check_tiling(factory: Callable[..., Tiling]) -> None:
    """Check that tiles cover any plane once and only once.

    Protects from: dropped frames and edges, pixels counted twice, tiles off the network's stride or with too small a
    halo (seams), and results that depend on how the plane is cut into output shards.

    Args:
        factory: `(*, ...) -> Tiling`.
    """
    tiling = factory()
    for grid, side in _grids():
        total = np.zeros(grid.size)
        for region in regions(grid.size, side):
            for tile in tiling(region, grid):
                _check_tile(tile, region, grid)
                _add(tile, total)
        worst = total.flat[np.abs(total - 1).argmax()]
        even = bool(abs(worst - 1) < 1e-5)
        require(even, f"weights add up to {worst:g} on a plane of {grid.size} px; expected 1 on every pixel")

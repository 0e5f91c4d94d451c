"""Each pixel from exactly one tile."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from isoscope.tiling import Grid, Region, Tile, cores

__all__ = ["overlap"]


def overlap() -> Callable[[Region, Grid], Iterator[Tile]]:
    """Tiles overlap by their halos, which are computed and thrown away: exact, and every pixel is written once."""

    def tiles(region: Region, grid: Grid) -> Iterator[Tile]:
        for core in cores(region, grid):
            ys, xs = (slice(max(c.start, r.start), min(c.stop, r.stop)) for c, r in zip(core, region, strict=True))
            yield grid.tile(core, (ys, xs))

    return tiles

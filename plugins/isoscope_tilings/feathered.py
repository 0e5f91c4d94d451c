"""Neighbouring tiles fade into each other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from isoscope.tiling import Grid, Region, Tile, cores

__all__ = ["feathered"]


def _ramp(positions: NDArray[np.int64], core: slice, ramp: int, limit: int) -> NDArray[np.float64]:
    """Weight along one axis: 1 inside, linear to 0 over 2 ramp px centred on a core's border, none at the plane's edge.

    The ramps of two neighbours add up to one by construction, so that no count of visits is needed.
    """
    centre = positions + 0.5
    half = max(ramp, 0.5)  # cores of a single pixel leave nothing to fade over
    left = np.clip((centre - (core.start - half)) / (2 * half), 0, 1) if core.start > 0 else 1.0
    right = np.clip(((core.stop + half) - centre) / (2 * half), 0, 1) if core.stop < limit else 1.0
    return np.asarray(left * right * np.ones(len(positions)))


def feathered(*, ramp: Annotated[int, Field(ge=1)] = 16) -> Callable[[Region, Grid], Iterator[Tile]]:
    """Cross-fade over the borders between tiles, for networks whose output still depends on the tile.

    Args:
        ramp: half-width of the fade in pixels, at most half the core.
    """

    def tiles(region: Region, grid: Grid) -> Iterator[Tile]:
        half = min(ramp, grid.core // 2)
        reach = tuple(
            slice(max(0, r.start - half), min(n, r.stop + half)) for r, n in zip(region, grid.size, strict=True)
        )
        for core in cores((reach[0], reach[1]), grid):
            area = [slice(max(0, c.start - half), min(n, c.stop + half)) for c, n in zip(core, grid.size, strict=True)]
            write = [slice(max(a.start, r.start), min(a.stop, r.stop)) for a, r in zip(area, region, strict=True)]
            if any(w.start >= w.stop for w in write):
                continue
            wy, wx = (
                _ramp(np.arange(w.start, w.stop), c, half, n) for w, c, n in zip(write, core, grid.size, strict=True)
            )
            yield grid.tile((area[0], area[1]), (write[0], write[1]), np.outer(wy, wx).astype(np.float32))

    return tiles

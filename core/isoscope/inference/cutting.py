"""How outputs are cut into shards and tiles, fixed by shape, network and recipe alone."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from itertools import product

from isoscope.errors import DataError
from isoscope.model import Model
from isoscope.normalisation import layers
from isoscope.tiling import Grid, multiple
from isoscope.volume import Box, Layout, Shape

__all__ = ["block_boxes", "block_grid", "block_layout", "plane_grid", "plane_layout", "slab_layout", "slab_planes"]

_log = logging.getLogger(__name__)

_CORES = (512, 1024)
_WASTE = 1.45
"""A core is doubled where halos would make the network compute more than this times what is kept."""
_SHARD, _CHUNK = 1024, 512
_BLOCK, _BLOCK_CHUNK = 128, 64
"""Of volumes that are seen from their sides. A larger block would fill the memory, as it is as deep as it is wide."""
_SLAB, _SLAB_SIDE = 32, 256
"""Most planes, and side, of what a volumetric network makes at once."""


def plane_grid(model: Model, size: tuple[int, int], tile: int | None) -> Grid:
    """The tile grid; a network that looks at its whole input gets the whole plane unless a tile is asked for."""
    if model.halo is not None:
        core = tile or (_core(model.halo) if model.above is None else _SLAB_SIDE)
        return Grid(size, multiple(core, model.stride), model.halo, model.stride)
    if tile is None or tile >= max(size):
        return Grid(size, multiple(max(size), model.stride), 0, model.stride)
    _log.warning("this network looks at its whole input: tiles of %d px will not agree exactly", tile)
    core = multiple(tile, model.stride)
    return Grid(size, core, multiple(core // 2, model.stride), model.stride)


def _core(halo: int) -> int:
    """The smallest core whose halo is a small part of the work."""
    return next((k for k in _CORES if ((k + 2 * halo) / k) ** 2 <= _WASTE), _CORES[-1])


def plane_layout(grid: Grid, channels: int, codec: str) -> Layout:
    """Shards near 1024 px, a multiple of the core and no larger than the plane needs; chunks that divide them."""
    needed = max(-(-n // grid.core) for n in grid.size)
    cores = min(max(1, _SHARD // grid.core), needed)
    shard = cores * grid.core
    chunk = _divisor(shard, _CHUNK)
    return Layout((1, channels, 1, shard, shard), (1, 1, 1, chunk, chunk), codec)


def _divisor(side: int, most: int) -> int:
    """The largest that divides a side, if it is not far below `most`."""
    return next((n for n in range(most, most // 8, -1) if side % n == 0), side)


def block_grid(model: Model, shape: Shape, tile: int | None) -> Grid:
    """The tile grid of volumes that are seen from their sides: a core is as deep as it is wide.

    Raises:
        DataError: for a network that looks at its whole input, of which a block is a part.
    """
    if model.halo is None or (model.normalisation != "frozen" and any(True for _ in layers(model.network))):
        raise DataError(
            f"got a network that looks at the whole plane ({model.normalisation} normalisation), of which a block is a "
            f"part; expected one with a halo and frozen normalisation; choose that, or train another"
        )
    needed = min(tile or max(_BLOCK, 2 * model.halo), max(shape[2:]))
    return Grid((shape[3], shape[4]), multiple(needed, model.stride), model.halo, model.stride)


def block_layout(grid: Grid, shape: Shape, codec: str) -> Layout:
    """One core a shard."""
    chunk = _divisor(grid.core, _BLOCK_CHUNK)
    return Layout((1, shape[1], grid.core, grid.core, grid.core), (1, 1, chunk, chunk, chunk), codec)


def block_boxes(shape: Shape, layout: Layout) -> Iterator[Box]:
    """The shards of a volume, in order of t, z, y and x."""
    for corner in product(*(range(0, n, s) for n, s in zip(shape, layout.shard, strict=True))):
        t, c, z, y, x = corner
        t1, c1, z1, y1, x1 = (min(a + s, n) for a, s, n in zip(corner, layout.shard, shape, strict=True))
        yield Box((t, c, z, y, x), (t1, c1, z1, y1, x1))


def slab_planes(model: Model, grid: Grid, depth: int) -> int:
    """How many planes a network makes at once: one, unless it is volumetric; else slabs are about equally thick."""
    slabs = -(-depth // min(grid.core, _SLAB))
    return 1 if model.above is None else -(-depth // slabs)


def slab_layout(grid: Grid, planes: int, shape: Shape, codec: str) -> Layout:
    """One tile a shard, as deep as the slab."""
    chunk = _divisor(grid.core, _BLOCK_CHUNK)
    return Layout((1, shape[1], planes, grid.core, grid.core), (1, 1, planes, chunk, chunk), codec)

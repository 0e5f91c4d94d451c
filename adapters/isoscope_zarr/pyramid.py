"""The smaller copies of an image: how many, how large, where they lie, and how each is made of the finer one."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.storage import LocalStore

from isoscope.ahead import in_order
from isoscope.errors import DataError
from isoscope.volume import Box, Header, Layout
from isoscope.writing.ledger import Ledger
from isoscope.writing.shrinking import pyramid, shrink
from isoscope_zarr.encoding import Level, Version

__all__ = ["build", "identity", "levels"]

_THREADS = max(2, min(8, os.cpu_count() or 2))


def levels(header: Header, layout: Layout, version: Version) -> tuple[Level, ...]:
    """The full resolution and those below it, each half as high and wide (rounded up) as the one before.

    Raises:
        DataError: if fewer than one is asked for.
    """
    if layout.levels is not None and layout.levels < 1:
        raise DataError(f"got {layout.levels} levels; expected 1 or more; 1 makes no pyramid")
    shapes = pyramid(header.shape, layout.levels)
    return tuple(Level.fitted(str(n), shape, header.dtype, layout, version) for n, shape in enumerate(shapes))


def identity(made: Sequence[Level]) -> dict[str, Any]:
    """What decides the bytes besides the caller's fingerprint."""
    full = made[0]
    return {
        "shape": full.shape, "dtype": str(full.dtype), "shard": full.shard, "chunk": full.chunk,
        "codec": full.codec, "levels": len(made), "version": full.version,
    }  # fmt: skip


def build(made: Sequence[Level], ledger: Ledger, beat: Callable[[], None]) -> None:
    """Make every level but the first, part by part, those left out that are up to date; `beat` after each."""
    with ThreadPoolExecutor(_THREADS, "isoscope-pyramid") as pool:
        for finer, coarser in pairwise(made):
            array = _opened(ledger.root / finer.path, finer.version)
            make = partial(_part, array, finer, coarser, ledger)
            for _ in in_order(pool, make, coarser.boxes(), _THREADS):
                beat()


def _part(array: zarr.Array[Any], finer: Level, coarser: Level, ledger: Ledger, box: Box) -> None:
    """Make one part of the coarser level, if it is not up to date."""
    behind = _behind(finer, box)
    of = ledger.state(finer.part(b) for b in finer.touched(behind))
    if not ledger.holds(part := coarser.part(box), of=of):
        ledger.put(part, coarser.encode(box, _halved(array[behind.slices], finer.dtype)), of=of)


def _opened(folder: Path, version: Version) -> zarr.Array[Any]:
    with warnings.catch_warnings():  # zarr warns of codecs that are not in the standard yet
        warnings.simplefilter("ignore")
        return zarr.open_array(LocalStore(folder, read_only=True), mode="r", zarr_format=2 if version == "0.4" else 3)


def _behind(finer: Level, box: Box) -> Box:
    """The finer level's pixels of which a box of the coarser one is made."""
    (t, c, z, y, x), (t1, c1, z1, y1, x1), (*_, height, width) = box.start, box.stop, finer.shape
    return Box((t, c, z, 2 * y, 2 * x), (t1, c1, z1, min(2 * y1, height), min(2 * x1, width)))


def _halved(values: Any, dtype: np.dtype[Any]) -> NDArray[Any]:
    return shrink(np.asarray(values), 2).astype(dtype, copy=False)

"""The smaller copies of an image: how many, how large, where they lie, and how each is made of the finer one."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import zarr
from numpy.typing import NDArray
from zarr.storage import LocalStore

from isoscope.errors import DataError
from isoscope.volume import Box, Header, Layout
from isoscope.writing.ledger import Ledger
from isoscope.writing.shrinking import pyramid, shrink
from isoscope_zarr.encoding import Level, Version

__all__ = ["build", "levels"]


def levels(header: Header, layout: Layout, version: Version) -> tuple[Level, ...]:
    """The full resolution and those below it, each half as high and wide (rounded up) as the one before.

    Raises:
        DataError: if fewer than one is asked for.
    """
    if layout.levels is not None and layout.levels < 1:
        raise DataError(f"got {layout.levels} levels; expected 1 or more; 1 makes no pyramid")
    shapes = pyramid(header.shape, layout.levels)
    return tuple(Level.fitted(str(n), shape, header.dtype, layout, version) for n, shape in enumerate(shapes))


def build(made: Sequence[Level], ledger: Ledger, beat: Callable[[], None]) -> None:
    """Make every level but the first, part by part, those left out that are done; `beat` after each."""
    for finer, coarser in pairwise(made):
        array = _opened(ledger.root / finer.path, finer.version)
        for box in coarser.boxes():
            if not ledger.holds(part := coarser.part(box)):
                ledger.put(part, coarser.encode(box, _halved(array, finer, box)))
            beat()


def _opened(folder: Path, version: Version) -> zarr.Array[Any]:
    with warnings.catch_warnings():  # zarr warns of codecs that are not in the standard yet
        warnings.simplefilter("ignore")
        return zarr.open_array(LocalStore(folder, read_only=True), mode="r", zarr_format=2 if version == "0.4" else 3)


def _halved(array: zarr.Array[Any], finer: Level, box: Box) -> NDArray[Any]:
    planes = box.slices[:3]
    ys, xs = (slice(2 * s.start, min(2 * s.stop, n)) for s, n in zip(box.slices[3:], finer.shape[3:], strict=True))
    values: Any = array[(*planes, ys, xs)]
    return shrink(values, 2).astype(finer.dtype, copy=False)

"""What every store must do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isoscope.errors import DataError
from isoscope.kinds import Store
from isoscope.testing.examples import require
from isoscope.volume import Box, Header, Layout, Shape, Sink, layout_of

__all__ = ["check_store"]

_LAYOUT = Layout((1, 3, 1, 32, 32), (1, 1, 1, 16, 16))
_PIXEL = (2.0, 0.5, 0.25)


def _header(shape: Shape, dtype: str, axes: str, **rest: Any) -> Header:
    return Header("example", shape, np.dtype(dtype), axes, _PIXEL, **rest)


_HEADERS = (
    _header((1, 1, 1, 37, 53), "uint8", "YX"),
    _header((1, 1, 3, 37, 53), "uint16", "ZYX"),
    _header((1, 2, 1, 37, 53), "float32", "CYX", channels=("nuclei", "axons")),
    _header((1, 3, 1, 37, 53), "uint8", "YXC", rgb=True),
    _header((2, 2, 3, 37, 53), "uint16", "TCZYX"),
)


def _boxes(shape: Shape, layout: Layout) -> Iterator[Box]:
    """Whole shards, clipped at the array's edge, last first: they may come in any order."""
    counts = tuple(-(-n // s) for n, s in zip(shape, layout.shard, strict=True))
    for index in reversed(list(np.ndindex(*counts))):
        start = [i * s for i, s in zip(index, layout.shard, strict=True)]
        stop = [min(a + s, n) for a, s, n in zip(start, layout.shard, shape, strict=True)]
        (t, c, z, y, x), (t1, c1, z1, y1, x1) = start, stop
        yield Box((t, c, z, y, x), (t1, c1, z1, y1, x1))


def _values(header: Header) -> NDArray[Any]:
    noise = np.random.default_rng(0).random(header.shape)
    top = np.iinfo(header.dtype).max if header.dtype.kind in "iu" else 1.0
    return (noise * top).astype(header.dtype)


def _fill(sink: Sink, values: NDArray[Any], layout: Layout) -> None:
    for box in _boxes(values.shape, layout):
        sink.write(box, values[box.slices])


def _check_read(store: Store, path: Path, header: Header, values: NDArray[Any]) -> None:
    require(store.claims(path), f"store does not claim {path.name}, which it wrote")
    volumes = store.open(path)
    require(len(volumes) == 1, f"store finds {len(volumes)} images in {path.name}; it wrote one")
    found = volumes[0].header
    for name in ("shape", "dtype", "rgb"):
        got, want = getattr(found, name), getattr(header, name)
        require(got == want, f"{path.name}: {name} came back as {got}, was {want}")
    sized = found.pixel_size is None or np.allclose(found.pixel_size[1:], _PIXEL[1:])
    require(sized, f"{path.name}: pixel size came back as {found.pixel_size}, was {_PIXEL}")
    layout = layout_of(volumes[0])
    known = layout is None or (len(layout.chunk) == 5 and min(layout.chunk) > 0)
    require(known, f"{path.name}: layout is {layout}; expected a chunk of five lengths, TCZYX, or none")
    for box in (Box.whole(header.shape), Box((0, 0, 0, 5, 30), (1, 1, 1, 36, 53))):
        same = np.array_equal(volumes[0].read(box), values[box.slices])
        require(same, f"{path.name}: grey values in {box} came back changed")


def _check_written(store: Store, folder: Path, suffix: str, number: int, header: Header) -> bool:
    """One image there and back; false where the store says that the format cannot hold it."""
    path = folder / f"image{number}{suffix}"
    layout = replace(_LAYOUT, shard=(1, header.shape[1], 1, 32, 32))
    try:
        sink = store.create(path, header, layout)
    except DataError:
        return False
    values = _values(header)
    _fill(sink, values, layout)
    require(not path.exists(), f"{path.name} is there before close(); a kill would leave half an image")
    sink.close()
    sink.abort()
    _check_read(store, path, header, values)
    return True


def _check_abort(store: Store, folder: Path, suffix: str) -> None:
    empty = folder / f"aborted{suffix}"
    empty.mkdir()
    header = _HEADERS[0]
    sink = store.create(empty / f"image{suffix}", header, _LAYOUT)
    _fill(sink, _values(header), _LAYOUT)
    sink.abort()
    left = sorted(p.name for p in empty.iterdir())
    require(not left, f"abort() left {', '.join(left)}; expected nothing")


def check_store(factory: Callable[..., Store], path: Path) -> None:
    """Check that what a store writes comes back: shape, type, grey values, and what the format keeps of the rest.

    Protects from: swapped axes, rescaled grey values, half-written files under their final names, and left-overs.

    Args:
        factory: `(*, ...) -> Store`.
        path: an empty folder to write in.
    """
    store = factory()
    require(bool(store.suffixes), "store names no suffixes")
    for suffix in store.writes:
        held = [_check_written(store, path, suffix, i, header) for i, header in enumerate(_HEADERS)]
        require(any(held), f"store says that it writes {suffix} but refuses every image")
        if held[0]:
            _check_abort(store, path, suffix)

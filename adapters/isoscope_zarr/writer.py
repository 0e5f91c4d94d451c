"""Write an OME-Zarr 0.5 image shard by shard, and let it appear only when it is whole."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import threading
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.abc.store import Store
from zarr.codecs import BloscCodec, BytesCodec, Crc32cCodec, GzipCodec, ZstdCodec
from zarr.core.buffer import Buffer
from zarr.storage import MemoryStore

from isoscope.durable import publish, sync_folder
from isoscope.errors import DataError, blame, refusal
from isoscope.volume import AXES, Box, Header, Layout, Shape
from isoscope_zarr.node import read_node
from isoscope_zarr.ome import render

__all__ = ["ZarrSink"]

_CODECS: dict[str, list[Any]] = {
    "zstd": [ZstdCodec(level=3)],
    "blosc": [BloscCodec(cname="zstd", clevel=5, shuffle="bitshuffle")],
    "gzip": [GzipCodec(level=5)],
    "none": [],
}
_REMEDY = "free space or choose another place"


class ZarrSink:
    """One image on its way into a store. Threads may write different shards at once."""

    def __init__(self, path: Path, header: Header, layout: Layout) -> None:
        self._path = path
        self._header = _checked(path, header)
        self._shard, self._chunk = _fitted(header.shape, layout)
        self._codec = _codec(layout.codec)
        self._attributes = _attributes(header)
        self._draft: Path | None = path.with_name(f".{path.name}.partial-{os.getpid()}-{secrets.token_hex(4)}")
        self._lock = threading.Lock()
        self._seen: NDArray[np.float64] = np.repeat([[np.inf, -np.inf]], header.shape[1], axis=0)
        with blame(path, "cannot be created", _REMEDY):
            self._draft.mkdir(parents=True)
            self._array(MemoryStore())

    def _array(self, store: Store) -> zarr.Array[Any]:
        return zarr.create_array(
            store, shape=self._header.shape, dtype=self._header.dtype, shards=self._shard, chunks=self._chunk,
            compressors=[*self._codec, Crc32cCodec()],  # without it a flipped bit reads back wrong, and nobody is told
            serializer=BytesCodec(endian="little"), filters=[], fill_value=0, dimension_names=[*AXES.lower()],
            config={"write_empty_chunks": True},  # a missing shard must mean "not done", never "all zero"
        )  # fmt: skip

    def write(self, box: Box, values: NDArray[Any], /) -> None:
        """Encode one shard in memory and publish it.

        Raises:
            DataError: if the disk refuses.
            ValueError: if the box is not one whole shard, clipped at the image's edge, or the values do not fit it.
        """
        if self._draft is None:
            raise ValueError(f"{self._path} is closed")
        self._check_box(box, values)
        # zarr reads a shard before it replaces it, so that a torn one could never be mended: it never sees our disk.
        encoded: dict[str, Buffer] = {}
        self._array(MemoryStore(encoded))[box.slices] = values
        with blame(self._path, "cannot be written", _REMEDY):
            for key, content in encoded.items():
                _keep(self._draft / "0" / key, content.to_bytes())
        self._see(box, values)

    def _check_box(self, box: Box, values: NDArray[Any]) -> None:
        whole = zip(box.start, box.stop, self._shard, self._header.shape, strict=True)
        if any(a % s or b != min(a + s, n) for a, b, s, n in whole):
            raise ValueError(f"got box {box.start} to {box.stop}; expected one whole shard of {self._shard}")
        if values.shape != box.shape or values.dtype != self._header.dtype:
            raise ValueError(f"got {values.dtype} {values.shape}; expected {self._header.dtype} {box.shape}")

    def _see(self, box: Box, values: NDArray[Any]) -> None:
        """Remember each channel's range of grey values, so that viewers open the image at a sane contrast."""
        low, high = (reduce(values, axis=(0, 2, 3, 4)) for reduce in (np.fmin.reduce, np.fmax.reduce))
        with self._lock:
            rows = self._seen[box.start[1] : box.stop[1]]
            rows[:, 0], rows[:, 1] = np.fmin(rows[:, 0], low), np.fmax(rows[:, 1], high)

    def close(self) -> None:
        """Write the OME metadata and move the store to its final name, in place of an older store of that name."""
        if self._draft is None:
            return
        windows = [(float(a), float(b)) if np.isfinite(b - a) else (0.0, 1.0) for a, b in self._seen]
        attributes = {"ome": render(self._header, windows), "isoscope": self._attributes}
        with blame(self._path, "cannot be finished", _REMEDY):
            group: dict[str, Buffer] = {}
            zarr.create_group(MemoryStore(group), attributes=attributes, zarr_format=3)
            _keep(self._draft / "zarr.json", group["zarr.json"].to_bytes())
            _sync_folders(self._draft)
            _move(self._draft, self._path)
        self._draft = None

    def abort(self) -> None:
        """Remove what was written so far."""
        if self._draft is not None:
            shutil.rmtree(self._draft, ignore_errors=True)
            self._draft = None


def _keep(file: Path, content: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    publish(file, lambda draft: draft.write_bytes(content))


def _sync_folders(folder: Path) -> None:
    """Make every folder's list of entries durable; the files were, when they were written."""
    for parent, _, _ in os.walk(folder):
        sync_folder(Path(parent))


def _checked(path: Path, header: Header) -> Header:
    if path.exists():
        _refuse_strangers(path)
    if header.dtype.kind not in "iuf" or header.dtype.itemsize > 8:
        raise refusal(path, f"{header.dtype} pixels", "integers or floats of at most 64 bits", "convert them")
    names = 3 if header.rgb else len(header.channels)
    if names not in (0, header.shape[1]):
        raise refusal(path, f"{names} names for {header.shape[1]} channels", "one each", "correct the header")
    return header


def _refuse_strangers(path: Path) -> None:
    try:
        read_node(path)
    except DataError as error:
        raise refusal(path, "something that is no zarr store", "a free name", "move it or choose another") from error


def _fitted(shape: Shape, layout: Layout) -> tuple[Shape, Shape]:
    """Shard and chunk no larger than the image needs, so that small images are not padded to large blocks."""
    sides = [_fit(*lengths) for lengths in zip(shape, layout.shard, layout.chunk, strict=True)]
    (ts, tc), (cs, cc), (zs, zc), (ys, yc), (xs, xc) = sides
    return (ts, cs, zs, ys, xs), (tc, cc, zc, yc, xc)


def _fit(length: int, shard: int, chunk: int) -> tuple[int, int]:
    if min(length, shard, chunk) < 1 or shard % chunk:
        raise DataError(f"got shards of {shard}, chunks of {chunk}; expected shards of whole chunks; change the layout")
    chunk = min(chunk, length)
    return -(-min(shard, length) // chunk) * chunk, chunk


def _codec(name: str) -> list[Any]:
    if name not in _CODECS:
        raise DataError(f"got codec {name!r}; expected one of {', '.join(_CODECS)}; choose one of them")
    return _CODECS[name]


def _attributes(header: Header) -> dict[str, Any]:
    found = {**header.attributes, "axes": header.axes, "rgb": header.rgb}
    try:
        json.dumps(found, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise DataError(f"got attributes beyond JSON ({error}); expected plain values; convert them") from error
    return found


def _move(draft: Path, path: Path) -> None:
    """Rename the finished store; an older one of that name steps aside first, and goes only when the new one stands."""
    aside = path.with_name(f"{draft.name}-replaced")
    if path.exists():
        path.rename(aside)
    draft.rename(path)
    sync_folder(path.parent)
    shutil.rmtree(aside, ignore_errors=True)

"""One level of an image as it lies on disk: which parts it has, and the bytes of each, encoded in memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any, Literal

import numcodecs
import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.abc.store import Store
from zarr.codecs import BloscCodec, BytesCodec, Crc32cCodec, GzipCodec, ZstdCodec
from zarr.core.buffer import Buffer
from zarr.storage import MemoryStore

from isoscope.errors import DataError
from isoscope.volume import AXES, Box, Layout, Shape

__all__ = ["Level", "Version"]

Version = Literal["0.4", "0.5"]
_CODECS: dict[str, list[Any]] = {
    "zstd": [ZstdCodec(level=3)],
    "blosc": [BloscCodec(cname="zstd", clevel=5, shuffle="bitshuffle")],
    "gzip": [GzipCodec(level=5)],
    "none": [],
}
_OLD_CODECS: dict[str, Any] = {
    "zstd": numcodecs.Zstd(level=3),
    "blosc": numcodecs.Blosc(cname="zstd", clevel=5, shuffle=numcodecs.Blosc.BITSHUFFLE),
    "gzip": numcodecs.GZip(level=5),
    "none": None,
}


@dataclass(frozen=True, slots=True)
class Level:
    """An array of the store; a part is what one `write` stores: a shard, or in 0.4, which has none, its chunks."""

    path: str
    shape: Shape
    dtype: np.dtype[Any]
    shard: Shape
    chunk: Shape
    codec: str
    version: Version

    @classmethod
    def fitted(cls, path: str, shape: Shape, dtype: np.dtype[Any], layout: Layout, version: Version) -> Level:
        """A level with blocks no larger than it needs, so that small images are not padded to large ones.

        Raises:
            DataError: if shards are not whole chunks, or nothing is known of the codec.
        """
        if layout.codec not in _CODECS:
            raise DataError(f"got codec {layout.codec!r}; expected one of {', '.join(_CODECS)}; choose one of them")
        sides = [_fit(*lengths) for lengths in zip(shape, layout.shard, layout.chunk, strict=True)]
        (ts, tc), (cs, cc), (zs, zc), (ys, yc), (xs, xc) = sides
        known = np.dtype(dtype.str)  # C has two names for 64 bits, zarr knows the types of one
        return cls(path, shape, known, (ts, cs, zs, ys, xs), (tc, cc, zc, yc, xc), layout.codec, version)

    def boxes(self) -> Iterator[Box]:
        """Every part's box, clipped at the image's edge."""
        return self.touched(Box.whole(self.shape))

    def touched(self, region: Box) -> Iterator[Box]:
        """The boxes of the parts that hold pixels of a region."""
        bounds = zip(region.start, region.stop, self.shard, strict=True)
        for t, c, z, y, x in product(*(range(a // s * s, b, s) for a, b, s in bounds)):
            yield Box((t, c, z, y, x), self._end((t, c, z, y, x)))

    def _end(self, start: Shape) -> Shape:
        t, c, z, y, x = (min(a + s, n) for a, s, n in zip(start, self.shard, self.shape, strict=True))
        return t, c, z, y, x

    def is_part(self, box: Box) -> bool:
        """Whether a box is one of ours."""
        inside = all(0 <= a < n and a % s == 0 for a, s, n in zip(box.start, self.shard, self.shape, strict=True))
        return inside and box.stop == self._end(box.start)

    @property
    def about(self) -> str:
        """The name of the part that describes the array, such as 0.metadata."""
        return f"{self.path}.metadata"

    def part(self, box: Box) -> str:
        """The name of the part in a box, such as 0.c.0.0.0.1.2."""
        return ".".join([self.path, "c", *(str(a // s) for a, s in zip(box.start, self.shard, strict=True))])

    def encode(self, box: Box, values: NDArray[Any]) -> dict[str, bytes]:
        """The files of one part, by their paths in the store."""
        # zarr reads a shard before it replaces it, so that a torn one could never be mended: it never sees our disk.
        held: dict[str, Buffer] = {}
        self._create(MemoryStore(held))[box.slices] = values
        return {name: content for name, content in self._files(held).items() if not _is_metadata(name)}

    def metadata(self) -> dict[str, bytes]:
        """The files that describe the array, by their paths in the store."""
        held: dict[str, Buffer] = {}
        self._create(MemoryStore(held))
        return self._files(held)

    def _files(self, held: dict[str, Buffer]) -> dict[str, bytes]:
        return {f"{self.path}/{name}": content.to_bytes() for name, content in held.items()}

    def _create(self, store: Store) -> zarr.Array[Any]:
        # a missing shard must mean "not done", never "all zero"
        always: dict[str, Any] = {"fill_value": 0, "filters": [], "config": {"write_empty_chunks": True}}
        if self.version == "0.4":
            return zarr.create_array(
                store, shape=self.shape, dtype=self.dtype.newbyteorder("<"), chunks=self.chunk, zarr_format=2,
                compressors=_OLD_CODECS[self.codec], chunk_key_encoding={"name": "v2", "separator": "/"}, **always,
            )  # fmt: skip
        return zarr.create_array(
            store, shape=self.shape, dtype=self.dtype, shards=self.shard, chunks=self.chunk,
            compressors=[*_CODECS[self.codec], Crc32cCodec()],  # without it a flipped bit reads back wrong, unnoticed
            serializer=BytesCodec(endian="little"), dimension_names=[*AXES.lower()], **always,
        )  # fmt: skip


def _is_metadata(name: str) -> bool:
    return name.rpartition("/")[2] in ("zarr.json", ".zarray", ".zattrs")


def _fit(length: int, shard: int, chunk: int) -> tuple[int, int]:
    if min(length, shard, chunk) < 1 or shard % chunk:
        raise DataError(f"got shards of {shard}, chunks of {chunk}; expected shards of whole chunks; change the layout")
    chunk = min(chunk, length)
    return -(-min(shard, length) // chunk) * chunk, chunk

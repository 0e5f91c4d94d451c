"""Refuse arrays that are unsafe or senseless to read, from their metadata alone."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from isoscope.errors import refusal
from isoscope_zarr.node import Node

__all__ = ["check_array"]

_MAX_CHUNK = 2 * 2**30
_MAX_ARRAY = 2**50
_SHARDING = "sharding_indexed"
# An allow-list: `pickle`, and codecs that decode to Python objects, can run code or hold no grey values.
_CODECS = {
    "adler32", "astype", "bitround", "blosc", "bytes", "bz2", "crc32", "crc32c", "delta", "fixedscaleoffset",
    "fletcher32", "gzip", "jenkins_lookup3", "lz4", "lzma", "packbits", "quantize", "shuffle", _SHARDING, "transpose",
    "zlib", "zstd",
}  # fmt: skip


def check_array(node: Node) -> None:
    """Check shape, type, codecs and chunk size of an array's metadata.

    Raises:
        DataError: naming the first thing that cannot be read.
    """
    document = node.document
    shape = _lengths(node.folder, "shape", document.get("shape"))
    if not 2 <= len(shape) <= 5:
        raise refusal(node.folder, f"{len(shape)} dimensions", "2 to 5", "save one image of it")
    item = _itemsize(node.folder, document.get("dtype" if node.version == 2 else "data_type"))
    if math.prod(shape) * item > _MAX_ARRAY:
        raise refusal(node.folder, f"a declared size of {math.prod(shape) * item} bytes", "at most 1 PiB", "crop it")
    for name in _codec_names(node):
        if name.removeprefix("numcodecs.") not in _CODECS:
            raise refusal(node.folder, f"codec {name!r}", f"one of {', '.join(sorted(_CODECS))}", "encode it again")
    for chunk in _decoded_chunks(node):
        if math.prod(chunk) * item > _MAX_CHUNK:
            raise refusal(node.folder, f"chunks of {math.prod(chunk) * item} bytes", "at most 2 GiB", "shrink them")


def _lengths(folder: Path, what: str, value: Any) -> tuple[int, ...]:
    whole = isinstance(value, list) and all(isinstance(n, int) and not isinstance(n, bool) and n > 0 for n in value)
    if not whole:
        raise refusal(folder, f"{what} {str(value)[:80]}", "positive whole numbers", "write the array again")
    return tuple(value)


def _itemsize(folder: Path, name: Any) -> int:
    try:
        dtype = np.dtype(name) if isinstance(name, str) else np.dtype("O")
    except TypeError:
        dtype = np.dtype("O")
    if dtype.kind not in "biuf" or dtype.itemsize > 8:
        raise refusal(folder, f"type {str(name)[:80]}", "integers or floats of at most 64 bits", "convert it")
    return dtype.itemsize


def _name(codec: Any) -> str:
    if isinstance(codec, dict):
        codec = codec.get("name", codec.get("id"))
    return str(codec)


def _settings(codec: Any) -> dict[str, Any]:
    found = codec.get("configuration") if isinstance(codec, dict) else None
    return found if isinstance(found, dict) else {}


def _listed(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else []


def _flat(codecs: Any) -> Iterator[Any]:
    for codec in _listed(codecs):
        yield codec
        yield from _flat(_settings(codec).get("codecs"))
        yield from _flat(_settings(codec).get("index_codecs"))


def _codec_names(node: Node) -> list[str]:
    if node.version == 3:
        return [_name(codec) for codec in _flat(node.document.get("codecs"))]
    compressor = node.document.get("compressor")
    return [_name(codec) for codec in [*_listed(node.document.get("filters")), *([compressor] if compressor else [])]]


def _decoded_chunks(node: Node) -> Iterator[tuple[int, ...]]:
    """Every block that has to be decoded whole: a shard is read by its inner chunks, if nothing wraps it."""
    if node.version == 2:
        yield _lengths(node.folder, "chunks", node.document.get("chunks"))
        return
    outer = _settings(node.document.get("chunk_grid")).get("chunk_shape")
    codecs = _listed(node.document.get("codecs"))
    if len(codecs) == 1 and _name(codecs[0]) == _SHARDING:
        yield _lengths(node.folder, "inner chunks", _settings(codecs[0]).get("chunk_shape"))
        shard = _lengths(node.folder, "shards", outer)
        inner = _lengths(node.folder, "inner chunks", _settings(codecs[0]).get("chunk_shape"))
        yield (2, *(math.ceil(a / b) for a, b in zip(shard, inner, strict=False)))  # the index: two numbers a chunk
    else:
        yield _lengths(node.folder, "chunks", outer)

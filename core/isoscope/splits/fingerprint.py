"""Two hashes that tell whether images are the same: of their bytes, and of their decoded pixels."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np

from isoscope import sources
from isoscope.durable import sha256
from isoscope.volume import Box, Shape, Volume

__all__ = ["Fingerprint", "content_hash", "fingerprints", "pixel_hash", "pixels_of"]

_ROWS, _COLUMNS = 512, 4096
"""Sides of the boxes that pixels are read in. They fix the order of hashing: changing them changes every hash."""
_LITTER = (".DS_Store", "Thumbs.db")


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What identifies an image: the SHA-256 of its bytes, and that of its pixels, which a re-saved copy shares."""

    content: str
    pixels: str


def content_hash(path: Path) -> str:
    """The SHA-256 of a file's bytes, or, for a folder, of the sorted list of its files' hashes and relative paths.

    Images that a store makes have no bytes: that of their pixels stands for it.
    """
    if sources.virtual(path):
        return pixels_of(path)
    if not path.is_dir():
        return sha256(path)
    files = {p.relative_to(path).as_posix(): p for p in path.rglob("*") if p.is_file() and p.name not in _LITTER}
    listing = "".join(f"{sha256(files[name])}  {name}\n" for name in sorted(files))
    return _digest([listing.encode()])


def pixel_hash(volume: Volume) -> str:
    """The SHA-256 of a volume's shape, type and grey values, whatever file they came from."""
    header = volume.header
    dtype = header.dtype.newbyteorder("<")
    blocks = (np.ascontiguousarray(volume.read(box), dtype).tobytes() for box in _boxes(header.shape))
    return _digest(_prefixed(f"{header.shape} {dtype.str}\n".encode(), blocks))


def pixels_of(path: Path) -> str:
    """The pixel hash of a file or store; where it holds several images, that of all in order."""
    found = [pixel_hash(volume) for volume in sources.open_one(path)]
    return found[0] if len(found) == 1 else _digest(h.encode() for h in found)


def fingerprints(paths: Sequence[Path], progress: Callable[[int, int], None] | None = None) -> list[Fingerprint]:
    """The fingerprint of each file or store, in order; `progress` is called with (images done, images)."""
    found: list[Fingerprint] = []
    for path in paths:
        found.append(Fingerprint(content_hash(path), pixels_of(path)))
        if progress:
            progress(len(found), len(paths))
    return found


def _prefixed(first: bytes, rest: Iterable[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest


def _digest(parts: Iterable[bytes]) -> str:
    state = hashlib.sha256()
    for part in parts:
        state.update(part)
    return state.hexdigest()


def _boxes(shape: Shape) -> Iterator[Box]:
    """Bands of one plane with all its channels, so that memory stays small and interleaved colour is read once."""
    times, c, depth, height, width = shape
    corners = product(range(times), range(depth), range(0, height, _ROWS), range(0, width, _COLUMNS))
    for t, z, y, x in corners:
        yield Box((t, 0, z, y, x), (t + 1, c, z + 1, min(y + _ROWS, height), min(x + _COLUMNS, width)))

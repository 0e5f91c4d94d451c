"""Read an image whole, only to know that it can be read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path

from isoscope.sources import open_one
from isoscope.volume import Box, Header

__all__ = ["decode"]

_AT_ONCE = 256 * 2**20


def decode(path: Path, step: Callable[[int, int], None]) -> int:
    """Read every pixel of the full resolution of every image in a file or store; how many images there are.

    Args:
        path: the file or store.
        step: called with (blocks read, blocks) of the image in hand.

    Raises:
        DataError: if something cannot be decoded.
    """
    volumes = open_one(path)
    for volume in volumes:
        blocks = list(_blocks(volume.header))
        for done, box in enumerate(blocks, 1):
            volume.read(box)
            step(done, len(blocks))
    return len(volumes)


def _blocks(header: Header) -> Iterator[Box]:
    """Planes, of large ones bands of rows."""
    frames, channels, planes, height, width = header.shape
    rows = max(1, _AT_ONCE // (channels * width * header.dtype.itemsize))
    for t, z, y in product(range(frames), range(planes), range(0, height, rows)):
        yield Box((t, 0, z, y, 0), (t + 1, channels, z + 1, min(y + rows, height), width))

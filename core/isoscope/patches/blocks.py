"""Where patches can lie, every place numbered, and blocks of neighbouring places whose pixels are read at once.

A patch is known by its origin, its first pixel. Blocks part the origins of a set, not its pixels: each origin lies in
one block, and a block's pixels reach a patch further than its origins do.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isoscope.frames import Frames
from isoscope.volume import Box, Header, Shape

__all__ = ["Block", "Cell", "Origins", "Place", "Window"]

Place = tuple[int, int, int, int]
"""Volume, frame, y and x of a patch's first pixel."""

Cell = tuple[int, int, int, int]
"""Lengths or corners along t, z, y, x, in origins."""


@dataclass(frozen=True, slots=True)
class Window:
    """A box of a volume, held in memory and read like the volume itself.

    Attributes:
        header: of the volume.
        start: the box's first pixel in the volume, TCZYX.
        values: its pixels.
    """

    header: Header
    start: Shape
    values: NDArray[Any]

    def read(self, box: Box, /) -> NDArray[Any]:
        """A view of the pixels of a box, which must lie within the window."""
        spans = zip(box.start, box.stop, self.start, strict=True)
        return self.values[tuple(slice(a - s, b - s) for a, b, s in spans)]


@dataclass(frozen=True, slots=True)
class Block:
    """Neighbouring origins in one volume.

    Attributes:
        volume: which of the set.
        start: the first origin.
        stop: behind the last.
    """

    volume: int
    start: Cell
    stop: Cell

    @property
    def shape(self) -> Cell:
        """How many origins it has along each axis."""
        t, z, y, x = (b - a for a, b in zip(self.start, self.stop, strict=True))
        return t, z, y, x

    def origin(self, number: int) -> Cell:
        """One of its origins, counted from 0 to the product of its shape."""
        inside = np.unravel_index(number, self.shape)
        t, z, y, x = (a + int(n) for a, n in zip(self.start, inside, strict=True))
        return t, z, y, x


class Origins:
    """Every origin that a patch can have in a set.

    Args:
        frames: of each volume.
        patch: side in pixels; no frame is smaller.
    """

    def __init__(self, frames: Sequence[Frames], patch: int) -> None:
        self.frames, self.patch = frames, patch
        self._ends = np.cumsum([prod(self._lengths(f)) for f in frames])

    def _lengths(self, f: Frames) -> Cell:
        """Origins along t, z, y, x."""
        return len(f) // f.depth, f.depth, f.size[0] - self.patch + 1, f.size[1] - self.patch + 1

    def __len__(self) -> int:
        return int(self._ends[-1])

    def place(self, number: int) -> Place:
        """The place with this number."""
        v = int(np.searchsorted(self._ends, number, side="right"))
        number -= int(self._ends[v - 1]) if v else 0
        t, z, y, x = (int(n) for n in np.unravel_index(number, self._lengths(self.frames[v])))
        return v, t * self.frames[v].depth + z, y, x

    def block(self, place: Place, cells: Sequence[Cell]) -> Block:
        """The block in which a place lies, where blocks of volume v have `cells[v]` origins, fewer at its ends."""
        v, frame, y, x = place
        f = self.frames[v]
        corner = (*divmod(frame, f.depth), y, x)
        start = tuple(at // n * n for at, n in zip(corner, cells[v], strict=True))
        stop = (min(a + n, end) for a, n, end in zip(start, cells[v], self._lengths(f), strict=True))
        return Block(v, _cell(start), _cell(stop))

    def place_in(self, block: Block, number: int) -> Place:
        """The place with this number among those of a block."""
        t, z, y, x = block.origin(number)
        return block.volume, t * self.frames[block.volume].depth + z, y, x

    def read(self, block: Block) -> Window:
        """All pixels of a block's patches."""
        f, ((t, z, y, x), (t1, z1, y1, x1)) = self.frames[block.volume], (block.start, block.stop)
        _, c, depth, _, _ = f.volume.header.shape
        z, z1 = (0, depth) if f.planes == "stack" else f.around(z, z1)
        reach = self.patch - 1
        box = Box((t, 0, z, y, x), (t1, c, z1, y1 + reach, x1 + reach))
        return Window(f.volume.header, box.start, f.volume.read(box))


def _cell(lengths: Iterable[int]) -> Cell:
    t, z, y, x = lengths
    return t, z, y, x

"""How the images of a run reach training: decoded once into memory, or in blocks where they are larger than that."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import prod

from isoscope.errors import DataError
from isoscope.frames import Frames
from isoscope.patches.blocks import Cell
from isoscope.patches.shuffling import AHEAD, READERS, Shuffle
from isoscope.volume import Shape, Volume, layout_of

__all__ = ["GIB", "described", "plan", "size"]

GIB = 2**30

_SIDE = 1024
"""Pixels along y and x of a block, about: a shard. Smaller where that lets more of them live at a time."""

_LEAST, _WANTED = 32, 256
"""Live blocks: with fewer, patches would be too much alike; more would mix no better, and take long to fill."""

_DECODED = 4
"""Bytes decoded for each byte that training sees. Less would keep blocks longer, and patches more alike."""

_FINE = 512**2
"""Pixels of a plane in the chunks that we write."""

_SLOW = frozenset({"jpeg2000"})
"""Codecs several times slower than what we write, for which even that is too much."""


def size(volumes: Iterable[Volume]) -> int:
    """Bytes of images, decoded."""
    return sum(prod(v.header.shape) * v.header.dtype.itemsize for v in volumes)


@dataclass(frozen=True, slots=True)
class _Cost:
    """What a full block takes.

    Attributes:
        held: bytes of its pixels.
        decoded: bytes of the chunks that it touches.
        uses: patches that use up what was decoded.
    """

    held: int
    decoded: int
    uses: int

    def needed(self, live: int) -> int:
        """Bytes for so many live blocks, for those read ahead, and for the chunks being decoded."""
        return (live + AHEAD) * self.held + READERS * self.decoded

    def live(self, memory: float) -> int:
        """How many blocks can live in so many bytes."""
        return int(memory - self.needed(0)) // self.held


def plan(sides: Sequence[Sequence[Frames]], patch: int, gib: float, name: str) -> Shuffle | None:
    """How to read sets that draw equal places, or one set by itself; none where each fits into memory.

    Args:
        sides: of each set, the frames; the n-th of all of them are of equal shape.
        patch: side in pixels.
        gib: of memory for both sides of a run; each may take half.
        name: of the sets, for messages.

    Raises:
        DataError: if a set does not fit and cannot be read in blocks that do, or only slowly.
    """
    if all(_size(frames) <= gib / 2 * GIB for frames in sides):
        return None
    _refuse_slow(sides, gib, name)
    for cells in _choices(sides, patch):
        worst = _worst(sides, cells, patch)
        if (live := worst.live(gib / 2 * GIB)) >= _WANTED:
            break
    if live < _LEAST:
        got, expected = f"of which a block is at least {_said(worst.held)}", f"or {_LEAST + AHEAD} such blocks, "
        raise _refusal(sides, gib, name, got, expected, worst.needed(_LEAST))
    return Shuffle(cells, min(live, _WANTED), worst.uses)


def _refuse_slow(sides: Sequence[Sequence[Frames]], gib: float, name: str) -> None:
    for f in (f for frames in sides for f in frames):
        layout = layout_of(f.volume)
        if layout and layout.codec in _SLOW:
            raise _refusal(sides, gib, name, f"of which {f.name} is in {layout.codec}, slow to decode time and again")


def _size(frames: Iterable[Frames]) -> int:
    return size(f.volume for f in frames)


def _choices(sides: Sequence[Sequence[Frames]], patch: int) -> Iterator[tuple[Cell, ...]]:
    """Cells of every volume, from the side of a shard down to that of a patch."""
    side = max(_SIDE, patch)
    while side >= patch:
        yield tuple(_largest([_cell(f, side) for f in same]) for same in zip(*sides, strict=True))
        side //= 2


def _largest(cells: Sequence[Cell]) -> Cell:
    t, z, y, x = (max(lengths) for lengths in zip(*cells, strict=True))
    return t, z, y, x


def _chunk(f: Frames) -> Shape:
    layout = layout_of(f.volume)
    return layout.chunk if layout else (1, 1, 1, 1, 1)


def _cell(f: Frames, side: int) -> Cell:
    """As many origins as whole chunks hold, so that blocks begin where chunks do."""
    t, _, z, y, x = _chunk(f)
    return t, min(z, f.depth), -(-side // y) * y, -(-side // x) * x


def _cost(f: Frames, cell: Cell, patch: int) -> _Cost:
    t, c, z, y, x = f.volume.header.shape
    planes = z if f.planes == "stack" else min(cell[1] + 2 * f.context, z)
    box = (min(cell[0], t), c, planes, min(cell[2] + patch - 1, y), min(cell[3] + patch - 1, x))
    whole = prod(-(-n // unit) * unit for n, unit in zip(box, _chunk(f), strict=True))
    used = prod((c, z if f.planes == "stack" else 2 * f.context + 1, patch, patch))
    item = f.volume.header.dtype.itemsize
    return _Cost(prod(box) * item, whole * item, max(1, whole // (_DECODED * used)))


def _worst(sides: Sequence[Sequence[Frames]], cells: Sequence[Cell], patch: int) -> _Cost:
    costs = [_cost(f, cell, patch) for frames in sides for f, cell in zip(frames, cells, strict=True)]
    return _Cost(max(c.held for c in costs), max(c.decoded for c in costs), max(c.uses for c in costs))


def _coarse(sides: Sequence[Sequence[Frames]]) -> bool:
    """Whether a store of ours would come in smaller chunks."""
    return any(prod(_chunk(f)) // _chunk(f)[1] > _FINE for frames in sides for f in frames)


def _refusal(
    sides: Sequence[Sequence[Frames]], gib: float, name: str, got: str, expected: str = "", needed: int | None = None
) -> DataError:
    whole = max(_size(frames) for frames in sides)
    enough = 2 * min(whole, needed or whole) / GIB * 1.005  # so that three digits say no less
    convert = f"convert them once with `isoscope convert {name.upper()} STORES`, or "
    return DataError(
        f"{name}: got {_said(whole)} of images, {got}; expected all, {expected}within half of training.ram_gib = "
        f"{gib:g}; {convert if needed is None or _coarse(sides) else ''}set training.ram_gib={enough:.3g}"
    )


def _said(count: int) -> str:
    """Bytes for people."""
    return f"{count / GIB:.3g} GiB" if count >= GIB else f"{count / 2**20:.3g} MiB"


def described(how: Shuffle | None, frames: Sequence[Frames]) -> str:
    """How a set is read, in words."""
    whole = f"{_said(_size(frames))} of images"
    if how is None:
        return f"{whole}, decoded once into memory"
    _, _, y, x = max(how.cells)
    return f"{whole}, in blocks of {y} x {x} px: {how.live} in memory at a time, {how.uses} patches of each"

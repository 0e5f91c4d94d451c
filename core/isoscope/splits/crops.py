"""Parts of one large image as images of their own: where to cut, and how to read what was cut."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

from numpy.typing import NDArray

from isoscope.errors import DataError
from isoscope.volume import Box, Header, Shape, Volume

__all__ = ["Cropped", "Strip", "cut", "strips"]

_TRAINING = ("source", "target")


class Cropped:
    """One box of a volume, as a volume; pixels are read only when asked for.

    Raises:
        DataError: if the box does not lie inside the volume.
    """

    def __init__(self, volume: Volume, box: Box) -> None:
        header = volume.header
        sides = zip(box.start, box.stop, header.shape, strict=True)
        if not all(0 <= a < b <= n for a, b, n in sides):
            raise DataError(
                f"{header.name}: got the box {box.start} to {box.stop}; expected one inside {header.shape}; "
                f"split it again"
            )
        self._volume, self._box = volume, box
        rows, columns = (f"{a}-{b}" for a, b in zip(box.start[3:], box.stop[3:], strict=True))
        self._header = replace(header, name=f"{header.name}_y{rows}_x{columns}", shape=box.shape)

    @property
    def header(self) -> Header:
        """What the whole image says of itself, with the crop's shape, and its place in the name."""
        return self._header

    def read(self, box: Box, /) -> NDArray[Any]:
        """The pixels of `box`, counted from the crop's first pixel."""
        return self._volume.read(Box(_sum(self._box.start, box.start), _sum(self._box.start, box.stop)))


@dataclass(frozen=True, slots=True)
class Strip:
    """A stretch of one axis, in pixels, and the part it plays."""

    part: str
    start: int
    stop: int


def strips(parts: Sequence[tuple[str, float]], length: int, guard: int, name: str) -> list[Strip]:
    """Cut an axis into strips of at least `guard` pixels, with a gap of `guard` pixels between any two.

    Neighbours of one part become one strip.

    Args:
        parts: part and share of the axis, in order; "source" and "target" divide what the others leave.
        length: of the axis, in pixels.
        guard: length of a gap, and least length of a strip, in pixels.
        name: of the image, for messages.

    Raises:
        DataError: if the axis is too short.
    """
    runs = [(part, sum(share for _, share in group)) for part, group in groupby(parts, key=lambda p: p[0])]
    lengths = _lengths(runs, length - (len(runs) - 1) * guard, guard)
    if min(lengths) < guard:
        raise DataError(
            f"{name} is {length} px along its longer side; expected at least {(2 * len(runs) - 1) * guard} px, for "
            f"{len(runs)} blocks of {guard} px or more and gaps of {guard} px; give a larger image, a smaller guard "
            f"(not below the patch), or hold out less"
        )
    return _laid_out([part for part, _ in runs], lengths, guard)


def _lengths(runs: Sequence[tuple[str, float]], usable: int, least: int) -> list[int]:
    """Held-out strips by their share of the usable pixels, but no shorter than allowed; training divides the rest."""
    held = {i: max(least, int(share * usable)) for i, (part, share) in enumerate(runs) if part not in _TRAINING}
    rest = usable - sum(held.values())
    whole = sum(share for part, share in runs if part in _TRAINING)
    return [held.get(i, int(rest * share / whole)) for i, (_, share) in enumerate(runs)]


def _laid_out(parts: Sequence[str], lengths: Sequence[int], guard: int) -> list[Strip]:
    found, start = [], 0
    for part, extent in zip(parts, lengths, strict=True):
        found.append(Strip(part, start, start + extent))
        start += extent + guard
    return found


def cut(headers: Sequence[Header], parts: Sequence[tuple[str, float]], guard: int) -> list[tuple[str, list[Box]]]:
    """Cut one image, or several matched ones alike, across the longer side.

    Args:
        headers: of the images; the sides of each are whole multiples of the smallest's.
        parts: as for `strips`.
        guard: gap in pixels of the smallest image.

    Returns:
        Each strip's part, with one box per image.

    Raises:
        DataError: if the images do not match or are too small.
    """
    smallest = min(headers, key=lambda h: h.shape[3:])
    axis = 3 if smallest.shape[3] > smallest.shape[4] else 4
    scales = [_multiple(h, smallest)[axis - 3] for h in headers]
    found = strips(parts, smallest.shape[axis], guard, smallest.name)
    return [(s.part, [_band(h, axis, s, k) for h, k in zip(headers, scales, strict=True)]) for s in found]


def _band(header: Header, axis: int, strip: Strip, scale: int) -> Box:
    start, stop = [0] * 5, [*header.shape]
    start[axis], stop[axis] = strip.start * scale, strip.stop * scale
    return Box(_shape(start), _shape(stop))


def _multiple(header: Header, smallest: Header) -> tuple[int, int]:
    (a, b), (c, d) = header.shape[3:], smallest.shape[3:]
    if a % c or b % d:
        raise DataError(
            f"{header.name} is {a} x {b} px, but {smallest.name} {c} x {d} px; expected matched images of one size, "
            f"or a whole multiple of it; register and crop them"
        )
    return a // c, b // d


def _shape(values: Iterable[int]) -> Shape:
    t, c, z, y, x = values
    return t, c, z, y, x


def _sum(a: Shape, b: Shape) -> Shape:
    return _shape(m + n for m, n in zip(a, b, strict=True))

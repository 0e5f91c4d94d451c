"""Which of TCZYX each axis of a TIFF series is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from isoscope.errors import refusal
from isoscope.reading import check_axes
from isoscope.volume import AXES, Box, Shape

__all__ = ["Arrangement", "Size", "arrange", "relabelled", "shrunk"]

Size = tuple[float, float, float]

_STORED = "TCSZYX"
_UNNAMED = "IQ"


@dataclass(frozen=True, slots=True)
class Arrangement:
    """The axes of a series in its own order; S are the samples of a pixel, of which the first `samples` are kept."""

    letters: str
    shape: tuple[int, ...]
    samples: int

    def length(self, letter: str) -> int:
        """The length of one axis, 1 where it is missing."""
        return self.shape[self.letters.index(letter)] if letter in self.letters else 1

    @property
    def volume(self) -> Shape:
        """The shape along TCZYX; channels times samples is C."""
        t, c, z, y, x = (self.length(a) for a in AXES)
        return t, c * self.samples, z, y, x

    @property
    def axes(self) -> str:
        """The axes a user would name: samples are channels, unless only one is kept."""
        if self.samples == 1:
            return self.letters.replace("S", "")
        return self.letters.replace("C", "").replace("S", "C")

    def chunk(self, lengths: Sequence[int]) -> Shape:
        """What the series decodes at once, lengths in its own order, as TCZYX."""
        found = dict(zip(self.letters, lengths, strict=True))
        t, c, z, y, x = (found.get(a, 1) for a in AXES)
        return t, c * min(self.samples, found.get("S", 1)), z, y, x

    def region(self, box: Box) -> tuple[slice, ...]:
        """What to read of the series, one slice per axis."""
        spans = dict(zip(AXES, box.slices, strict=True))
        first, last = box.start[1] // self.samples, -(-box.stop[1] // self.samples)
        spans |= {"C": slice(first, last), "S": slice(0, self.samples)}
        return tuple(spans[a] for a in self.letters)

    def fit(self, values: NDArray[Any], box: Box) -> NDArray[Any]:
        """The values of `region(box)` as TCZYX."""
        order = [self.letters.index(a) for a in _STORED if a in self.letters]
        full = values.transpose(order)[tuple(slice(None) if a in self.letters else None for a in _STORED)]
        t, c, s, z, y, x = full.shape
        skipped = box.start[1] % self.samples
        return full.reshape(t, c * s, z, y, x)[:, skipped : skipped + box.shape[1]]


def arrange(path: Path, axes: str, shape: tuple[int, ...], wanted: str | None = None) -> str:
    """A letter of T, C, S, Z, Y, X for each axis of a series: the user's, or the file's.

    Pages whose axis nobody named are taken as z, or else as time. The samples of a pixel are S, even if called C.

    Raises:
        DataError: if an axis has no place in TCZYX, or the user named more or fewer.
    """
    if wanted is not None:
        named = zip(axes, check_axes(path, wanted, shape), strict=True)
        return "".join("S" if (own, new) == ("S", "C") else new for own, new in named)
    letters = ""
    for axis, length in zip(axes, shape, strict=True):
        free = [a for a in "ZT" if a not in axes + letters]
        letter = free[0] if axis in _UNNAMED and free else axis
        if letter not in _STORED or letter in letters:
            raise refusal(path, f"axis {axis!r} of {length} in {axes}", "axes T, C, Z, Y, X", "say which they are")
        letters += letter
    return letters


def relabelled(size: Size | None, before: str, after: str) -> Size | None:
    """The pixel size of axes that are called otherwise: a length stays with its dimension."""
    if size is None or before == after:
        return size
    lengths = {new: size["ZYX".index(old)] for old, new in zip(before, after, strict=True) if old in "ZYX"}
    if not {"Y", "X"} <= set(lengths):
        return None
    return lengths.get("Z", 1.0 if "Z" in before else size[0]), lengths["Y"], lengths["X"]


def shrunk(size: Size | None, axes: str, full: tuple[int, ...], level: tuple[int, ...]) -> Size | None:
    """The pixel size of a pyramid's level, from that of the full resolution and the exact ratio of their shapes."""
    if size is None:
        return None
    ratio = {axis: n / m for axis, n, m in zip(axes, full, level, strict=True)}
    return size[0] * ratio.get("Z", 1.0), size[1] * ratio.get("Y", 1.0), size[2] * ratio.get("X", 1.0)

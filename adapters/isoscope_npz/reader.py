"""Open the samples of a NumPy archive as Volumes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isoscope.errors import blame, refusal
from isoscope.reading import BARE_AXES, ReadOptions, check_axes, choose
from isoscope.volume import AXES, Box, Header, Layout, Volume, as_tczyx
from isoscope_npz.archive import Member, members, read_text

__all__ = ["Sample", "open_volumes"]

_REMEDY = "copy the file again from its origin"
_SAMPLES = "SN"
_CARE = ("X", "Y")


@dataclass(frozen=True, slots=True)
class Sample:
    """One image of an array, or the whole array; `sample` indexes its leading or inner sample axis."""

    member: Member
    axes: str
    sample: int
    header: Header

    @property
    def layout(self) -> Layout | None:
        """One chunk: a packed array is unpacked whole, with all its samples; one that lies open is read in place."""
        if self.member.offset is not None:
            return None
        t, c, z, y, x = self.header.shape
        whole = (t * _count(self.member, self.axes), c, z, y, x)
        return Layout(whole, whole)

    def read(self, box: Box, /) -> NDArray[Any]:
        """The pixels of a box, in native byte order.

        Raises:
            DataError: if the archive is damaged.
        """
        region = tuple(self.sample if a in _SAMPLES else box.slices[AXES.index(a)] for a in self.axes)
        with blame(self.member.path, "cannot be decoded", _REMEDY):
            values = np.asarray(self.member.array()[region])
        return np.ascontiguousarray(as_tczyx(values, self.header.axes), self.header.dtype)


def open_volumes(path: Path, options: ReadOptions) -> list[Volume]:
    """Every sample of the array that is meant.

    Raises:
        DataError: if it is no NumPy archive, damaged, or nobody says which array or axes are meant.
    """
    with blame(path, "cannot be read as a NumPy archive", _REMEDY):
        member = _chosen(path, options)
        choose(path, "level", options.level, [member])
        axes = _axes(path, member, options)
        return [_sample(member, axes, index) for index in range(_count(member, axes))]


def _chosen(path: Path, options: ReadOptions) -> Member:
    found = members(path)
    pair = [found[name] for name in _CARE if name in found]
    if not pair and len(found) != 1:
        names = ", ".join(sorted(found)[:8]) or "none"
        raise refusal(path, f"arrays {names}", "one, or X and Y as CARE stores them", "save one by itself")
    return choose(path, "series", options.series, pair or list(found.values()))


def _axes(path: Path, member: Member, options: ReadOptions) -> str:
    """A letter for each dimension; a first dimension that the user's letters leave over counts the samples."""
    if options.axes is not None:
        spare = "S" if len(member.shape) == len(options.axes) + 1 else ""
        return check_axes(path, spare + options.axes, member.shape)
    if (written := read_text(path, "axes")) is None:
        if member.name in _CARE:  # its arrays have samples and channels, but where is not for us to guess
            raise refusal(path, f"{member.name} of shape {member.shape} without axes", "axes too", "say which they are")
        return check_axes(path, BARE_AXES.get(len(member.shape), AXES), member.shape)
    axes = check_axes(path, written.upper(), member.shape)
    known = set(axes) <= set(AXES + _SAMPLES) and {"Y", "X"} <= set(axes)
    if not known or len(set(axes)) < len(axes) or set(_SAMPLES) <= set(axes):
        raise refusal(path, f"axes {written!r}", "letters of STCZYX, each once", "say which they are")
    return axes


def _count(member: Member, axes: str) -> int:
    return next((n for axis, n in zip(axes, member.shape, strict=True) if axis in _SAMPLES), 1)


def _sample(member: Member, axes: str, index: int) -> Sample:
    lengths = dict(zip(axes, member.shape, strict=True))
    t, c, z, y, x = (lengths.get(a, 1) for a in AXES)
    count = _count(member, axes)
    number = f"_{index:0{len(str(count - 1))}}" if count > 1 else ""
    dtype = np.dtype("u1") if member.dtype.kind == "b" else member.dtype.newbyteorder("=")
    own = "".join(a for a in axes if a not in _SAMPLES)
    return Sample(member, axes, index, Header(member.path.stem + number, (t, c, z, y, x), dtype, own))

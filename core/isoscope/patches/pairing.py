"""Pairs of images of the same places, by position; refused where they cannot be."""

from __future__ import annotations

from collections.abc import Sequence

from isoscope.errors import DataError
from isoscope.frames import Frames

__all__ = ["check_pairs"]

_REMEDY = "give both of the same places in the same order, or choose a method that needs no pairs, such as c2gan"


def check_pairs(source: Sequence[Frames], target: Sequence[Frames]) -> None:
    """Refuse images that are no pairs: other counts, other sizes, or the same names in another order.

    Raises:
        DataError: naming the first that does not fit.
    """
    if len(source) != len(target):
        raise DataError(
            f"got {len(source)} images in the source and {len(target)} in the target; expected pairs, one target for "
            f"each source; {_REMEDY}"
        )
    for a, b in zip(source, target, strict=True):
        if (len(a), a.size) != (len(b), b.size):
            raise DataError(f"got {_said(a)} and {_said(b)} as a pair; expected equal sizes; {_REMEDY}")
    _check_order([f.name for f in source], [f.name for f in target])


def _said(f: Frames) -> str:
    planes = "1 plane" if len(f) == 1 else f"{len(f)} planes"
    return f"{f.name} of {planes} of {f.size[0]} x {f.size[1]} px"


def _check_order(source: Sequence[str], target: Sequence[str]) -> None:
    """Names may differ, but where both sides have the same ones they say what belongs together."""
    if sorted(source) != sorted(target) or len(set(source)) < len(source):
        return
    wrong = next(((a, b) for a, b in zip(source, target, strict=True) if a != b), None)
    if wrong:
        raise DataError(
            f"got {wrong[0]} and {wrong[1]} as a pair, but there is a {wrong[0]} on both sides; expected equal names "
            f"at equal places; {_REMEDY}"
        )

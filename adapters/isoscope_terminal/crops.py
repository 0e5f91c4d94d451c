"""A part of an image as people type it: `Y0:Y1,X0:X1`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from isoscope.errors import DataError

if TYPE_CHECKING:
    from isoscope.volume import Box, Header

__all__ = ["parsed"]

_SPAN = re.compile(r"\s*(\d*)\s*:\s*(\d*)\s*")


def parsed(text: str, header: Header) -> Box:
    """The box of an image that `Z0:Z1,Y0:Y1,X0:X1` names; without Z all planes, and an open end is the image's.

    Raises:
        DataError: if it is not written so, or lies outside the image.
    """
    from isoscope.volume import Box

    spans = [_SPAN.fullmatch(part) for part in text.split(",")]
    if len(spans) not in (2, 3) or not all(spans):
        raise DataError(f"got --crop {text!r}; expected Y0:Y1,X0:X1 or Z0:Z1,Y0:Y1,X0:X1; write it such as 0:512,0:512")
    t, c, *sizes = header.shape
    ends = [(0, sizes[0])] * (3 - len(spans))
    ends += [_ends(span, n) for span, n in zip(spans, sizes[-len(spans) :], strict=True) if span]
    for (start, stop), n in zip(ends, sizes, strict=True):
        if not 0 <= start < stop <= n:
            raise DataError(f"{header.name}: got --crop {text}; expected a part of {sizes} (z, y, x); correct it")
    (z0, z1), (y0, y1), (x0, x1) = ends
    return Box((0, 0, z0, y0, x0), (t, c, z1, y1, x1))


def _ends(span: re.Match[str], size: int) -> tuple[int, int]:
    start, stop = span.groups()
    return int(start or 0), int(stop) if stop else size

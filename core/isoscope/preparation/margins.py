"""How much of an image has to be read for what is computed in a box of it."""

from __future__ import annotations

from isoscope.volume import Box, Shape

__all__ = ["widened"]


def widened(box: Box, reach: int, shape: Shape) -> Box:
    """The box with so many pixels more on each side in y and x, as far as an array of this shape has them."""
    (t0, c0, z0, y0, x0), (t1, c1, z1, y1, x1) = box.start, box.stop
    y0, x0 = max(0, y0 - reach), max(0, x0 - reach)
    return Box((t0, c0, z0, y0, x0), (t1, c1, z1, min(shape[3], y1 + reach), min(shape[4], x1 + reach)))

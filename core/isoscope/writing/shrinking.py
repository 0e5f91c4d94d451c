"""Smaller images by averaging squares of pixels, in the image's own type."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isoscope.volume import Shape

__all__ = ["pyramid", "shrink"]

_SMALL = 256
_SAFE = 2**15
"""So many 16-bit integers add up to less than 2^31."""


def pyramid(shape: Shape, levels: int | None = None) -> list[Shape]:
    """The shapes of an image and its smaller copies, each half as high and wide (rounded up) as the one before.

    Args:
        shape: of the image, TCZYX.
        levels: how many, the image counted, as far as it can be halved; none: until the larger side is at most 256.
    """
    shapes = [shape]
    while _goes_on(max(shapes[-1][3:]), len(shapes), levels):
        t, c, z, y, x = shapes[-1]
        shapes.append((t, c, z, -(-y // 2), -(-x // 2)))
    return shapes


def _goes_on(side: int, made: int, levels: int | None) -> bool:
    return side > _SMALL if levels is None else side > 1 and made < levels


def shrink(values: NDArray[Any], factor: int) -> NDArray[Any]:
    """Means over `factor` x `factor` pixels of the last two axes, [..., h, w] -> [..., ceil(h / f), ceil(w / f)].

    A square that the image's edge cuts is the mean of what it holds. Integers are exact, halves rounded to even.
    """
    if factor == 1:
        return values
    rows, columns = (_spans(length, factor) for length in values.shape[-2:])
    bands = [np.concatenate([_means(values[..., ys, xs], h, w) for xs, w in columns], -1) for ys, h in rows]
    return np.concatenate(bands, -2)


def _spans(length: int, factor: int) -> list[tuple[slice, int]]:
    """Where whole squares lie, and the rest, with the side of a square in each."""
    whole = length // factor * factor
    found = [(slice(0, whole), factor), (slice(whole, length), length - whole)]
    return [(span, side) for span, side in found if span.stop > span.start]


def _means(values: NDArray[Any], height: int, width: int) -> NDArray[Any]:
    *rest, rows, columns = values.shape
    squares = values.reshape(*rest, rows // height, height, columns // width, width)
    average = _average if values.dtype.kind == "f" else _rounded
    return average(squares, height * width)


def _average(squares: NDArray[Any], count: int) -> NDArray[Any]:
    with np.errstate(invalid="ignore", over="ignore"):  # infinities of both signs meet as NaN, as they should
        means = _summed(squares / np.float64(count), np.dtype(np.float64))
        return np.asarray(means.astype(squares.dtype))


def _rounded(squares: NDArray[Any], count: int) -> NDArray[Any]:
    mean, left = (_divided if squares.dtype.itemsize < 8 else _divided_wide)(squares, count)
    up = (2 * left > count) | ((2 * left == count) & (mean % 2 == 1))
    return np.asarray((mean + up.astype(mean.dtype)).astype(squares.dtype))


def _divided(squares: NDArray[Any], count: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Quotient and remainder of the sum of each square by the number of its pixels."""
    narrow = squares.dtype.itemsize <= 2 and count <= _SAFE
    total = _summed(squares, np.dtype(np.int32 if narrow else np.int64))
    if count.bit_count() == 1:  # shifting is division by a power of two, several times as fast
        return total >> (count.bit_length() - 1), total & (count - 1)
    return np.divmod(total, count)


def _divided_wide(squares: NDArray[Any], count: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """The same by the quotients and remainders of each pixel: the sum of 64-bit integers may not fit in 64 bits."""
    quotients, rest = np.divmod(squares, squares.dtype.type(count))
    more, left = np.divmod(_summed(rest, squares.dtype), squares.dtype.type(count))
    return _summed(quotients, squares.dtype) + more, left


def _summed(squares: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    """The sum of each square, [..., rows, h, columns, w] -> [..., rows, columns], one of its pixels after the other.

    numpy's own sum over such short axes takes several times as long.
    """
    *rest, rows, height, columns, width = squares.shape
    total = np.zeros((*rest, rows, columns), dtype)
    for y, x in product(range(height), range(width)):
        total += squares[..., y, :, x]
    return total

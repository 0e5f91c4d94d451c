"""Smaller images by averaging squares of pixels, in the image's own type."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["shrink"]


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
        means = (squares.astype(np.float64) / count).sum((-3, -1))
        return np.asarray(means.astype(squares.dtype))


def _rounded(squares: NDArray[Any], count: int) -> NDArray[Any]:
    """By quotients and remainders: the sum of four 64-bit integers would not fit in 64 bits."""
    quotients = squares // count
    left = (squares - quotients * squares.dtype.type(count)).sum((-3, -1), dtype=np.int64)
    mean = quotients.sum((-3, -1), dtype=squares.dtype) + (left // count).astype(squares.dtype)
    twice = 2 * (left % count)
    up = (twice > count) | ((twice == count) & (mean % 2 == 1))
    return np.asarray(mean + up.astype(squares.dtype))

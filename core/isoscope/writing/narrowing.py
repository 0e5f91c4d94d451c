"""Grey values in another type: clipped and rounded where they must be, counted, and never rescaled."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from isoscope.errors import DataError

__all__ = ["narrow"]

Counted = tuple[NDArray[Any], int, int]


def narrow(values: NDArray[Any], dtype: np.dtype[Any]) -> Counted:
    """The values in a type, how many had to be clipped, and how many of the others rounded (halves to even).

    Raises:
        DataError: if a NaN would have to become an integer.
    """
    if values.dtype == dtype:
        return values, 0, 0
    if dtype.kind == "f":
        return _to_float(values, dtype)
    return _to_integer(values, dtype) if values.dtype.kind == "f" else _between_integers(values, dtype)


def _to_float(values: NDArray[Any], dtype: np.dtype[Any]) -> Counted:
    wide = values.astype(np.float64)
    limit = float(np.finfo(dtype).max)
    outside = np.isfinite(wide) & (np.abs(wide) > limit)
    made = np.where(outside, np.copysign(limit, wide), wide).astype(dtype)
    changed = (made.astype(np.float64) != wide) & ~outside & ~np.isnan(wide)
    return made, int(outside.sum()), int(changed.sum())


def _to_integer(values: NDArray[Any], dtype: np.dtype[Any]) -> Counted:
    if np.isnan(values).any():
        raise DataError(f"got NaN to write as {dtype}; expected numbers; replace them, or keep {values.dtype}")
    info, whole = np.iinfo(dtype), np.rint(values, dtype=np.float64)
    # neither float32 nor float64 holds the largest 32- or 64-bit integer: clipping as floats would wrap it around
    below, above = whole < info.min, whole >= float(info.max) + 1
    made = np.where(below | above, 0.0, whole).astype(dtype)
    made[below], made[above] = info.min, info.max
    rounded = (whole != values) & ~below & ~above
    return made, int(below.sum() + above.sum()), int(rounded.sum())


def _between_integers(values: NDArray[Any], dtype: np.dtype[Any]) -> Counted:
    info, had = np.iinfo(dtype), np.iinfo(values.dtype)
    below = values < info.min if had.min < info.min else np.zeros(values.shape, bool)
    above = values > info.max if had.max > info.max else np.zeros(values.shape, bool)
    made = values.astype(dtype)
    made[below], made[above] = info.min, info.max
    return made, int(below.sum() + above.sum()), 0

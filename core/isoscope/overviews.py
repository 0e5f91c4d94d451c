"""Whole planes in few pixels: read from a pyramid where there is one, block by block where there is none."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from isoscope.address import Address
from isoscope.errors import DataError
from isoscope.volume import Box, Volume
from isoscope.writing.shrinking import shrink

__all__ = ["levels", "overview", "plane"]

Floats = NDArray[np.float64]

_BLOCK = 1024
_MOST_LEVELS = 32


def levels(address: Address) -> list[Volume]:
    """The levels of an image's pyramid, from the asked-for one to the coarsest, as its store opens them."""
    found: list[Volume] = []
    with _unsaid():
        while len(found) < _MOST_LEVELS:
            options = replace(address.options, level=address.options.level + len(found))
            try:
                found.append(replace(address, options=options).open())
            except DataError:  # there are no more
                break
    return found


@contextmanager
def _unsaid() -> Iterator[None]:
    """What a store remarks on opening was said when it was opened first."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)


def overview(pyramid: Sequence[Volume], place: tuple[int, int], step: int) -> Floats:
    """A whole plane, each pixel the mean of `step` x `step`: [C, ceil(H / step), ceil(W / step)].

    Read from the coarsest level that has so many pixels, at most 1024 x 1024 at a time.

    Args:
        pyramid: levels, the full resolution first.
        place: indices of time point and z plane.
        step: in pixels of the full resolution.

    Raises:
        DataError: if a grey value is NaN or infinite.
    """
    whole = pyramid[0].header.shape[3:]
    size = math.ceil(whole[0] / step), math.ceil(whole[1] / step)
    level = [v for v in pyramid if v.header.shape[3] >= size[0] and v.header.shape[4] >= size[1]][-1]
    shares = (n / full for n, full in zip(level.header.shape[3:], whole, strict=True))
    means = _means(level, place, max(1, int(step * min(shares))))
    return means if means.shape[1:] == size else _resized(means, size)


def _means(level: Volume, place: tuple[int, int], step: int) -> Floats:
    height, width = level.header.shape[3:]
    side = max(1, _BLOCK // step) * step

    def block(y: int, x: int) -> Floats:
        return shrink(plane(level, place, slice(y, y + side), slice(x, x + side)), step)

    rows = [np.concatenate([block(y, x) for x in range(0, width, side)], axis=2) for y in range(0, height, side)]
    return np.concatenate(rows, axis=1)


def plane(volume: Volume, place: tuple[int, int], ys: slice, xs: slice) -> Floats:
    """Grey values of a part of a plane, clipped at its edge, [C, h, w].

    Raises:
        DataError: if any is NaN or infinite.
    """
    _, c, _, height, width = volume.header.shape
    t, z = place
    stop = (t + 1, c, z + 1, min(ys.stop, height), min(xs.stop, width))
    values = volume.read(Box((t, 0, z, ys.start, xs.start), stop))[0, :, 0]
    if not np.isfinite(values).all():
        raise DataError(f"{volume.header.name} holds NaN or infinite grey values; expected finite ones; replace them")
    return values.astype(np.float64)


def _resized(values: Floats, size: tuple[int, int]) -> Floats:
    """Values of a level whose size is no whole multiple of the overview's, between its pixels; less than halved."""
    from skimage.transform import resize

    smaller: Callable[..., Floats] = resize
    return np.stack([smaller(channel, size, order=1, mode="edge", anti_aliasing=False) for channel in values])

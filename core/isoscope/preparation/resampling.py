"""Volumes read on a finer or coarser grid: the same pixels in any box, so that no tile or patch shows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil, floor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isoscope.volume import Box, Header, Layout, Shape, Volume, layout_of

__all__ = ["ResampledVolume", "Scale", "resampled"]

Scale = tuple[float, float, float]
"""Pixels of the new grid for one of the old, along z, y and x."""

_FIRST = 2
"""Of the axes TCZYX, the first that has pixels in space."""


@dataclass(frozen=True, slots=True)
class _Taps:
    """How pixels along one axis are made: of `count` old ones each, from `first` on, weighted.

    Attributes:
        start, stop: the old pixels that are needed.
        places: indices into them, [taps, new pixels].
        weights: of the same shape; each column adds up to 1.
    """

    start: int
    stop: int
    places: NDArray[np.intp]
    weights: NDArray[np.float64]


def _taps(first: int, last: int, scale: float, length: int) -> _Taps:
    """Linear interpolation; where the new grid is coarser a triangle as wide as its pixels, so that nothing aliases.

    Pixels are areas: the edges of both grids meet at the image's first edge. At the edges what lies outside is left
    out, and the other weights make up for it.
    """
    centres = (np.arange(first, last) + 0.5) / scale - 0.5
    reach = max(1.0, 1 / scale)
    taps = floor(2 * reach) + 1
    places = np.ceil(centres - reach).astype(int) + np.arange(taps)[:, None]
    weights = np.clip(1 - np.abs(places - centres) / reach, 0, None) * ((places >= 0) & (places < length))
    places = np.clip(places, 0, length - 1)
    start, stop = int(places.min()), int(places.max()) + 1
    return _Taps(start, stop, places - start, weights / weights.sum(0))


def _apply(values: NDArray[Any], taps: _Taps, axis: int) -> NDArray[np.float64]:
    """Sums in a fixed order: matrix products would round differently from box to box."""
    shape = [1] * values.ndim
    shape[axis] = -1
    total: NDArray[np.float64] | None = None
    for places, weights in zip(taps.places, taps.weights, strict=True):
        part = np.take(values, places, axis) * weights.reshape(shape)
        total = part if total is None else total + part
    assert total is not None
    return total


class ResampledVolume:
    """A volume on another grid, as float32; axes whose scale is 1 keep their pixels.

    Args:
        volume: the images.
        scale: pixels of the new grid for one of the old, along z, y and x.
    """

    def __init__(self, volume: Volume, scale: Scale) -> None:
        self._volume, self._scale = volume, scale
        header = volume.header
        t, c, *space = header.shape
        z, y, x = (max(1, round(n * s)) for n, s in zip(space, scale, strict=True))
        size = header.pixel_size
        self._header = replace(
            header,
            shape=(t, c, z, y, x),
            dtype=np.dtype(np.float32),
            pixel_size=size and (size[0] / scale[0], size[1] / scale[1], size[2] / scale[2]),
        )

    @property
    def header(self) -> Header:
        """What the volume says of itself, on the new grid."""
        return self._header

    @property
    def layout(self) -> Layout | None:
        """How the images lie on disk, in pixels of the new grid."""
        layout = layout_of(self._volume)
        return layout and replace(layout, shard=self._scaled(layout.shard), chunk=self._scaled(layout.chunk))

    def _scaled(self, shape: Shape) -> Shape:
        t, c, *space = shape
        z, y, x = (max(1, ceil(n * s)) for n, s in zip(space, self._scale, strict=True))
        return t, c, z, y, x

    def read(self, box: Box, /) -> NDArray[Any]:
        """The pixels of a box of the new grid."""
        taps, start, stop = {}, list(box.start), list(box.stop)
        for axis, scale in enumerate(self._scale, _FIRST):
            if scale != 1:
                made = _taps(start[axis], stop[axis], scale, self._volume.header.shape[axis])
                taps[axis], start[axis], stop[axis] = made, made.start, made.stop
        values = self._volume.read(Box(tuple(start), tuple(stop)))  # type: ignore[arg-type]
        for axis, along in taps.items():
            values = _apply(values, along, axis)
        return np.asarray(values, np.float32)


def resampled(volume: Volume, scale: Scale) -> Volume:
    """The volume on a grid so many times as fine; the very same where nothing changes."""
    return volume if scale == (1, 1, 1) else ResampledVolume(volume, scale)

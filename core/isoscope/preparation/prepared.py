"""Volumes that are prepared as they are read: the same pixels in any box, so that no tile or patch shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isoscope.preparation.depth import DepthVolume
from isoscope.preparation.margins import widened
from isoscope.preparation.resampling import resampled
from isoscope.preparation.section import Background, Preparation
from isoscope.preparation.staining import stained
from isoscope.preparation.turning import sides
from isoscope.volume import Box, Header, Layout, Volume, layout_of

__all__ = ["PreparedVolume", "prepared", "upright"]

_TRUNCATE = 3.0
"""Sigmas at which the background's Gaussian is cut."""


class PreparedVolume:
    """A volume whose boxes are read prepared, as float32; nothing is clipped.

    Args:
        volume: the images as they are on disk.
        preparation: settled: without anything left to measure.
    """

    def __init__(self, volume: Volume, preparation: Preparation) -> None:
        self._volume, self._preparation = volume, preparation
        self._header = replace(volume.header, dtype=np.dtype(np.float32))

    @property
    def header(self) -> Header:
        """What the volume says of itself, but for the type."""
        return self._header

    @property
    def layout(self) -> Layout | None:
        """How the images lie on disk."""
        return layout_of(self._volume)

    def read(self, box: Box, /) -> NDArray[Any]:
        """The prepared pixels of a box."""
        background = self._preparation.background
        reach = ceil(_TRUNCATE * background.sigma) if background else 0
        wider = widened(box, reach, self._header.shape)
        # differences are taken in float64: large integers would be rounded before them
        values = np.subtract(self._volume.read(wider), float(self._preparation.offset or 0), dtype=np.float64)
        if background:
            with np.errstate(invalid="ignore"):  # infinities become NaN, which is refused where frames are read
                values -= _slow(values, background)
        return values[box.within(wider)].astype(np.float32)


def _slow(values: NDArray[np.float64], background: Background) -> NDArray[np.float64]:
    """The background of each plane. Right where the Gaussian's whole reach is there, or the plane's edge."""
    from scipy.ndimage import gaussian_filter

    sigma = (0.0, 0.0, 0.0, background.sigma, background.sigma)
    slow: NDArray[np.float64] = gaussian_filter(values, sigma, mode="reflect", truncate=_TRUNCATE)
    return slow


def prepared(volumes: Sequence[Volume], preparation: Preparation) -> list[Volume]:
    """The volumes as a settled preparation gives them; the very same where it asks for nothing, two each by sides."""
    found = upright(volumes, preparation)
    return [view for v in found for view in sides(v)] if preparation.sides else found


def upright(volumes: Sequence[Volume], preparation: Preparation) -> list[Volume]:
    """The same, but seen from above as they lie on disk."""
    scale = preparation.scale or (1.0, 1.0, 1.0)
    return [resampled(v, scale) for v in _toned(volumes, preparation)]


def _toned(volumes: Sequence[Volume], preparation: Preparation) -> list[Volume]:
    """The volumes with their grey values prepared."""
    if preparation.labels:
        return [DepthVolume(v, preparation.labels.depth) for v in volumes]
    if preparation.stain:
        return stained(volumes, preparation.stain)
    if preparation.background or preparation.offset is not None:
        return [PreparedVolume(v, preparation) for v in volumes]
    return list(volumes)

"""A volume as a list of two-dimensional frames with channels: what two-dimensional networks read and write."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from isoscope.errors import DataError
from isoscope.volume import Box, Volume

__all__ = ["REC601", "Frames", "Planes"]

Planes = Literal["xy", "stack"]
REC601 = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in luminance."""


class Frames:
    """Frames [C, H, W] of one volume.

    Args:
        volume: the images.
        planes: `xy` gives each (t, z) plane as a frame; `stack` each t, with all z planes as channels (C-major).
        grey: turn red, green, blue into luminance, as float32.
    """

    def __init__(self, volume: Volume, planes: Planes = "xy", grey: bool = False) -> None:
        self.volume, self.planes = volume, planes
        t, c, z, y, x = volume.header.shape
        self.grey = grey and c == 3
        self.size = (y, x)
        self.channels = (1 if self.grey else c) * (z if planes == "stack" else 1)
        self.places = [(i, k) for i in range(t) for k in range(1 if planes == "stack" else z)]

    @property
    def name(self) -> str:
        """The volume's name."""
        return self.volume.header.name

    def __len__(self) -> int:
        return len(self.places)

    def read(self, index: int, ys: slice, xs: slice) -> NDArray[Any]:
        """The pixels of one frame, [C, h, w], in grey values.

        Raises:
            DataError: where the image holds NaN or infinity.
        """
        t, z = self.places[index]
        _, c, depth, _, _ = self.volume.header.shape
        z0, z1 = (0, depth) if self.planes == "stack" else (z, z + 1)
        values = self.volume.read(Box((t, 0, z0, ys.start, xs.start), (t + 1, c, z1, ys.stop, xs.stop)))[0]
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            raise DataError(f"{self.name} holds NaN or infinite values; expected finite grey values; replace them")
        if self.grey:
            values = np.tensordot(np.asarray(REC601, np.float32), values.astype(np.float32), 1)[None]
        flat: NDArray[Any] = values.reshape(-1, *values.shape[-2:])
        return flat

"""A volume as a list of two-dimensional frames with channels: what two-dimensional networks read and write."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from isoscope.errors import DataError
from isoscope.volume import Box, Volume

__all__ = ["REC601", "Frames", "Planes", "sampled"]

Planes = Literal["xy", "stack"]
REC601 = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in luminance."""

_SAMPLES = 64
_SIDE = 256


class Frames:
    """Frames [C, H, W] of one volume.

    Args:
        volume: the images.
        planes: `xy` gives each (t, z) plane as a frame; `stack` each t, with all z planes as channels (C-major).
        grey: turn red, green, blue into luminance, as float32.
        context: with `xy`, so many neighbours above and below are channels too (C-major, by z); at the ends of the
            volume its last plane stands for those that are missing.
        thick: planes that a frame is made for, besides its context; the last one of a volume goes on behind its end.
    """

    def __init__(
        self, volume: Volume, planes: Planes = "xy", grey: bool = False, context: int = 0, thick: int = 1
    ) -> None:
        self.volume, self.planes, self.context, self.thick = volume, planes, context, thick
        t, c, z, y, x = volume.header.shape
        self.grey = grey and c == 3
        self.size = (y, x)
        self.channels = (1 if self.grey else c) * (z if planes == "stack" else 2 * context + thick)
        self.depth = 1 if planes == "stack" else -(-z // thick)
        self.places = [(i, k * thick) for i in range(t) for k in range(self.depth)]

    @property
    def name(self) -> str:
        """The volume's name."""
        return self.volume.header.name

    def __len__(self) -> int:
        return len(self.places)

    def around(self, first: int, last: int) -> tuple[int, int]:
        """The planes that are read for those from `first` to before `last`."""
        return max(0, first - self.context), min(self.volume.header.shape[2], last + self.context)

    def read(self, index: int, ys: slice, xs: slice, held: Volume | None = None) -> NDArray[Any]:
        """The pixels of one frame, [C, h, w], in grey values.

        Args:
            index: of the frame.
            ys: rows.
            xs: columns.
            held: what to read them from instead of the volume, such as a part of it in memory.

        Raises:
            DataError: where the image holds NaN or infinity.
        """
        t, z = self.places[index]
        _, c, depth, _, _ = self.volume.header.shape
        z0, z1 = (0, depth) if self.planes == "stack" else self.around(z, z + self.thick)
        box = Box((t, 0, z0, ys.start, xs.start), (t + 1, c, z1, ys.stop, xs.stop))
        values = (self.volume if held is None else held).read(box)[0]
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            raise DataError(f"{self.name} holds NaN or infinite values; expected finite grey values; replace them")
        if self.grey:
            values = np.tensordot(np.asarray(REC601, np.float32), values.astype(np.float32), 1)[None]
        if self.context or self.thick > 1:
            wanted = np.arange(z - self.context, z + self.thick + self.context)
            values = values[:, np.clip(wanted, z0, z1 - 1) - z0]
        flat: NDArray[Any] = values.reshape(-1, *values.shape[-2:])
        return flat


def sampled(frames: Sequence[Frames], seed: int) -> Iterator[NDArray[Any]]:
    """Up to 64 boxes of at most 256 px, spread over all images by a seed."""
    rng = np.random.default_rng(seed)
    places = [(f, i) for f in frames for i in range(len(f))]
    # few frames are sampled several times, many at most once
    for pick in np.resize(rng.permutation(len(places)), _SAMPLES):
        f, i = places[pick]
        y, x = (int(rng.integers(0, max(1, n - _SIDE + 1))) for n in f.size)
        yield f.read(i, slice(y, min(y + _SIDE, f.size[0])), slice(x, min(x + _SIDE, f.size[1])))

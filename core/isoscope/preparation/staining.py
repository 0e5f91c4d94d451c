"""A set of H&E images brought to one stain: sampled, measured and read, each image as a whole and never by patch."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isoscope.errors import DataError
from isoscope.preparation.section import Stain
from isoscope.preparation.stain import Method, Numbers, measure, median, moved
from isoscope.volume import Box, Header, Layout, Volume, layout_of

__all__ = ["StainedVolume", "stain_of", "stained", "white_of", "with_reference"]

_log = logging.getLogger(__name__)

_WHOLE = 2**20
_BOXES, _SIDE = 64, 128
_PIXELS = 2**16
_ROWS = 256


def white_of(volume: Volume) -> int:
    """The grey value of white, refused where the image cannot be H&E in colour."""
    header = volume.header
    if header.shape[1] != 3 or header.dtype not in (np.uint8, np.uint16):
        raise DataError(
            f"{header.name} has {header.shape[1]} channels of {header.dtype}; expected RGB of uint8 or uint16 to unify "
            f"the stain of; leave out target.prepare.stain, and set training.stain_mixing=none"
        )
    return int(np.iinfo(header.dtype).max)


def _boxes(shape: tuple[int, ...], rng: np.random.Generator) -> list[Box]:
    """The whole of a small image, else boxes all over it."""
    t, c, z, y, x = shape
    if t * z * y * x <= _WHOLE:
        return [Box.whole((t, c, z, y, x))]
    boxes = []
    for _ in range(_BOXES):
        ti, zi, yi, xi = (int(rng.integers(0, max(1, n))) for n in (t, z, y - _SIDE + 1, x - _SIDE + 1))
        boxes.append(Box((ti, 0, zi, yi, xi), (ti + 1, c, zi + 1, min(y, yi + _SIDE), min(x, xi + _SIDE))))
    return boxes


def _sample(volume: Volume) -> NDArray[np.float64]:
    """Up to 65536 pixels [N, 3] from 0 to 1, the same at every call."""
    rng = np.random.default_rng(0)
    parts = [np.moveaxis(volume.read(b), 1, -1).reshape(-1, 3) for b in _boxes(volume.header.shape, rng)]
    pixels = np.concatenate(parts)
    if len(pixels) > _PIXELS:
        pixels = pixels[np.sort(rng.choice(len(pixels), _PIXELS, replace=False))]
    return pixels / white_of(volume)


def stain_of(volume: Volume, method: Method) -> Numbers | None:
    """The numbers of an image's stain, from a sample of its pixels; None where there is too little to measure."""
    white_of(volume)
    return measure(_sample(volume), method)


def with_reference(volumes: Sequence[Volume], stain: Stain) -> Stain:
    """The stain with the numbers of the set's median image; numbers that are there stay.

    Raises:
        DataError: for images that are not RGB, or a set without a stained image.
    """
    if stain.reference is not None:
        return stain
    known = [(v.header.name, n) for v in volumes if (n := stain_of(v, stain.name)) is not None]
    if not known:
        raise DataError(
            f"none of the {len(volumes)} images has enough stain to measure; expected H&E tissue on white; "
            f"leave out target.prepare.stain"
        )
    name, reference = known[median([n for _, n in known])]
    return stain.model_copy(update={"image": name, "reference": reference})


class StainedVolume:
    """An RGB volume with another stain, as float32 on the same scale of grey values.

    Args:
        volume: RGB of uint8 or uint16.
        change: map of pixels [..., 3] from 0 to 1.
    """

    def __init__(self, volume: Volume, change: Callable[[NDArray[np.float64]], NDArray[np.float64]]) -> None:
        self._volume, self._change, self._white = volume, change, white_of(volume)
        self._header = replace(volume.header, dtype=np.dtype(np.float32))

    @property
    def header(self) -> Header:
        """What the volume says of itself, but for the type."""
        return self._header

    @property
    def layout(self) -> Layout | None:
        """How the image lies on disk."""
        return layout_of(self._volume)

    def read(self, box: Box, /) -> NDArray[Any]:
        """The pixels of a box in the other stain; all colours are needed to know each."""
        (t0, c0, z0, y0, x0), (t1, c1, z1, y1, x1) = box.start, box.stop
        values = np.moveaxis(self._volume.read(Box((t0, 0, z0, y0, x0), (t1, 3, z1, y1, x1))), 1, -1)
        out = np.empty(values.shape, np.float32)
        for y in range(0, values.shape[2], _ROWS):  # in strips: a whole slide in float64 would not fit
            rows = slice(y, y + _ROWS)
            out[:, :, rows] = self._change(values[:, :, rows] / self._white) * self._white
        return np.moveaxis(out, -1, 1)[:, c0:c1]


def stained(volumes: Sequence[Volume], stain: Stain) -> list[Volume]:
    """Every volume with the stain of the settled reference; those without a stain to measure, as they are."""
    if stain.reference is None:
        raise ValueError("expected a settled stain; call `settled` first")
    out: list[Volume] = []
    for volume in volumes:
        own = stain_of(volume, stain.name)
        if own is None:
            _log.warning("%s has too little stain to measure; it is used as it is", volume.header.name)
        change = moved(stain.name, own, stain.reference) if own else _unchanged
        out.append(StainedVolume(volume, change))
    return out


def _unchanged(rgb: NDArray[np.float64]) -> NDArray[np.float64]:
    return rgb

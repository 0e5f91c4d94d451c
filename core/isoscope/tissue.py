"""Where a slide holds tissue, seen in few pixels."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isoscope.frames import REC601

__all__ = ["Tissue", "tissue"]

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

_SIGMA = 1.0
_CLOSING = 3
"""Radius in cells of the gaps that are filled."""


@dataclass(frozen=True, slots=True, eq=False)
class Tissue:
    """What is no background.

    Attributes:
        mask: bool [h, w].
        contrast: distance in grey values between the median lightness of either side of Otsu's threshold.
    """

    mask: Mask
    contrast: float


def tissue(overview: Floats, *, rgb: bool, polarity: int) -> Tissue | None:
    """Cells beyond Otsu's threshold in lightness, or of RGB bright field in saturation; none in a constant image.

    Gaps are closed, and a cell is added all around. Otsu's threshold cuts any image in two, so that the rest may still
    be pale tissue: whoever takes it for background has to see that it is flat.

    Args:
        overview: [C, h, w], grey values.
        rgb: the channels are red, green and blue.
        polarity: +1 where content is bright, -1 where it is dark.
    """
    from scipy.ndimage import gaussian_filter

    maps = [gaussian_filter(values, _SIGMA, mode="nearest") for values in _measures(overview, rgb, polarity)]
    if any(np.ptp(values) == 0 for values in maps):
        return None
    above = [_above(values) for values in maps]
    lightness = float(np.median(maps[0][above[0]]) - np.median(maps[0][~above[0]]))
    return Tissue(_whole(np.logical_or.reduce(above)), lightness)


def _measures(overview: Floats, rgb: bool, polarity: int) -> Iterator[Floats]:
    """Maps that are high where there is tissue, lightness first."""
    yield (1 if polarity > 0 else -1) * (np.tensordot(REC601, overview, 1) if rgb else overview.mean(axis=0))
    if rgb and polarity <= 0:
        high = overview.max(axis=0)
        yield (high - overview.min(axis=0)) / np.maximum(high, 1e-9)


def _above(values: Floats) -> Mask:
    from skimage.filters import threshold_otsu

    otsu: Callable[..., Any] = threshold_otsu
    above: Mask = values > float(otsu(values))
    return above


def _whole(mask: Mask) -> Mask:
    """Gaps closed, and a cell more all around."""
    from skimage.morphology import closing, dilation, disk

    close: Callable[..., Mask] = closing
    grow: Callable[..., Mask] = dilation
    round_: Callable[[int], Mask] = disk
    # closing takes what lies beyond the border for empty
    padded = np.pad(mask, _CLOSING, mode="edge")
    return grow(close(padded, round_(_CLOSING))[_CLOSING:-_CLOSING, _CLOSING:-_CLOSING], round_(1))

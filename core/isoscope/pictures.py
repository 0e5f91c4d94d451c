"""Pictures of images for people to look at, as RGB arrays uint8 [H, W, 3]: display, overlay, error, panel, histogram.

Nothing here is written on: who saves a picture adds titles and numbers. Images are [H, W], [C, H, W] or TCZYX, of
which the first time point's middle z plane is shown. Grey values are stretched for display only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isoscope.errors import DataError
from isoscope.metrics import dtype_range

__all__ = [
    "Histogram",
    "Picture",
    "colour_bar",
    "error_map",
    "histogram",
    "numbered_objects",
    "overlay",
    "panel",
    "to_display",
]

Array = NDArray[Any]
Floats = NDArray[np.float64]
Picture = NDArray[np.uint8]
Limits = tuple[float, float]

_WEIGHTS = {1: np.ones(1), 3: np.array([0.299, 0.587, 0.114])}  # luminance of one channel and of RGB, ITU-R BT.601
_GAP = 4


@dataclass(frozen=True, slots=True)
class Histogram:
    """How often each grey value occurs.

    Attributes:
        counts: pixels per bin; values beyond the limits are counted in the end bins.
        edges: grey values between which the bins lie, one more than bins.
        saturated: fraction of pixels at or beyond either limit.
    """

    counts: NDArray[np.int64]
    edges: Floats
    saturated: float


def to_display(image: Array, limits: Limits) -> Picture:
    """Show one channel as grey or three as RGB, from black at the lower limit to full brightness at the upper.

    Raises:
        DataError: for other numbers of channels, or limits that do not rise.
    """
    plane = _plane(image)
    if plane.shape[0] not in (1, 3):
        raise DataError(f"got {plane.shape[0]} channels, expected 1 or 3 (RGB); show them one by one")
    return _picture(np.broadcast_to(_stretch(plane, limits), (3, *plane.shape[1:])))


def overlay(prediction: Array, truth: Array, limits: Limits | None = None) -> Picture:
    """Lay a prediction (magenta: red and blue) over the truth (green), both on one scale, by default the truth's range.

    Where they are equal the picture is grey; elsewhere the stronger image gives the colour. RGB images are compared
    by luminance.

    Raises:
        DataError: if shapes differ or the images are neither grey nor RGB.
    """
    p, t = _luminance(prediction), _luminance(truth)
    _same_shape(p, t)
    scale = limits or _own_range(t)
    magenta, green = _stretch(p, scale), _stretch(t, scale)
    return _picture(np.stack([magenta, green, magenta]))


def error_map(prediction: Array, truth: Array, limit: float | None = None) -> Picture:
    """Show |prediction - truth|, averaged over channels, from black (none) over red and yellow to white.

    White is an error of `limit` grey values or more, by default the truth's range.
    """
    p, t = _plane(prediction), _plane(truth)
    _same_shape(p, t)
    low, high = _own_range(t)
    return _heat(_stretch(np.abs(p - t).mean(axis=0), (0.0, high - low if limit is None else limit)))


def colour_bar(height: int, width: int = 12) -> Picture:
    """The colours of `error_map`, [height, width, 3], from no error at the bottom to the limit at the top."""
    return _heat(np.repeat(np.linspace(1.0, 0.0, height)[:, None], width, axis=1))


def numbered_objects(labels: Array) -> Picture:
    """Show the objects of a label image [H, W] each in one of some colours; 0 is black."""
    from skimage.color import label2rgb

    coloured: Floats = label2rgb(labels, bg_label=0)  # type: ignore[no-untyped-call]
    return np.asarray(np.rint(coloured * 255), np.uint8)


def panel(pictures: Sequence[Picture]) -> Picture:
    """Pictures of one height side by side, in the order given, with thin white gaps between them.

    Raises:
        DataError: if there are none, or heights differ (a picture is never resized silently).
    """
    heights = sorted({picture.shape[0] for picture in pictures})
    if len(heights) != 1:
        raise DataError(f"got pictures of heights {heights}, expected one common height; crop or scale them first")
    gap = np.full((heights[0], _GAP, 3), 255, np.uint8)
    return np.concatenate([part for picture in pictures for part in (gap, picture)][1:], axis=1)


def histogram(image: Array, limits: Limits | None = None, bins: int = 256) -> Histogram:
    """Count the grey values of a whole image between limits: by default the integer type's, for floats the image's."""
    low, high = limits or dtype_range(image.dtype) or _own_range(image)
    values = image.astype(np.float64)
    saturated = float(np.mean((values <= low) | (values >= high)))
    counts, edges = np.histogram(np.clip(values, low, high), bins, (low, high))
    return Histogram(counts.astype(np.int64), edges.astype(np.float64), saturated)


def _plane(image: Array) -> Floats:
    if image.ndim not in (2, 3, 5):
        raise DataError(f"got an image of shape {image.shape}, expected [H, W], [C, H, W] or TCZYX")
    plane = image[0, :, image.shape[2] // 2] if image.ndim == 5 else image
    return np.asarray(plane.reshape(-1, *plane.shape[-2:]), np.float64)


def _luminance(image: Array) -> Floats:
    plane = _plane(image)
    if plane.shape[0] not in _WEIGHTS:
        raise DataError(f"got {plane.shape[0]} channels, expected 1 or 3 (RGB); make one overlay per channel")
    luminance: Floats = np.tensordot(_WEIGHTS[plane.shape[0]], plane, axes=1)
    return luminance


def _same_shape(prediction: Array, truth: Array) -> None:
    if prediction.shape != truth.shape:
        raise DataError(f"got a prediction of shape {prediction.shape}, expected the truth's {truth.shape}")


def _own_range(values: Array) -> Limits:
    low, high = float(values.min()), float(values.max())
    return low, high if high > low else low + 1.0  # a constant image still has to be drawn


def _stretch(values: Floats, limits: Limits) -> Floats:
    low, high = limits
    if not low < high:
        raise DataError(f"got display limits {low:g} to {high:g}, expected the first below the second")
    stretched: Floats = np.clip((np.nan_to_num(values, nan=low) - low) / (high - low), 0.0, 1.0)
    return stretched


def _picture(channels: Floats) -> Picture:
    return np.ascontiguousarray(np.round(np.moveaxis(channels, 0, -1) * 255), np.uint8)


def _heat(values: Floats) -> Picture:
    return _picture(np.stack([np.clip(3 * values - step, 0.0, 1.0) for step in range(3)]))

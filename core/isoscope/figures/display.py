"""On which scale grey values are shown: one for all images that can share it, never one for each picture."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from isoscope.frames import REC601
from isoscope.volume import Header

__all__ = ["Limits", "Scaling", "error_limit", "grey", "limits", "shares"]

Floats = NDArray[np.float64]
Limits = tuple[float, float]

_PERCENTILES = (0.1, 99.9)


@dataclass(frozen=True, slots=True)
class Scaling:
    """What the user asks for; none: measured.

    Attributes:
        limits: display limits of prediction and truth, and of an input that shares them.
        input_limits: of the input alone.
        error_limit: the error that is shown brightest, in grey values.
    """

    limits: Limits | None = None
    input_limits: Limits | None = None
    error_limit: float | None = None


def shares(one: Header, other: Header) -> bool:
    """Whether grey values of two images mean the same, as far as headers tell: as many channels, of one type."""
    return (one.shape[1], one.rgb, one.dtype) == (other.shape[1], other.rgb, other.dtype)


def limits(pictures: Iterable[Floats], header: Header) -> Limits:
    """Display limits: 0.1 % and 99.9 % of all values; of RGB 0 and 255, or what 99.9 % stay below, for all colours.

    Args:
        pictures: [C, h, w] each.
        header: of one of the images.
    """
    if header.rgb and header.dtype == np.uint8:
        return 0.0, 255.0
    low, high = (float(q) for q in np.percentile(np.concatenate([p.ravel() for p in pictures]), _PERCENTILES))
    low = min(0.0, low) if header.rgb else low
    return low, high if high > low else low + 1.0


def error_limit(errors: Iterable[Floats]) -> float:
    """The error that is shown brightest: 99.9 % of all are at most so large."""
    return float(np.percentile(np.concatenate([e.ravel() for e in errors]), _PERCENTILES[1])) or 1.0


def grey(picture: Floats) -> Floats:
    """[1 or 3, h, w] -> [h, w]: one channel as it is, red, green and blue as luminance (ITU-R BT.601)."""
    return picture[0] if len(picture) == 1 else np.tensordot(REC601, picture, axes=1)

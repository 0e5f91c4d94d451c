"""Scale bars of a round physical length."""

from __future__ import annotations

import math
from dataclasses import dataclass

__all__ = ["ScaleBar", "scale_bar"]

_SHARE = 0.25
_ROUND = (5.0, 2.0, 1.0)


@dataclass(frozen=True, slots=True)
class ScaleBar:
    """A length to draw.

    Attributes:
        micrometers: 1, 2 or 5 times a power of ten.
        pixels: the same in pixels of the full resolution; not rounded.
    """

    micrometers: float
    pixels: float

    def __str__(self) -> str:
        if self.micrometers >= 1000:
            return f"{self.micrometers / 1000:g} mm"
        return f"{self.micrometers:g} µm" if self.micrometers >= 1 else f"{self.micrometers * 1000:g} nm"


def scale_bar(width: float, pixel_width: float) -> ScaleBar:
    """The longest round length of at most a quarter of a picture.

    Args:
        width: of the picture, in pixels.
        pixel_width: in micrometers.
    """
    most = _SHARE * width * pixel_width
    power = 10.0 ** math.floor(math.log10(most))
    length = float(f"{next(n for n in _ROUND if n * power <= most * (1 + 1e-9)) * power:.0e}")
    return ScaleBar(length, length / pixel_width)

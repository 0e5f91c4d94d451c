"""Gain and offset between two unpaired sets, from how dark and how bright their images get."""

from __future__ import annotations

import torch
from torch import Tensor

from isoscope.errors import RecipeError
from isoscope.saliency import smooth

__all__ = ["ends", "matched"]

_DARK = torch.linspace(0.00125, 0.005, 10)
_BRIGHT = 1 - torch.logspace(-1.8, -3.3, 25)
"""Quantiles whose means are the ends. The bright one is wide: what would saturate must not be missed."""
_PARTS = 16
"""Into which a set is divided. Each image, or few of them, counts by itself: files may be scaled one by one."""
_LEAST = 1e-6
"""Grey values between dark and bright, in images that are all the same."""


def ends(images: Tensor, sigma: float) -> tuple[float, float]:
    """How dark and how bright the images of a set get on average, smoothed by `sigma` pixels, in their own units.

    What lies between depends on how much content the fields happen to have, and two unpaired sets are of other fields.

    Args:
        images: one channel, [N, 1, H, W]; patches of one image follow each other.
        sigma: hides the noise.
    """
    parts = smooth(images, sigma).flatten(1).chunk(_PARTS)
    dark, bright = (
        float(torch.stack([torch.quantile(p.flatten(), q.to(p.device)).mean() for p in parts]).mean())
        for q in (_DARK, _BRIGHT)
    )
    return dark, bright


def matched(
    clean: tuple[float, float], noisy: tuple[float, float], gain: float | None, offset: float | None
) -> tuple[float, float]:
    """Gain and offset that carry the ends of clean grey values to those of noisy ones; what is given stays.

    Raises:
        RecipeError: if the offset given is not below the bright end of the noisy images.
    """
    if gain is None and offset is not None and offset >= noisy[1]:
        raise RecipeError(
            f"generator 'camera' got offset {offset:g}; expected less than {noisy[1]:g}, as bright as the noisy images "
            "get; give the grey value of darkness in them"
        )
    if gain is None:
        (x0, y0), (x1, y1) = (clean[0], noisy[0]) if offset is None else (0.0, offset), (clean[1], noisy[1])
        gain = max(y1 - y0, _LEAST) / max(x1 - x0, _LEAST)
    return gain, noisy[0] - gain * clean[0] if offset is None else offset

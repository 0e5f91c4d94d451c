"""Filters that know nothing of what is in the images: Gaussian, non-local means, Richardson-Lucy."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from isoscope.baselines.planewise import planewise
from isoscope.noise import deviation
from isoscope.volume import Volume

__all__ = ["gaussian", "non_local_means", "richardson_lucy"]

Floats = NDArray[np.float64]

_SMALLEST = 3
"""Pixels a side, below which noise cannot be told from content."""


def gaussian(volumes: Sequence[Volume], sigma: float = 1.0) -> list[Volume]:
    """Every plane blurred.

    Args:
        volumes: the images.
        sigma: in pixels.
    """
    from scipy.ndimage import gaussian_filter

    return planewise(volumes, lambda plane: gaussian_filter(plane, (0, sigma, sigma)))


def non_local_means(volumes: Sequence[Volume], strength: float = 0.8) -> list[Volume]:
    """Every pixel the mean of those whose surroundings look alike (Buades et al. 2005; scikit-image, fast mode).

    Args:
        volumes: the images.
        strength: cut-off of the likeness in standard deviations of the noise, which is estimated for each plane and
            channel.
    """
    return planewise(volumes, partial(_each, partial(_averaged, strength)))


def richardson_lucy(
    volumes: Sequence[Volume], sigma: float = 1.0, iterations: int = 10, black: float = 0.0
) -> list[Volume]:
    """Deconvolution by a Gaussian point spread function (Richardson 1972, Lucy 1974; scikit-image).

    Args:
        volumes: the images.
        sigma: of the point spread function in pixels.
        iterations: how many.
        black: grey value without light; what is darker counts as that.
    """
    return planewise(volumes, partial(_each, partial(_deconvolved, _kernel(sigma), iterations, black)))


def _each(change: Callable[[Floats], Floats], plane: Floats) -> Floats:
    return np.stack([change(channel) for channel in plane])


def _averaged(strength: float, plane: Floats) -> Floats:
    from skimage.restoration import denoise_nl_means

    noise = float(deviation(torch.from_numpy(plane)[None, None])[0]) if min(plane.shape) >= _SMALLEST else 0.0
    if noise <= 0:
        return plane
    denoise: Callable[..., Floats] = denoise_nl_means
    return denoise(plane, patch_size=5, patch_distance=6, h=strength * noise, sigma=noise, fast_mode=True)


def _kernel(sigma: float) -> Floats:
    taps = np.exp(-0.5 * (np.arange(-math.ceil(3 * sigma), math.ceil(3 * sigma) + 1) / sigma) ** 2)
    kernel: Floats = np.outer(taps, taps) / taps.sum() ** 2
    return kernel


def _deconvolved(kernel: Floats, iterations: int, black: float, plane: Floats) -> Floats:
    from skimage.restoration import richardson_lucy as deconvolve

    light = np.maximum(plane - black, 0)
    scale = float(light.max())
    if scale <= 0:
        return plane
    pad = len(kernel)  # beyond the edge the library sees darkness
    padded = np.pad(light / scale, pad, mode="symmetric")
    restore: Callable[..., NDArray[Any]] = deconvolve
    made = restore(padded, kernel, num_iter=iterations, clip=False, filter_epsilon=1e-6)
    inner: Floats = made[pad:-pad, pad:-pad] * scale + black
    return inner

"""The stain of an H&E image in a few numbers, and one image with the stain of another.

Reinhard et al. 2001 (mean and spread in Lab), Macenko et al. 2009 (stain vectors in optical density). Pixels are RGB
from 0 to 1, last axis 3.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["Method", "Numbers", "measure", "median", "moved"]

Method = Literal["reinhard", "macenko"]
Numbers = tuple[tuple[float, ...], ...]
"""Reinhard: mean and standard deviation of L, a, b. Macenko: haematoxylin, eosin, 99th percentiles of both."""

Pixels = NDArray[np.floating[Any]]

_GLASS = 0.15
"""Optical density (natural logarithm) below which Macenko et al. see no stain."""
_TISSUE = 0.01
"""Fraction of stained pixels that an image needs to say something of its stain."""
_ANGLES = (1.0, 99.0)
_STRENGTH = 99.0
_LEAST = 1e-3
_STEP = 1 / 256


def _density(rgb: Pixels) -> NDArray[np.float64]:
    """Optical density against white; the darkest grey value counts as one of 256 steps."""
    density: NDArray[np.float64] = -np.log((rgb.astype(np.float64) + _STEP) / (1 + _STEP))
    return density


def _light(density: NDArray[np.float64]) -> NDArray[np.float64]:
    rgb: NDArray[np.float64] = np.clip(np.exp(-density) * (1 + _STEP) - _STEP, 0, 1)
    return rgb


def measure(rgb: Pixels, method: Method) -> Numbers | None:
    """The numbers of one image's stain from a sample [N, 3]; None where there is too little stain to tell."""
    density = _density(rgb)
    # the mean of the colours: pure eosin hardly absorbs red, and is not glass
    stained = density[density.mean(axis=1) >= _GLASS]
    if len(stained) < max(2, _TISSUE * len(density)):
        return None
    return _macenko(stained) if method == "macenko" else _reinhard(rgb)


def _reinhard(rgb: Pixels) -> Numbers | None:
    from skimage.color import rgb2lab

    lab = rgb2lab(rgb.astype(np.float64))
    spread = lab.std(axis=0)
    return (_row(lab.mean(axis=0)), _row(spread)) if spread.min() > _LEAST else None


def _macenko(density: NDArray[np.float64]) -> Numbers | None:
    """Two stain vectors: the robust extremes of the angle in the plane that holds most of the optical density."""
    _, sizes, axes = np.linalg.svd(density, full_matrices=False)
    if sizes[1] <= _LEAST * sizes[0]:
        return None
    plane = axes[:2].T * np.where(axes[:2].sum(axis=1) < 0, -1.0, 1.0)
    flat = density @ plane
    low, high = (_direction(plane, a) for a in np.percentile(np.arctan2(flat[:, 1], flat[:, 0]), _ANGLES))
    # haematoxylin takes more of the red than eosin does
    first, second = (low, high) if low[0] > high[0] else (high, low)
    if np.linalg.norm(np.cross(first, second)) <= _LEAST:
        return None
    strengths = np.linalg.lstsq(np.stack([first, second]).T, density.T, rcond=None)[0]
    most = np.percentile(strengths, _STRENGTH, axis=1)
    return (_row(first), _row(second), _row(most)) if most.min() > _LEAST else None


def _direction(plane: NDArray[np.float64], angle: float) -> NDArray[np.float64]:
    vector: NDArray[np.float64] = plane @ np.array([np.cos(angle), np.sin(angle)])
    return vector / np.linalg.norm(vector)


def _row(values: NDArray[np.float64]) -> tuple[float, ...]:
    return tuple(float(v) for v in values)


def median(all_numbers: Sequence[Numbers]) -> int:
    """Which image is the median one: nearest to the median of each number, in units of its spread over the set."""
    table = np.array([[v for row in numbers for v in row] for numbers in all_numbers])
    spread = table.std(axis=0)
    away = np.abs(table - np.median(table, axis=0)) / np.where(spread > 0, spread, 1)
    return int(away.sum(axis=1).argmin())


def moved(method: Method, own: Numbers, reference: Numbers) -> Callable[[Pixels], NDArray[np.float64]]:
    """The map of pixels [..., 3] that gives an image with numbers `own` the stain of `reference`."""
    return _as_in_lab(own, reference) if method == "reinhard" else _as_in_density(own, reference)


def _as_in_lab(own: Numbers, reference: Numbers) -> Callable[[Pixels], NDArray[np.float64]]:
    (mean, spread), (new_mean, new_spread) = np.array(own), np.array(reference)

    def apply(rgb: Pixels) -> NDArray[np.float64]:
        from skimage.color import lab2rgb, rgb2lab

        lab = (rgb2lab(rgb.astype(np.float64)) - mean) * (new_spread / spread) + new_mean
        # no light is bluer than none: beyond, scikit-image warns and clips
        lab[..., 0] = np.clip(lab[..., 0], 0, 100)
        lab[..., 2] = np.minimum(lab[..., 2], 199.9 * (lab[..., 0] + 16) / 116)
        light: NDArray[np.float64] = lab2rgb(lab)
        return light

    return apply


def _as_in_density(own: Numbers, reference: Numbers) -> Callable[[Pixels], NDArray[np.float64]]:
    """One matrix: out of the image's stains, strengths matched, into the reference's; what neither explains stays."""
    strengths = np.append(np.array(reference[2]) / np.array(own[2]), 1.0)
    matrix = np.linalg.inv(_basis(own)) @ np.diag(strengths) @ _basis(reference)
    return lambda rgb: _light(_density(rgb) @ matrix)


def _basis(numbers: Numbers) -> NDArray[np.float64]:
    first, second = np.array(numbers[0]), np.array(numbers[1])
    third = np.cross(first, second)
    return np.stack([first, second, third / np.linalg.norm(third)])

"""What there is to see: fluorophores per voxel, from 0 to about 1, before any optics."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

__all__ = ["CONTENTS", "MARGIN"]

Floats = NDArray[np.float64]
Shape = tuple[int, int, int]
MARGIN = 32
"""Pixels simulated around a field, so that its border is like the rest."""
_DENSE = 4
"""Points per pixel of a curve."""


def _splatted(points: Floats, weights: Floats, shape: Shape) -> Floats:
    """Points [N, 3] (z, y, x) of some brightness, shared among the voxels around each: right below the pixel."""
    volume = np.zeros(shape)
    low = np.floor(points).astype(np.int64)
    part = points - low
    for corner in np.ndindex(2, 2, 2):
        at = low + corner
        share = np.prod(np.where(np.asarray(corner) == 1, part, 1 - part), axis=1) * weights
        inside = np.all((at >= 0) & (at < shape), axis=1)
        np.add.at(volume, tuple(at[inside].T), share[inside])
    return volume


def _bounded(volume: Floats) -> Floats:
    """So that the brightest thousandth is 1."""
    most = float(np.quantile(volume, 0.999)) or float(volume.max())
    return volume / most if most > 0 else volume


def _smooth(rng: np.random.Generator, shape: Shape, sigma: float) -> Floats:
    """A random field of unit deviation, as coarse as `sigma` pixels; in z as far as there are planes."""
    from scipy.ndimage import gaussian_filter

    field: Floats = gaussian_filter(rng.standard_normal(shape), [min(sigma, shape[0] / 6), sigma, sigma], mode="wrap")
    return field / max(float(field.std()), 1e-9)


def _curve(rng: np.random.Generator, shape: Shape) -> Floats:
    """A filament: its direction turns slowly, by a bend that itself wanders; points [N, 3]."""
    steps = int(1.5 * shape[1]) * _DENSE
    bends = np.cumsum(rng.standard_normal(steps)) * 0.0006 / _DENSE**0.5
    angle = rng.uniform(0, 2 * np.pi) + np.cumsum(bends - bends.mean()) / _DENSE
    y, x = (rng.uniform(0, n) + np.cumsum(f(angle)) / _DENSE for n, f in zip(shape[1:], (np.sin, np.cos), strict=True))
    rise = rng.uniform(-0.1, 0.1) if shape[0] > 1 else 0.0
    z = rng.uniform(0, shape[0] - 1) + rise * np.arange(steps) / _DENSE
    return np.stack([z, y, x], axis=1)


def microtubules(rng: np.random.Generator, shape: Shape) -> Floats:
    """Long thin filaments of like brightness, crossing each other."""
    volume = np.zeros(shape)
    for _ in range(max(3, round(shape[1] * shape[2] * max(1.0, shape[0] / 8) / 2500))):
        points = _curve(rng, shape)
        volume += _splatted(points, np.full(len(points), rng.uniform(0.7, 1.3) / _DENSE), shape)
    return _bounded(volume)


def granules(rng: np.random.Generator, shape: Shape) -> Floats:
    """Spots from a point to about four pixels, of very unequal brightness."""
    from scipy.ndimage import gaussian_filter

    volume = np.zeros(shape)
    for sigma in (0.3, 0.8, 1.6):
        count = max(5, round(np.prod(shape[1:]) * max(1.0, shape[0] / 8) / 900))
        points = rng.uniform(0, 1, (count, 3)) * (np.asarray(shape) - 1)
        volume += gaussian_filter(_splatted(points, rng.lognormal(0, 0.6, count), shape), sigma) * sigma**2
    return _bounded(volume)


def nuclei(rng: np.random.Generator, shape: Shape) -> Floats:
    """Deformed ellipsoids with soft edges and texture that keep out of each other's way."""
    from scipy.special import expit

    z, y, x = np.ogrid[tuple(slice(n) for n in shape)]
    wobble, texture = _smooth(rng, shape, 9.0), 1 + 0.25 * _smooth(rng, shape, 2.5)
    volume, taken = np.zeros(shape), list[Floats]()
    for _ in range(max(3, round(shape[1] * shape[2] / 3000))):
        centre = rng.uniform(0, 1, 3) * (np.asarray(shape) - 1)
        radius = rng.uniform(11, 18)
        if any(np.hypot(*(centre - other[:3])[1:]) < radius + other[3] for other in taken):
            continue
        taken.append(np.append(centre, radius))
        squash = np.exp(rng.uniform(-0.2, 0.2))
        depth = max(3.0, shape[0] / 3)
        distance = ((y - centre[1]) / radius * squash) ** 2 + ((x - centre[2]) / radius / squash) ** 2
        distance = distance + ((z - centre[0]) / depth) ** 2 * (shape[0] > 1)
        volume += rng.uniform(0.5, 1.0) * expit(12 * (1 - distance - 0.12 * wobble))
    return _bounded(volume * texture.clip(0.2))


def tissue(rng: np.random.Generator, shape: Shape) -> Floats:
    """Dense and loose regions with sharp borders, and texture in both."""
    inside = _smooth(rng, shape, 10.0) + 0.3 * _smooth(rng, shape, 3.0) > 0
    return _bounded(np.where(inside, 0.8, 0.15) * (1 + 0.25 * _smooth(rng, shape, 1.5)).clip(0.1))


CONTENTS: dict[str, Callable[[np.random.Generator, Shape], Floats]] = {
    "microtubules": microtubules, "granules": granules, "nuclei": nuclei, "tissue": tissue,
}  # fmt: skip
"""By name: (random numbers, shape in ZYX) -> content."""

"""What is in a field: brightness without optics, float64 [Z, Y, X], margins included, 1 at a typical structure."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

__all__ = ["CONTENTS", "numbered_nuclei", "splat"]

Floats = NDArray[np.float64]
Shape = tuple[int, ...]

_STRIDE = 0.25
"""Pixels between two points of a filament."""
_PERSISTENCE = 40.0
"""Pixels over which a filament bends."""
_FILAMENTS, _GRANULES, _NUCLEI = 0.0004, 0.004, 0.0006
"""Of each, how many per square pixel at density 1."""


def splat(points: Floats, weights: Floats, shape: Shape) -> Floats:
    """Points [N, 3] at sub-pixel places z, y, x as an image; linear shares keep their light and its centre.

    What lies outside is dropped. An axis of length 1 takes everything.
    """
    image = np.zeros(int(np.prod(shape)))
    low = np.floor(points).astype(np.int64)
    part = points - low
    for corner in np.ndindex(*(1 if n == 1 else 2 for n in shape)):
        place = np.where(np.array(shape) == 1, 0, low + corner)
        share = np.where(np.array(shape) == 1, 1.0, np.where(np.array(corner) == 1, part, 1 - part)).prod(axis=1)
        inside = ((place >= 0) & (place < shape)).all(axis=1)
        index = np.ravel_multi_index(tuple(place[inside].T), shape)
        image += np.bincount(index, (weights * share)[inside], image.size)
    return image.reshape(shape)


def _smoothed(image: Floats, sigma: float) -> Floats:
    from scipy.ndimage import gaussian_filter

    smooth: Floats = gaussian_filter(image, [0 if n == 1 else sigma for n in image.shape])
    return smooth


def _field(rng: np.random.Generator, shape: Shape, sigma: float) -> Floats:
    """A smooth random field of mean 0 and standard deviation 1."""
    field = _smoothed(rng.standard_normal(shape), sigma)
    standard: Floats = (field - field.mean()) / field.std()
    return standard


def _places(rng: np.random.Generator, shape: Shape, per_area: float) -> Floats:
    """Uniform places [N, 3]; volumes hold as many as their depth is worth, counted in tens of planes."""
    amount = per_area * shape[1] * shape[2] * max(1.0, shape[0] / 10)
    places: Floats = rng.random((max(1, rng.poisson(amount)), 3)) * (np.array(shape) - 1)
    return places


def _filament(rng: np.random.Generator, start: Floats, shape: Shape) -> Floats:
    """A smooth curve from a place on; in volumes it climbs a little."""
    from scipy.ndimage import gaussian_filter1d

    steps = int(rng.uniform(0.5, 1.5) * max(shape) / _STRIDE)
    width = _PERSISTENCE / _STRIDE
    bend = gaussian_filter1d(rng.standard_normal(steps), width) * np.sqrt(2 * np.sqrt(np.pi) * width)
    angle = rng.uniform(0, 2 * np.pi) + np.cumsum(bend) * _STRIDE / _PERSISTENCE / 2
    climb = np.full(steps, rng.uniform(-0.2, 0.2))
    curve: Floats = start + np.cumsum(np.stack([climb, np.sin(angle), np.cos(angle)], axis=1), axis=0) * _STRIDE
    return curve


def _microtubules(rng: np.random.Generator, shape: Shape, density: float) -> Floats:
    curves = [_filament(rng, place, shape) for place in _places(rng, shape, _FILAMENTS * density)]
    points = np.concatenate(curves)
    # A line of one unit per pixel, blurred by a sigma of 0.6 px, is about 0.66 high.
    return _smoothed(splat(points, np.full(len(points), _STRIDE / 0.66), shape), 0.6)


def _granules(rng: np.random.Generator, shape: Shape, density: float) -> Floats:
    image = np.zeros(shape)
    for sigma in (0.8, 1.2, 1.8):
        places = _places(rng, shape, _GRANULES * density / 3)
        light = rng.lognormal(0, 0.4, len(places)) * (2 * np.pi * sigma**2)
        image += _smoothed(splat(places, light, shape), sigma)
    return image


def _nuclei(rng: np.random.Generator, shape: Shape, density: float) -> Floats:
    return numbered_nuclei(rng, shape, density)[0]


def numbered_nuclei(rng: np.random.Generator, shape: Shape, density: float) -> tuple[Floats, NDArray[np.uint16]]:
    """Ellipsoids whose radius a smooth field deforms, textured; the brighter wins where two meet.

    Returns:
        Brightness, and which nucleus each voxel belongs to, from 1; 0 for none.
    """
    bulges, texture, image = _field(rng, shape, 6), _field(rng, shape, 2), np.zeros(shape)
    owners = np.zeros(shape, np.uint16)
    for number, centre in enumerate(_places(rng, shape, _NUCLEI * density), 1):
        radii, turn = rng.uniform(9, 16, 3), rng.uniform(0, np.pi)
        light = rng.uniform(0.6, 1.2)
        begin = np.maximum(0, np.floor(centre - 24).astype(int))
        window = tuple(slice(int(a), int(b)) for a, b in zip(begin, np.minimum(shape, centre + 25), strict=True))
        z, y, x = (
            grid - c for grid, c in zip(np.mgrid[window], np.where(np.array(shape) == 1, 0, centre), strict=True)
        )
        along, across = np.cos(turn) * x + np.sin(turn) * y, np.cos(turn) * y - np.sin(turn) * x
        out = np.sqrt((z / radii[0]) ** 2 + (across / radii[1]) ** 2 + (along / radii[2]) ** 2) - 1
        inside = 1 / (1 + np.exp(np.clip((out + 0.1 * bulges[window]) * 20, -50, 50)))
        seen = light * inside * np.clip(1 + 0.2 * texture[window], 0.2, None)
        owners[window][(seen > image[window]) & (inside > 0.5)] = number
        image[window] = np.maximum(image[window], seen)
    return image, owners


def _tissue(rng: np.random.Generator, shape: Shape, density: float) -> Floats:
    """Strands where one random field exceeds a threshold, with holes by a finer one, and a grain."""
    coarse, fine, grain = (_field(rng, shape, sigma) for sigma in (10, 4, 1.5))
    strands = 1 / (1 + np.exp(np.clip(-6 * (coarse + 0.3 * np.log(density)), -50, 50)))
    holes = 1 / (1 + np.exp(np.clip(-6 * (fine + 0.5), -50, 50)))
    tissue: Floats = 0.05 + strands * (0.4 + 0.6 * holes) * np.clip(1 + 0.2 * grain, 0.2, None)
    return tissue


CONTENTS: dict[str, Callable[[np.random.Generator, Shape, float], Floats]] = {
    "microtubules": _microtubules,
    "granules": _granules,
    "nuclei": _nuclei,
    "tissue": _tissue,
}
"""By name: from a random generator, a shape (z, y, x) and a density to brightness."""

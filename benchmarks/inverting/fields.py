"""Synthetic fields whose truth is known: two domains of equal content that come from different places."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from isoscope.volume import ArrayVolume, Header

SIDE = 256
MIDDLE = {"source": 0.475, "target": 0.5}
"""Halfway between the grey values of content and background, in both polarities."""

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Fields:
    """Images of domain A and others of domain B to learn from; images of A with their truth in B to be scored on."""

    source: list[ArrayVolume]
    target: list[ArrayVolume]
    test: list[Floats]
    truth: list[Floats]


def content(rng: np.random.Generator, fraction: float) -> NDArray[np.float64]:
    """A map of content in [0, 1] that covers `fraction` of the field: a thresholded Gaussian random field."""
    field = gaussian_filter(rng.standard_normal((SIDE, SIDE)), 4.0, mode="wrap")
    field = field / field.std()
    return 1 / (1 + np.exp(-12 * (field - np.quantile(field, 1 - fraction))))


def in_b(m: NDArray[np.float64]) -> Floats:
    """Domain B: sharp, bright content."""
    return (0.15 + 0.7 * m).astype(np.float32)


def in_a(m: NDArray[np.float64], reversed_: bool, rng: np.random.Generator) -> Floats:
    """Domain A: blurred and noisy, content bright or, reversed, dark."""
    values = 0.25 + 0.45 * gaussian_filter(m, 2.0, mode="wrap")
    noisy = (0.95 - values if reversed_ else values) + rng.normal(0, 0.06, m.shape)
    return noisy.astype(np.float32)


def _volume(values: Floats, name: str) -> ArrayVolume:
    return ArrayVolume(values, "YX", Header(name, (1, 1, 1, *values.shape), values.dtype, "YX"))


def fields(fraction: float, polarity: str, seed: int) -> Fields:
    """Six fields for A, six others for B, four more with their truth; all a function of the arguments."""
    rng = np.random.default_rng([5, seed, round(1000 * fraction)])
    a, b, test = ([content(rng, fraction) for _ in range(n)] for n in (6, 6, 4))
    dark = polarity == "reversed"
    noise: Any = np.random.default_rng([6, seed])
    return Fields(
        [_volume(in_a(m, dark, noise), f"a{i}") for i, m in enumerate(a)],
        [_volume(in_b(m), f"b{i}") for i, m in enumerate(b)],
        [in_a(m, dark, noise) for m in test],
        [in_b(m) for m in test],
    )

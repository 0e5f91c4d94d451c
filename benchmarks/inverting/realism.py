"""How real a set of outputs looks beside real images of other places: what cannot see an inversion at 50 % area."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from isoscope.spectra import radial_power

PATCH = 64
_QUANTILES = np.linspace(0.05, 0.95, 9)
_FLOOR = 1e-8
"""Of power, and of the spread of a feature: what is smooth has no power worth a logarithm at high frequencies."""
_SPREAD = 0.02


def wasserstein(made: Tensor, real: Tensor) -> float:
    """W1 between the histograms of two sets, in grey values."""
    from scipy.stats import wasserstein_distance

    return float(wasserstein_distance(made.numpy().ravel(), real.numpy().ravel()))


def spectral_distance(made: Tensor, real: Tensor) -> float:
    """Mean absolute difference of the logarithms of radial power."""
    one, other = (np.log(radial_power(x.numpy())[1] + _FLOOR) for x in (made, real))
    return float(np.abs(one - other).mean())


def _patches(images: Tensor) -> NDArray[Any]:
    values: NDArray[Any] = images.unfold(2, PATCH, PATCH).unfold(3, PATCH, PATCH).reshape(-1, PATCH, PATCH).numpy()
    return values


def _features(patch: NDArray[Any]) -> NDArray[Any]:
    """Quantiles of grey values and of gradients, and the radial spectrum."""
    gradients = np.hypot(*np.gradient(patch))
    spectrum = np.log(radial_power(patch)[1] + _FLOOR)
    return np.concatenate([np.quantile(patch, _QUANTILES), np.quantile(gradients, _QUANTILES), spectrum])


def kid(made: Tensor, real: Tensor) -> float:
    """Kernel distance with the cubic kernel, unbiased (Binkowski et al. 2018), on the features above."""
    one, other = (np.stack([_features(p) for p in _patches(x)]) for x in (made, real))
    centre, spread = other.mean(0), other.std(0) + _SPREAD
    x, y = ((f - centre) / spread for f in (one, other))
    xx, yy, xy = (_kernel(*pair) for pair in ((x, x), (y, y), (x, y)))
    inside = [(k.sum() - np.trace(k)) / (len(k) * (len(k) - 1)) for k in (xx, yy)]
    return float(sum(inside) - 2 * xy.mean())


def _kernel(x: NDArray[Any], y: NDArray[Any]) -> NDArray[Any]:
    kernel: NDArray[Any] = (x @ y.T / x.shape[1] + 1) ** 3
    return kernel

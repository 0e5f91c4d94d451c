"""How noisy images are, measured on the images alone: no clean ones are needed."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from isoscope.saliency import smooth

__all__ = ["deviation", "noise_of", "skewness_of", "spread_of"]

_BINS = 16
_FAR = 4.0
"""Deviations beyond which a residual is content. Nearer cuts lose the long tail that few photons give to noise."""
_CUBED = 6.0
"""One over the sum of the cubes of the filter's weights: what it leaves of a third central moment is so much less."""
_LEAST = 1e-8
"""Variance below which nothing can be told from rounding."""
_CUT_OFF = 1e-4
"""Part of the largest variance below which grey values are cut off at darkness, and hide what noise there is."""
_MAD = 1.4826
"""Standard deviation of a Gaussian over its median absolute deviation."""


def _residual(images: Tensor) -> tuple[Tensor, Tensor]:
    """What a second difference in both directions leaves of [N, 1, H, W], and the local mean, on the same pixels.

    The filter removes smooth content and keeps the variance of white noise (Immerkaer 1996).
    """
    kernel = images.new_tensor([[1.0, -2.0, 1.0], [-2.0, 4.0, -2.0], [1.0, -2.0, 1.0]]) / 6
    return F.conv2d(images, kernel[None, None]), smooth(images, 2.0)[..., 1:-1, 1:-1]


def deviation(images: Tensor) -> Tensor:
    """Standard deviation of the noise of each image [N, 1, H, W], at least 3 x 3 px: [N], in the images' own units."""
    return _residual(images)[0].abs().flatten(1).median(1).values * _MAD


def _binned(images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Mean, variance and third central moment of the noise of one channel [N, 1, H, W] in bins of the local mean."""
    residual, mean = (t.flatten() for t in _residual(images))
    order = mean.argsort()
    moments = torch.stack([_moments(r) for r in residual[order].chunk(_BINS)], 1)
    return torch.stack([m.mean() for m in mean[order].chunk(_BINS)]), *moments


def _moments(residual: Tensor) -> Tensor:
    """Variance and third central moment of white noise whose residuals these are; edges are cut off as outliers."""
    near = residual[residual.abs() <= _FAR * _MAD * residual.abs().median()]
    return torch.stack([near.square().mean(), _CUBED * near.pow(3).mean()])


def noise_of(images: Tensor) -> tuple[Tensor, Tensor]:
    """Fit variance = c0 + c1 * mean to the noise of one channel, so that relative errors are least.

    Else bright pixels alone would decide, and what is fitted to dark ones could be wrong many times over.

    Args:
        images: [N, 1, H, W].

    Returns:
        c0 and c1, scalars; c1 is not negative, and the variance is positive over the range of means seen.
    """
    from scipy.optimize import nnls

    means, variances, _ = (t.double().cpu() for t in _binned(images))
    seen = variances >= _CUT_OFF * variances.max()
    means, variances = means[seen], variances[seen]
    above, weights = means - means.min(), 1 / variances.clamp_min(_LEAST)
    (darkest, c1), _ = nnls(torch.stack([weights, weights * above], 1).numpy(), [1.0] * len(means))
    c0 = max(darkest, _LEAST) - c1 * float(means.min())
    return images.new_tensor(c0), images.new_tensor(c1)


def skewness_of(images: Tensor, c1: Tensor) -> Tensor:
    """How lopsided the noise is: its third central moment over c1 times its variance, the median over grey levels.

    0 for Gaussian noise, 1 for photons that are counted, 1.5 after the gain of an EMCCD; a scalar, not negative.
    """
    _, variances, thirds = _binned(images)
    return (thirds / (c1 * variances).clamp_min(1e-12)).median().clamp_min(0)


def spread_of(images: Tensor, c0: Tensor, c1: Tensor) -> Tensor:
    """How much the noise of one image differs from that of another: deviation of the log of its amplitude.

    By the median of deviations: patches that c0 + c1 * mean does not fit are no images of another exposure.
    """
    residual, mean = _residual(images)
    expected = (c0 + c1 * mean).clamp_min(_LEAST).sqrt()
    amplitudes = (residual / expected).abs().flatten(1).median(1).values * _MAD
    logarithms = amplitudes.clamp_min(1e-6).log()
    return (logarithms - logarithms.median()).abs().median() * _MAD

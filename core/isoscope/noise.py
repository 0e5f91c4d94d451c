"""How noisy images are, measured on the images alone: no clean ones are needed."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from isoscope.saliency import smooth

__all__ = ["deviation", "noise_of", "spread_of"]

_BINS = 16
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


def noise_of(images: Tensor) -> tuple[Tensor, Tensor]:
    """Fit variance = c0 + c1 * mean to the noise of one channel.

    Medians within bins of the local mean are blind to the edges that the filter leaves.

    Args:
        images: [N, 1, H, W].

    Returns:
        c0 and c1, scalars; c1 is not negative, and the variance is positive over the range of means seen.
    """
    residual, mean = (t.flatten() for t in _residual(images))
    residual = residual.abs()
    order = mean.argsort()
    variances = torch.stack([(r.median() * _MAD) ** 2 for r in residual[order].chunk(_BINS)])
    means = torch.stack([m.mean() for m in mean[order].chunk(_BINS)])
    centred = means - means.mean()
    c1 = ((centred * variances).sum() / centred.square().sum().clamp_min(1e-12)).clamp_min(0)
    c0 = variances.mean() - c1 * means.mean()
    return torch.maximum(c0, 1e-8 - c1 * means.min()), c1


def spread_of(images: Tensor, c0: Tensor, c1: Tensor) -> Tensor:
    """How much the noise of one image differs from that of another: standard deviation of the log of its amplitude."""
    residual, mean = _residual(images)
    expected = (c0 + c1 * mean).clamp_min(1e-8).sqrt()
    amplitudes = (residual / expected).abs().flatten(1).median(1).values * _MAD
    return amplitudes.clamp_min(1e-6).log().std()

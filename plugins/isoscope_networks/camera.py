"""A backward generator whose form is known: what a camera makes of a clean image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from isoscope.errors import RecipeError
from isoscope.saliency import smooth

if TYPE_CHECKING:
    from isoscope.domain import Domain

__all__ = ["Camera", "camera", "noise_of"]

_BINS = 16
_MAD = 1.4826
"""Standard deviation of a Gaussian over its median absolute deviation."""


def _residual(images: Tensor) -> tuple[Tensor, Tensor]:
    """What a second difference in both directions leaves of [N, 1, H, W], and the local mean, on the same pixels.

    The filter removes smooth content and keeps the variance of white noise (Immerkaer 1996).
    """
    kernel = images.new_tensor([[1.0, -2.0, 1.0], [-2.0, 4.0, -2.0], [1.0, -2.0, 1.0]]) / 6
    return F.conv2d(images, kernel[None, None]), smooth(images, 2.0)[..., 1:-1, 1:-1]


def noise_of(images: Tensor) -> tuple[Tensor, Tensor]:
    """Fit variance = c0 + c1 * mean to the noise of one channel, from the images alone.

    Medians within bins of the local mean are blind to the edges that the filter leaves.

    Args:
        images: [N, 1, H, W], network values.

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


def _spread(images: Tensor, c0: Tensor, c1: Tensor) -> Tensor:
    """How much the noise of one image differs from that of another: standard deviation of the log of its amplitude."""
    residual, mean = _residual(images)
    expected = (c0 + c1 * mean).clamp_min(1e-8).sqrt()
    amplitudes = (residual / expected).abs().flatten(1).median(1).values * _MAD
    return amplitudes.clamp_min(1e-6).log().std()


def _matched(clean: Tensor, noisy: Tensor, sigma: float) -> tuple[Tensor, Tensor]:
    """Gain and offset that carry the grey-value distribution of clean images to that of noisy ones, both smoothed."""
    steps = torch.linspace(0.02, 0.98, 49, device=clean.device)
    x, y = (
        torch.quantile(smooth(t, sigma).flatten()[:: max(1, t.numel() // 1_000_000)], steps) for t in (clean, noisy)
    )
    centred = x - x.mean()
    gain = (centred * y).sum() / centred.square().sum().clamp_min(1e-12)
    return gain, y.mean() - gain * x.mean()


class Camera(nn.Module):
    """F(b, z) = m + s sqrt(c0 + c1 m) z with m = gain * b + offset, per channel and in network values; z is white.

    s is drawn per image, log-normal, because images of one set differ in exposure and scaling.

    In evaluation mode the noise is left out, so that predictions do not depend on a draw or on the tiling.
    """

    stride = 1

    def __init__(self, channels: int, *, learn: bool, sigma: float) -> None:
        super().__init__()
        self.sigma = sigma
        start = {"gain": 1.0, "offset": 0.0, "c0": 0.0025, "c1": 0.0, "spread": 0.0}
        for name, value in start.items():
            self.register_parameter(name, nn.Parameter(torch.full((channels,), value), requires_grad=learn))

    @torch.no_grad()
    def fit(self, clean: Tensor, noisy: Tensor) -> None:
        """Match moments on unpaired patches [N, C, H, W] of the domains it reads and writes."""
        for c in range(clean.shape[1]):
            gain, offset = _matched(clean[:, c : c + 1], noisy[:, c : c + 1], self.sigma)
            c0, c1 = noise_of(noisy[:, c : c + 1])
            spread = _spread(noisy[:, c : c + 1], c0, c1)
            for name, value in (("gain", gain), ("offset", offset), ("c0", c0), ("c1", c1), ("spread", spread)):
                self.get_parameter(name)[c] = value

    def forward(self, b: Tensor) -> Tensor:
        """[N, C, H, W] -> the same shape, network values of the noisy domain."""
        names = ("gain", "offset", "c0", "c1", "spread")
        gain, offset, c0, c1, spread = (self.get_parameter(n)[None, :, None, None] for n in names)
        mean = gain * b.float() + offset
        if not self.training:
            return mean
        amplitude = (c0 + c1 * mean).clamp_min(1e-8).sqrt() * (spread * torch.randn_like(mean[..., :1, :1])).exp()
        return mean + amplitude * torch.randn_like(mean)


def camera(
    inputs: Domain, outputs: Domain, /, *, learn: bool = False, sigma: Annotated[float, Field(gt=0)] = 2.0
) -> Camera:
    """Gain, offset, read and shot noise, estimated from the two unpaired sets before training.

    Args:
        inputs: the clean domain.
        outputs: the noisy domain, of as many channels.
        learn: go on adjusting the estimates during training, by the losses.
        sigma: Gaussian in pixels that hides the noise when grey-value distributions are matched.
    """
    if inputs.channels != outputs.channels:
        got = f"{inputs.channels} -> {outputs.channels}"
        raise RecipeError(f"generator 'camera' keeps the number of channels, got {got}; choose another, such as unet")
    return Camera(inputs.channels, learn=learn, sigma=sigma)

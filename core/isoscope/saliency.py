"""What counts as content: the saliency operators s_X and the soft masks T_X of the c2GAN constraint."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from isoscope.domain import Domain
from isoscope.intensity import HEADROOM, Intensity

__all__ = ["content", "grey_threshold", "hard_mask", "smooth", "soft_mask", "threshold"]

_WINDOW = 7
_EPS = 1e-6


def _optical_density(x: Tensor) -> Tensor:
    """-log of the transmitted fraction, white at the upper limit (Beer-Lambert); floored at 1 % transmission."""
    transmitted = ((x + HEADROOM) / (2 * HEADROOM)).clamp_min(0.01)
    return -transmitted.log().mean(1, keepdim=True)


def _local_std(x: Tensor) -> Tensor:
    pad = _WINDOW // 2
    padded = F.pad(x, (pad, pad, pad, pad), mode="replicate")
    mean = F.avg_pool2d(padded, _WINDOW, 1)
    square = F.avg_pool2d(padded * padded, _WINDOW, 1)
    return (square - mean * mean).clamp_min(_EPS).sqrt().mean(1, keepdim=True)


def _gradient_energy(x: Tensor) -> Tensor:
    padded = F.pad(x, (1, 1, 1, 1), mode="replicate")
    dy = (padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1]) / 2
    dx = (padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2]) / 2
    return (dy * dy + dx * dx + _EPS).sqrt().mean(1, keepdim=True)


def content(x: Tensor, domain: Domain) -> Tensor:
    """s_X: network values [N, C, H, W] -> one differentiable map [N, 1, H, W], in float32.

    Where neighbouring planes are channels too, each has a map of its own: [N, planes, H, W].
    """
    if domain.context:
        return content(domain.by_plane(x), domain.plane).reshape(len(x), domain.planes, *x.shape[2:])
    x = x.float()
    if domain.saliency == "channel":
        return x[:, domain.saliency_channel : domain.saliency_channel + 1]
    if domain.saliency == "optical_density":
        return _optical_density(x)
    if domain.saliency == "local_std":
        return _local_std(x)
    if domain.saliency == "gradient_energy":
        return _gradient_energy(x)
    return x.mean(1, keepdim=True)


def threshold(domain: Domain) -> float:
    """t_X in units of s_X, from the domain's threshold in its own grey values."""
    if domain.saliency == "mean":
        return Intensity(domain.limits).threshold(domain.threshold)
    if domain.saliency == "channel":
        return Intensity((domain.plane.limits[domain.saliency_channel],)).threshold(domain.threshold)
    return domain.threshold


def grey_threshold(value: float, domain: Domain) -> float:
    """The inverse of `threshold`: a value of s_X in the domain's grey values."""
    if domain.saliency == "mean":
        return Intensity(domain.limits).from_threshold(value)
    if domain.saliency == "channel":
        return Intensity((domain.plane.limits[domain.saliency_channel],)).from_threshold(value)
    return value


def soft_mask(x: Tensor, domain: Domain, slope: float) -> Tensor:
    """T_X = sigmoid(p_X k (s_X - t_X)), as `content` in (0, 1): Li et al. 2019 leave T open; this one has gradients."""
    return torch.sigmoid(domain.polarity * slope * (content(x, domain) - threshold(domain)))


def hard_mask(x: Tensor, domain: Domain) -> Tensor:
    """The sign of the same map: content or not, bool, as `content`."""
    return domain.polarity * (content(x, domain) - threshold(domain)) > 0


def smooth(x: Tensor, sigma: float | Tensor, radius: int | None = None, axes: Literal["yx", "y"] = "yx") -> Tensor:
    """Gaussian blur of [N, C, H, W] with replicated borders, in float32 whatever autocast says.

    A blur of bfloat16 numbers would round what it averages; and on some processors torch 2.13 never comes back from one
    of several channels by a long kernel.

    Args:
        x: images.
        sigma: in pixels; a tensor [C] gives each channel its own, and gets gradients.
        radius: at which the kernel is cut, in pixels; none: three sigma.
        axes: along which it is blurred.
    """
    x = x.float()
    if radius is None:
        radius = max(1, round(3 * float(torch.as_tensor(sigma).max())))
    taps = torch.arange(-radius, radius + 1, device=x.device, dtype=x.dtype)
    kernel = torch.exp(-0.5 * (taps / (sigma[:, None] if isinstance(sigma, Tensor) else sigma)) ** 2)
    kernel = (kernel / kernel.sum(-1, keepdim=True)).expand(x.shape[1], -1)[:, None]
    across = radius if axes == "yx" else 0
    x = F.pad(x, (across, across, radius, radius), mode="replicate")
    with torch.autocast(x.device.type, enabled=False):
        x = F.conv2d(x, kernel[..., None], groups=x.shape[1])
        return x if axes == "y" else F.conv2d(x, kernel[..., None, :], groups=x.shape[1])

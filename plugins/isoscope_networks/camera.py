"""A backward generator whose form is known: what a camera makes of a clean image."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from isoscope.errors import RecipeError
from isoscope.intensity import HEADROOM
from isoscope.noise import noise_of, skewness_of, spread_of
from isoscope.quantity import Quantity
from isoscope_networks.moments import ends, matched

if TYPE_CHECKING:
    from isoscope.domain import Domain

__all__ = ["Camera", "camera", "check_channels"]

_LEAST = 1e-6
"""Variances, in squared network values, and amplitudes below which nothing can be told from rounding."""
_START = {
    "log_gain": 1.0,
    "offset": 0.0,
    "log_read": 0.0025,
    "log_shot": _LEAST,
    "log_spread": 1e-3,
    "log_skewness": 1.0,
}
_EVEN, _LOPSIDED = 0.02, 2.5
"""Least skewness, a formula's need; and largest, beyond which most pixels see no photon."""


def _lopsided(white: Tensor, skewness: Tensor) -> Tensor:
    """Unit noise with a gamma distribution's skewness out of Gaussian noise; sums of few photons look like it.

    The cube of Wilson and Hilferty (1931), right within 0.5 % of a deviation in mean and spread.
    """
    root = 2 / (skewness.clamp_max(_LOPSIDED) + _EVEN)  # of the gamma distribution's shape
    return root * ((1 - 1 / (9 * root**2) + white / (3 * root)) ** 3 - 1)


class Camera(nn.Module):
    """F(b, z) = m + s sqrt(read + shot (m - darkest)) z with m = gain * b + offset, per channel; z is white.

    Where few photons come z is lopsided: its third moment is `skewness` times that of counted photons. s is drawn per
    image, log-normal, because images of one set differ in exposure and scaling. Nothing leaves the range in which the
    noisy images lie: cameras saturate, files are cut. Gain, variances and spread are kept as logarithms: whatever
    learning does to them they stay positive, and a step moves each by a part of itself. All are in network values;
    `describe` gives grey values.

    In evaluation mode the noise is left out unless z is given, so that predictions do not depend on a draw or on the
    tiling.
    """

    stride = 1

    def __init__(
        self, inputs: Domain, outputs: Domain, *, learn: bool, sigma: float,
        gain: float | None = None, offset: float | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.inputs, self.outputs, self.sigma = inputs, outputs, sigma
        self.declared = gain, offset
        self.pixel_noise = self.image_noise = outputs.channels
        for name, value in _START.items():
            start = math.log(value) if name.startswith("log_") else value
            parameter = nn.Parameter(torch.full((inputs.channels,), start), requires_grad=learn)
            self.register_parameter(name, parameter)
        for name, value in (("lowest", -math.inf), ("highest", math.inf)):
            self.register_buffer(name, torch.full((inputs.channels,), value))

    @torch.no_grad()
    def fit(self, clean: Tensor, noisy: Tensor) -> None:
        """Match moments on unpaired patches [N, C, H, W] of the domains it reads and writes."""
        for c in range(clean.shape[1]):
            b, a = clean[:, c : c + 1], noisy[:, c : c + 1]
            gain, offset = self._scaling(c, b, a)
            c0, c1 = noise_of(a)
            spread = spread_of(a, c0, c1)
            found = {
                "log_gain": gain,
                "log_read": c0 - HEADROOM * c1,
                "log_shot": c1,
                "log_spread": spread,
                "log_skewness": skewness_of(a, c1),
            }
            for name, value in found.items():
                self.get_parameter(name)[c] = value.clamp_min(_LEAST).log()
            self.get_parameter("offset")[c] = offset
            for name, value in (("lowest", a.amin()), ("highest", a.amax())):
                self.get_buffer(name)[c] = value

    def _scaling(self, c: int, clean: Tensor, noisy: Tensor) -> tuple[Tensor, float]:
        """Gain and offset of channel c, in network values."""
        (low_b, span_b), (low_a, span_a) = ((float(low[c]), float(span[c])) for low, span in self._scales())
        grey_b, grey_a = low_b + span_b * (clean + HEADROOM), low_a + span_a * (noisy + HEADROOM)
        gain, offset = matched(ends(grey_b, self.sigma), ends(grey_a, self.sigma), *self.declared)
        slope = gain * span_b / span_a
        return clean.new_tensor(slope), (offset + gain * low_b - low_a) / span_a + HEADROOM * (slope - 1)

    def _scales(self) -> tuple[tuple[Tensor, Tensor], ...]:
        return _scale(self.inputs), _scale(self.outputs)

    def _values(self) -> tuple[Tensor, ...]:
        """Gain, offset, variance of the darkest pixels, variance per value above them, spread, skewness: [C] each."""
        return tuple(
            self.get_parameter(name).exp() if name.startswith("log_") else self.get_parameter(name) for name in _START
        )

    def forward(self, b: Tensor, z: Tensor | None = None) -> Tensor:
        """[N, C, H, W] -> the same shape, network values of the noisy domain.

        Args:
            b: clean images.
            z: unit Gaussian noise [N, 2 C, H, W]: white, then one number per image all over it.
        """
        gain, offset, read, shot, spread, skewness = (v[None, :, None, None] for v in self._values())
        mean = gain * b.float() + offset
        if z is None and not self.training:
            return mean
        white, level = self._drawn(mean) if z is None else z.float().chunk(2, 1)
        # below the darkest pixels that were seen there is no light left to make shot noise
        deviation, exposure = (read + shot * (mean + HEADROOM).clamp_min(0)).sqrt(), (spread * level).exp()
        # noisier by e is e squared fewer photons for a grey value
        unit = _lopsided(white, skewness * shot * exposure / deviation)
        seen = mean + deviation * exposure * unit
        return torch.minimum(torch.maximum(seen, self._limit("lowest")), self._limit("highest"))

    def _limit(self, name: str) -> Tensor:
        return self.get_buffer(name)[None, :, None, None]

    def _drawn(self, mean: Tensor) -> tuple[Tensor, Tensor]:
        return torch.randn_like(mean), torch.randn_like(mean[..., :1, :1])

    def describe(self) -> dict[str, Quantity]:
        """Its parameters in grey values of the noisy domain.

        `offset` is what it makes of a clean pixel of grey value 0; `read_noise` the standard deviation at the lower
        limit of the noisy domain, where it is darkest.
        """
        gain, offset, read, shot, spread, skewness = (v.detach().double().cpu() for v in self._values())
        (low_b, span_b), (low_a, span_a) = self._scales()
        slope = gain * span_a / span_b
        dark = low_a + (offset + HEADROOM - gain * HEADROOM) * span_a - slope * low_b
        return {
            "gain": Quantity(tuple(slope.tolist()), "grey values per grey value"),
            "offset": Quantity(tuple(dark.tolist()), "grey values"),
            "read_noise": Quantity(tuple((read.sqrt() * span_a).tolist()), "grey values"),
            "shot_noise": Quantity(tuple((shot * span_a).tolist()), "variance per grey value"),
            "spread": Quantity(tuple((100 * spread).tolist()), "% between images"),
            "skewness": Quantity(tuple(skewness.tolist()), "times that of counted photons"),
        }


def _scale(domain: Domain) -> tuple[Tensor, Tensor]:
    """The lowest grey value of each channel, and grey values per network value."""
    low, high = torch.tensor(domain.limits, dtype=torch.float64).T
    return low, (high - low) / (2 * HEADROOM)


def check_channels(name: str, inputs: Domain, outputs: Domain) -> None:
    """Refuse domains of unequal channels."""
    if inputs.channels != outputs.channels:
        got = f"{inputs.channels} -> {outputs.channels}"
        raise RecipeError(f"generator {name!r} keeps the number of channels, got {got}; choose another, such as unet")


def camera(
    inputs: Domain,
    outputs: Domain,
    /,
    *,
    learn: bool = False,
    sigma: Annotated[float, Field(gt=0)] = 2.0,
    gain: Annotated[float | None, Field(gt=0)] = None,
    offset: float | None = None,
) -> Camera:
    """Gain, offset, read and shot noise, estimated from the two unpaired sets before training.

    Args:
        inputs: the clean domain.
        outputs: the noisy domain, of as many channels.
        learn: go on adjusting the estimates during training, by the losses.
        sigma: Gaussian in pixels that hides the noise when grey-value distributions are matched.
        gain: noisy grey values per clean one, where it is known; 1 if both sets were taken and saved alike.
        offset: noisy grey value of a clean one of 0, where it is known; 0 if both sets were taken and saved alike.
    """
    check_channels("camera", inputs, outputs)
    return Camera(inputs, outputs, learn=learn, sigma=sigma, gain=gain, offset=offset)

"""A backward generator whose form is known: what optics and a camera make of a sharp image."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from isoscope.errors import RecipeError
from isoscope.quantity import Quantity
from isoscope.saliency import smooth
from isoscope.spectra import blur_between
from isoscope_networks.camera import Camera, check_channels

if TYPE_CHECKING:
    from isoscope.domain import Domain

__all__ = ["PSF", "psf"]

_LEAST = 0.05
"""Sigma in pixels below which a sampled Gaussian is a single pixel."""


class PSF(nn.Module):
    """F(b, z): a Gaussian point spread function per channel, then the camera.

    The kernel is cut at three times the largest sigma allowed, whatever sigma is: the halo of tiles, measured on the
    network, then stays enough.
    """

    stride = 1

    def __init__(
        self, inputs: Domain, outputs: Domain, *, sigma: float | None, largest: float, learn: bool, smoothing: float,
        gain: float | None = None, offset: float | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.declared, self.largest, self.domain = sigma, largest, outputs
        self.camera = Camera(inputs, outputs, learn=learn, sigma=smoothing, gain=gain, offset=offset)
        self.pixel_noise, self.image_noise = self.camera.pixel_noise, self.camera.image_noise
        start = torch.full((inputs.channels,), math.log(sigma or 1.0))
        self.log_sigma = nn.Parameter(start, requires_grad=learn)

    @torch.no_grad()
    def fit(self, clean: Tensor, observed: Tensor) -> None:
        """Match radial power spectra for sigma, then the camera's moments through that blur.

        Args:
            clean: sharp patches [N, C, H, W].
            observed: blurred and noisy patches of other places.
        """
        if self.declared is None:
            for c in range(clean.shape[1]):
                found = blur_between(clean[:, c].cpu().numpy(), observed[:, c].cpu().numpy(), self.largest)
                self.log_sigma[c] = math.log(max(found, _LEAST))
        self.camera.fit(self._blurred(clean), observed)

    @property
    def sigma(self) -> Tensor:
        """Of each channel, in pixels, [C]."""
        return self.log_sigma.exp().clamp(_LEAST, self.largest)

    def _blurred(self, b: Tensor) -> Tensor:
        return smooth(b.float(), self.sigma, math.ceil(3 * self.largest))

    def forward(self, b: Tensor, z: Tensor | None = None) -> Tensor:
        """[N, C, H, W] -> the same shape, network values of the observed domain; `z` is the camera's noise."""
        return self.camera(self._blurred(b), z)  # type: ignore[no-any-return]

    def describe(self) -> dict[str, Quantity]:
        """Sigma in pixels and, where the pixel size is known, in its unit; then the camera's parameters."""
        sigma = [float(s) for s in self.sigma.detach()]
        found = {"sigma": Quantity(tuple(sigma), "pixels")}
        if self.domain.pixel_size is not None:
            side = self.domain.pixel_size[-1]
            found["sigma_physical"] = Quantity(tuple(s * side for s in sigma), f"{self.domain.unit}s")
        return found | self.camera.describe()


def psf(
    inputs: Domain,
    outputs: Domain,
    /,
    *,
    sigma: Annotated[float | None, Field(gt=0)] = None,
    largest: Annotated[float, Field(gt=0, le=20)] = 6.0,
    learn: bool = False,
    smoothing: Annotated[float, Field(gt=0)] = 2.0,
    gain: Annotated[float | None, Field(gt=0)] = None,
    offset: float | None = None,
) -> PSF:
    """Blur, then gain, offset, read and shot noise, estimated from the two unpaired sets before training.

    Args:
        inputs: the sharp domain.
        outputs: the blurred domain, of as many channels, on the same pixel grid.
        sigma: of the Gaussian point spread function in pixels; none: estimated from radial power spectra.
        largest: sigma that is looked for and allowed, in pixels.
        learn: go on adjusting the estimates during training, by the losses.
        smoothing: Gaussian in pixels that hides the noise when grey-value distributions are matched.
        gain: as of `camera`.
        offset: as of `camera`.
    """
    check_channels("psf", inputs, outputs)
    if sigma is not None and not _LEAST <= sigma <= largest:
        raise RecipeError(
            f"generator 'psf' got sigma {sigma:g}; expected {_LEAST:g} to largest={largest:g}; change one"
        )
    return PSF(
        inputs, outputs, sigma=sigma, largest=largest, learn=learn, smoothing=smoothing, gain=gain, offset=offset
    )

"""A backward generator whose form is known: what optics and a camera make of a sharp image."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Any, Literal

import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn

from isoscope.errors import RecipeError
from isoscope.quantity import Quantity
from isoscope.saliency import smooth
from isoscope.spectra import blur_along, blur_between
from isoscope_networks.camera import Camera, check_channels
from isoscope_networks.recording import Recording, as_many

if TYPE_CHECKING:
    from isoscope.domain import Domain

__all__ = ["PSF", "psf"]

_Step = Annotated[float, Field(ge=1, le=16)]
_LEAST = 0.05
"""Sigma in pixels below which a sampled Gaussian is a single pixel."""


class PSF(nn.Module):
    """F(b, z): a Gaussian point spread function per channel, then the camera, on pixels that may be larger.

    The kernel is cut at three times the largest sigma allowed, whatever sigma is: the halo of tiles, measured on the
    network, then stays enough.
    """

    stride = 1

    def __init__(
        self, inputs: Domain, outputs: Domain, *, sigma: float | None, largest: float, learn: bool, smoothing: float,
        gain: float | None = None, offset: float | None = None, step: tuple[float, float] = (1.0, 1.0),
    ) -> None:  # fmt: skip
        super().__init__()
        self.declared, self.largest, self.domain = sigma, largest, outputs
        self.recording = Recording({-2: step[0], -1: step[1]})
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
                found = self._between(clean[:, c].cpu().numpy(), observed[:, c].cpu().numpy())
                self.log_sigma[c] = math.log(max(found, _LEAST))
        self.camera.fit(self.recording.thinned(self._blurred(clean)), self.recording.thinned(observed))
        for name in ("log_read", "log_shot"):  # as it is before interpolation
            self.camera.get_parameter(name).sub_(math.log(self.recording.kept()))

    def _between(self, clean: NDArray[Any], observed: NDArray[Any]) -> float:
        """Sigma of one channel, in pixels."""
        if not self.recording:
            return blur_between(clean, observed, self.largest)
        axes: tuple[Literal[-2, -1], ...] = (-2, -1)
        steps = [self.recording.steps.get(axis, 1.0) for axis in axes]
        return sum(blur_along(clean, observed, a, s, self.largest) for a, s in zip(axes, steps, strict=True)) / 2

    @property
    def sigma(self) -> Tensor:
        """Of each channel, in pixels, [C]."""
        return self.log_sigma.exp().clamp(_LEAST, self.largest)

    def _blurred(self, b: Tensor) -> Tensor:
        return smooth(b.float(), self.sigma, math.ceil(3 * self.largest))

    def forward(self, b: Tensor, z: Tensor | None = None) -> Tensor:
        """[N, C, H, W] -> the same shape, network values of the observed domain; `z` is the camera's noise.

        Without noise nothing is recorded on larger pixels, only blurred: where those of a tile would lie is not known.
        """
        blurred = self._blurred(b)
        if not self.recording or (z is None and not self.training):
            return self.camera(blurred, z)  # type: ignore[no-any-return]
        phases = self.recording.phases(drawn=z is None)
        coarse = self.recording.record(blurred, phases)
        seen = self.camera(coarse, None if z is None else as_many(z, coarse))
        return self.recording.back(seen, tuple(b.shape), phases)

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
    step: tuple[_Step, _Step] = (1.0, 1.0),
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
        step: pixels of this grid for one that was recorded, along y and x, where reading interpolated them.
    """
    check_channels("psf", inputs, outputs)
    if sigma is not None and not _LEAST <= sigma <= largest:
        raise RecipeError(
            f"generator 'psf' got sigma {sigma:g}; expected {_LEAST:g} to largest={largest:g}; change one"
        )
    return PSF(
        inputs,
        outputs,
        sigma=sigma,
        largest=largest,
        learn=learn,
        smoothing=smoothing,
        gain=gain,
        offset=offset,
        step=step,
    )

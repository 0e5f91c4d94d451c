"""A backward generator whose form is known: what a planar image looks like when it is seen along the optical axis."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from isoscope.intensity import HEADROOM
from isoscope.noise import noise_of
from isoscope.quantity import Quantity
from isoscope.saliency import smooth
from isoscope.spectra import blur_along
from isoscope_networks.camera import Camera, check_channels
from isoscope_networks.recording import Recording, as_many

if TYPE_CHECKING:
    from isoscope.domain import Domain

__all__ = ["Axial", "axial"]

_LEAST = 0.05
_VARIANCE = 1e-6
"""Sigma in pixels, and variance in squared network values, below which nothing can be told."""


class Axial(nn.Module):
    """F(b, z): blur along the rows' axis, planes recorded every `step` rows with a camera's noise, interpolated.

    The camera's gain is 1: both domains are one volume. Where planes lie between the rows is drawn per batch, as
    patches of the real volume begin anywhere. Without noise (in prediction) nothing is recorded and interpolated, only
    blurred: where the planes of a tile would lie is not known.
    """

    stride = 1

    def __init__(
        self, inputs: Domain, outputs: Domain, *, step: float, sigma: float | None, largest: float, noise: bool
    ) -> None:
        super().__init__()
        self.step, self.declared, self.largest, self.domain = step, sigma, largest, outputs
        self.noise, self.recording = noise, Recording({-2: step})
        self.camera = Camera(inputs, outputs, learn=False, sigma=2.0, gain=1.0, offset=0.0)
        self.pixel_noise, self.image_noise = self.camera.pixel_noise, self.camera.image_noise
        self.register_buffer("sigmas", torch.full((inputs.channels,), sigma or 1.0))

    @torch.no_grad()
    def fit(self, clean: Tensor, observed: Tensor) -> None:
        """Sigma from spectra along the axis, then the noise that blurred planes lack.

        Args:
            clean: XY patches [N, C, H, W].
            observed: XZ and YZ patches of the interpolated volume.
        """
        if self.declared is None:
            for c in range(clean.shape[1]):
                b, a = (x[:, c].cpu().numpy() for x in (clean, observed))
                found = blur_along(b, a, -2, self.step, self.largest)
                self.get_buffer("sigmas")[c] = max(found, _LEAST)
        blurred, seen = self.recording.thinned(self._blurred(clean)), self.recording.thinned(observed)
        self.camera.fit(blurred, seen)
        self._correct(blurred)

    def _correct(self, blurred: Tensor) -> None:
        """The camera's noise as it is before interpolation, less what blurring left of the noise of sharp planes.

        One volume has one exposure, and how lopsided its noise is does not outlive interpolation: counted photons are
        taken.
        """
        self.camera.get_parameter("log_spread").fill_(math.log(_VARIANCE))
        self.camera.get_parameter("log_skewness").zero_()
        kept = self.recording.kept()
        for c in range(blurred.shape[1]):
            c0, c1 = noise_of(blurred[:, c : c + 1])
            for name, there in (("log_read", c0 - HEADROOM * c1), ("log_shot", c1)):
                value = self.camera.get_parameter(name)
                value[c] = (value[c].exp() / kept - there).clamp_min(_VARIANCE).log()

    def _blurred(self, b: Tensor) -> Tensor:
        sigma, radius = self.get_buffer("sigmas"), math.ceil(3 * self.largest)
        return smooth(b.float(), sigma, radius, axes="y")

    def forward(self, b: Tensor, z: Tensor | None = None) -> Tensor:
        """[N, C, H, W] -> the same shape, network values of the domain seen from the side.

        Args:
            b: XY planes.
            z: the camera's noise on the rows, of which as many are used as planes are recorded.
        """
        blurred = self._blurred(b)
        if z is None and not self.training:
            return blurred
        phases = self.recording.phases(drawn=z is None)
        planes = self.recording.record(blurred, phases)
        if self.noise:
            planes = self.camera(planes, None if z is None else as_many(z, planes))
        return self.recording.back(planes, tuple(b.shape), phases)

    def describe(self) -> dict[str, Quantity]:
        """Sigma in pixels and, where the pixel size is known, in its unit; then the camera's parameters."""
        sigma = [float(s) for s in self.get_buffer("sigmas")]
        found = {"sigma": Quantity(tuple(sigma), "pixels along z"), "step": Quantity((self.step,), "pixels along z")}
        if self.domain.pixel_size is not None:
            side = self.domain.pixel_size[-2]
            found["sigma_physical"] = Quantity(tuple(s * side for s in sigma), f"{self.domain.unit}s along z")
        return found | (self.camera.describe() if self.noise else {})


def axial(
    inputs: Domain,
    outputs: Domain,
    /,
    *,
    step: Annotated[float, Field(ge=1, le=64)] = 1.0,
    sigma: Annotated[float | None, Field(gt=0)] = None,
    largest: Annotated[float, Field(gt=0, le=20)] = 8.0,
    noise: bool = True,
) -> Axial:
    """Blur along one axis, then planes that lie apart, interpolated: what XY planes look like from the side.

    Args:
        inputs: XY planes, as sharp as the optics are across the axis.
        outputs: XZ and YZ planes of the same sort of volume, interpolated to the same pixel size.
        step: pixels between two planes, before interpolation.
        sigma: of the Gaussian along the axis beyond that across it, in pixels; none: estimated from spectra.
        largest: sigma that is looked for, in pixels.
        noise: add the noise that blurring took away.
    """
    check_channels("axial", inputs, outputs)
    return Axial(inputs, outputs, step=step, sigma=sigma, largest=largest, noise=noise)

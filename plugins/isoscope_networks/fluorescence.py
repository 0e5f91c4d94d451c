"""A backward generator whose form is known: what a fluorescence microscope makes of a mask."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from isoscope.errors import RecipeError
from isoscope.intensity import HEADROOM, Intensity
from isoscope.quantity import Quantity
from isoscope.saliency import smooth, threshold
from isoscope.spectra import blur_between
from isoscope_networks.camera import Camera

if TYPE_CHECKING:
    from isoscope.domain import Domain

__all__ = ["Fluorescence", "fluorescence"]

_FINE, _COARSE = 1.0, 4.0
"""Sigmas in pixels between which texture lies: finer is noise, coarser is the brightness of objects."""
_SHARP, _LARGEST = 0.05, 4.0
"""Sigmas in pixels that a blur can have."""
_ROUNDS = 3
_MAD = 1.4826
_LEAST = 1e-3


def _field(white: Tensor, sigma: float) -> Tensor:
    """White noise blurred to spots of a size, at unit deviation."""
    return smooth(white, sigma) * (2 * sigma * math.sqrt(math.pi))


def _spread(values: Tensor) -> Tensor:
    """Standard deviation that a few outliers do not move."""
    return (values - values.median()).abs().median() * _MAD


class Fluorescence(nn.Module):
    """F(b, z) = camera(background + blur(light)): objects of their own brightness, with texture, and soft edges.

    light = (1 - exp(-depth / edge)) exp(brightness + spread z1 + texture z2): z1 is as coarse as objects, z2 finer,
    both white noise, blurred. In evaluation mode without z every object has the median brightness and no texture. All
    are in network values; `describe` gives grey values.
    """

    stride = 1
    pixel_noise, image_noise = 3, 1

    def __init__(self, inputs: Domain, outputs: Domain, *, sigma: float | None, edge: float, size: float) -> None:
        super().__init__()
        self.depth, self.outputs = Intensity(inputs.limits), outputs
        self.declared, self.edge, self.size = sigma, edge, size
        self.camera = Camera(outputs, outputs, learn=False, sigma=_COARSE)
        start = {"sigma": sigma or 1.0, "background": -HEADROOM, "brightness": 0.0, "spread": 0.1, "texture": 0.1}
        for name, value in start.items():
            self.register_buffer(name, torch.tensor(value))

    @torch.no_grad()
    def fit(self, masks: Tensor, observed: Tensor) -> None:
        """Measure background, brightness, texture, blur and noise on unpaired patches.

        Args:
            masks: patches [N, 1, H, W] of depth.
            observed: patches [M, 1, H, W] of images of other places.
        """
        seen, cut = smooth(observed, _FINE), threshold(self.outputs)
        if bool((seen <= cut).any()) and bool((seen > cut).any()):
            background = seen[seen <= cut].median()
            light = self._measured(observed, background)
            self._keep(background=background, **light)
        self._match_blur(masks, observed)
        if bool((seen > cut).any()):
            self._match_brightness(masks, self.get_buffer("brightness").clone())
        # the light is on the images' own scale already: what is left to measure is their noise and range
        self.camera.fit(observed, observed)

    def _measured(self, images: Tensor, background: Tensor) -> dict[str, Tensor]:
        """Median logarithm of the light of content, how much it varies within objects, and how much between them."""
        bright = smooth(images, _FINE) > threshold(self.outputs)
        fine, coarse = ((smooth(images, s) - background).clamp_min(_LEAST).log()[bright] for s in (_FINE, _COARSE))
        grain = _spread(fine - coarse)
        rest = (_spread(fine).square() - grain.square()).clamp_min(0).sqrt()
        return {"brightness": fine.median(), "texture": grain, "spread": rest}

    def _match_blur(self, masks: Tensor, observed: Tensor) -> None:
        if self.declared is None:
            sharp = self._light(masks, torch.randn_like(masks), torch.randn_like(masks))
            found = blur_between(sharp[:, 0].cpu().numpy(), observed[:, 0].cpu().numpy(), _LARGEST)
            self._keep(sigma=torch.tensor(max(found, _SHARP)))

    def _match_brightness(self, masks: Tensor, wanted: Tensor) -> None:
        """Let what it makes have the images' median, which soft edges lower: by measuring that in the same way."""
        for _ in range(_ROUNDS):
            background = self.get_buffer("background")
            made = background + self._blurred(self._light(masks, torch.randn_like(masks), torch.randn_like(masks)))
            if not bool((smooth(made, _FINE) > threshold(self.outputs)).any()):
                return
            short = wanted - self._measured(made, background)["brightness"]
            self._keep(brightness=self.get_buffer("brightness") + short.clamp(-1, 1))

    def _blurred(self, light: Tensor) -> Tensor:
        return smooth(light, self.get_buffer("sigma")[None], math.ceil(3 * _LARGEST))

    def _keep(self, **found: Tensor) -> None:
        for name, value in found.items():
            self.get_buffer(name).copy_(value)

    def _light(self, b: Tensor, coarse: Tensor | None, fine: Tensor | None) -> Tensor:
        """What the objects emit, [N, 1, H, W], above the background."""
        rising = 1 - (-self.depth.grey_values(b.float()).clamp_min(0) / self.edge).exp()
        logarithm = self.get_buffer("brightness").expand_as(rising)
        for name, white, size in (("spread", coarse, self.size), ("texture", fine, _FINE)):
            if white is not None:
                logarithm = logarithm + self.get_buffer(name) * _field(white, size)
        return rising * logarithm.exp()

    def forward(self, b: Tensor, z: Tensor | None = None) -> Tensor:
        """[N, 1, H, W] -> the same shape, network values of the images.

        Args:
            b: depth maps.
            z: unit Gaussian noise [N, 4, H, W]: for brightness, texture and camera, then one number all over an image.
        """
        if z is None and self.training:
            z = torch.cat([*(torch.randn_like(b) for _ in range(3)), self._level(b)], 1)
        coarse, fine, white, level = (None,) * 4 if z is None else torch.chunk(z.float(), 4, 1)
        blurred = self._blurred(self._light(b, coarse, fine))
        noise = None if white is None or level is None else torch.cat([white, level], 1)
        seen: Tensor = self.camera(self.get_buffer("background") + blurred, noise)
        return seen

    def _level(self, b: Tensor) -> Tensor:
        """One number per image, all over it."""
        return torch.randn_like(b[..., :1, :1]).expand_as(b)

    def describe(self) -> dict[str, Quantity]:
        """Blur in pixels, background and brightness in grey values, how much brightness varies; the camera's noise."""
        low, high = self.outputs.limits[0]
        span = (high - low) / (2 * HEADROOM)
        background, brightness = float(self.get_buffer("background")), float(self.get_buffer("brightness"))
        measured = {
            "sigma": Quantity((float(self.get_buffer("sigma")),), "pixels"),
            "background": Quantity((low + (background + HEADROOM) * span,), "grey values"),
            "brightness": Quantity((math.exp(brightness) * span,), "grey values above background"),
            "brightness_spread": Quantity((100 * float(self.get_buffer("spread")),), "% between objects"),
            "texture": Quantity((100 * float(self.get_buffer("texture")),), "% within objects"),
        }
        noise = self.camera.describe()
        return measured | {name: noise[name] for name in ("read_noise", "shot_noise", "spread", "skewness")}


def fluorescence(
    inputs: Domain,
    outputs: Domain,
    /,
    *,
    sigma: Annotated[float | None, Field(ge=_SHARP, le=_LARGEST)] = None,
    edge: Annotated[float, Field(gt=0)] = 1.0,
    size: Annotated[float, Field(gt=0, le=50)] = 8.0,
) -> Fluorescence:
    """Bright objects from their depth map: brightness, texture, blur and camera, measured before training.

    Args:
        inputs: depth maps, one channel, in pixels.
        outputs: images of bright objects, one channel, on the same pixel grid.
        sigma: of the blur in pixels; none: by the radial power spectra of the two unpaired sets.
        edge: depth in pixels at which objects have 63 % of their brightness.
        size: sigma in pixels of the spots in which brightness varies: about a radius of the objects.
    """
    if (inputs.channels, outputs.channels) != (1, 1):
        got = f"{inputs.channels} -> {outputs.channels}"
        raise RecipeError(f"generator 'fluorescence' maps 1 channel to 1, got {got}; choose another, such as unet")
    return Fluorescence(inputs, outputs, sigma=sigma, edge=edge, size=size)

"""A forward generator that keeps what is known: a colour laid over the grey image that it reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, cast

import torch
from torch import Tensor, nn

from isoscope import kinds
from isoscope.errors import RecipeError
from isoscope.frames import REC601
from isoscope.intensity import HEADROOM, Intensity
from isoscope.parameters import Component, Kind, build

if TYPE_CHECKING:
    from isoscope.domain import Domain

__all__ = ["Tint", "tint"]

_LEVELS = 256
_SMOOTH = 4.0
"""Sigma of a Gaussian over levels: a few patches say little of rare ones."""
_LEAST = 1.0
"""Pixels that every level is taken to have seen in its own grey, where nothing else is known."""


class Tint(nn.Module):
    """G(a) = table(a) + correction(a), moved along grey so that its luminance is a.

    The table is the mean colour of each grey level in B; the inner network learns what differs from it. With the
    luminance given, no content can move, and no more than two of three channels are left to err in.
    """

    image_noise = 0

    def __init__(self, inputs: Domain, outputs: Domain, inner: nn.Module, weights: tuple[float, float, float]) -> None:
        super().__init__()
        self.inner = inner
        self.stride, self.pixel_noise = int(cast("Any", inner).stride), int(getattr(inner, "pixel_noise", 0))
        self.grey, self.colour = Intensity(inputs.limits), Intensity(outputs.limits)
        lows, highs = zip(*outputs.limits, strict=True)
        self.low, self.high = min(lows), max(highs)
        self.register_buffer("weights", torch.tensor(weights))
        levels = torch.linspace(self.low, self.high, _LEVELS)
        self.register_buffer("table", levels.repeat(3, 1))

    @torch.no_grad()
    def fit(self, _greys: Tensor, colours: Tensor) -> None:
        """Take the table from patches [N, 3, H, W] of the colour domain; the grey ones say nothing of it."""
        rgb = self.colour.grey_values(colours.float()).movedim(1, 0).flatten(1)
        at = self._level(self.get_buffer("weights") @ rgb).round().long()
        own = torch.linspace(self.low, self.high, _LEVELS, device=rgb.device)
        tint = torch.zeros(3, _LEVELS, device=rgb.device).index_add(1, at, rgb - own[at])
        seen = torch.bincount(at, minlength=_LEVELS).float()
        kernel = _gaussian(_SMOOTH).to(rgb.device)
        sums = nn.functional.conv1d(torch.cat([tint, seen[None]])[:, None], kernel[None, None], padding="same")[:, 0]
        self.get_buffer("table").copy_(own + sums[:3] / (sums[3] + _LEAST))

    def _level(self, grey: Tensor) -> Tensor:
        """Grey values as places in the table."""
        place: Tensor = (grey - self.low) / (self.high - self.low) * (_LEVELS - 1)
        return place.clamp(0, _LEVELS - 1)

    def _looked_up(self, grey: Tensor) -> Tensor:
        """[N, 1, H, W] -> the mean colours [N, 3, H, W], linear between levels."""
        place = self._level(grey)[:, 0]
        # NaN has no place, but has to come out as NaN: the halo is measured with it
        below = place.detach().nan_to_num().long().clamp_max(_LEVELS - 2)
        table = self.get_buffer("table")
        first, second = table[:, below], table[:, below + 1]
        return (first + (second - first) * (place - below)).movedim(0, 1)

    def forward(self, x: Tensor, z: Tensor | None = None) -> Tensor:
        """[N, 1, H, W] -> [N, 3, H, W], both normalised."""
        correction = self.inner(x) if z is None else self.inner(x, z)
        grey = self.grey.grey_values(x.float())
        span = (self.high - self.low) / (2 * HEADROOM)
        colour = self._looked_up(grey) + span * correction.float()
        luminance = (colour * self.get_buffer("weights")[:, None, None]).sum(1, keepdim=True)
        return self.colour.normalise(colour + grey - luminance)

    def features(self, x: Tensor) -> list[Tensor]:
        """Feature maps of the inner network."""
        return cast("Any", self.inner).features(x)  # type: ignore[no-any-return]


def _gaussian(sigma: float) -> Tensor:
    reach = int(3 * sigma)
    kernel = torch.exp(-0.5 * (torch.arange(-reach, reach + 1) / sigma) ** 2)
    return kernel / kernel.sum()


def tint(
    inputs: Domain,
    outputs: Domain,
    /,
    *,
    inner: Annotated[Component, Kind("generators")] = Component(name="unet"),
    weights: tuple[float, float, float] = REC601,
) -> Tint:
    """Grey to colour of exactly the luminance that was read: a look-up table of B, and a network that corrects it.

    Args:
        inputs: a grey domain (1 channel) on the target's grey-value scale.
        outputs: a colour domain (3 channels).
        inner: the network; it reads the grey image and writes the correction.
        weights: of red, green and blue in the luminance (Rec. 601 by default).
    """
    if (inputs.channels, outputs.channels) != (1, 3):
        got = f"{inputs.channels} -> {outputs.channels}"
        raise RecipeError(f"generator 'tint' maps 1 channel to 3, got {got}; choose another, such as unet")
    return Tint(inputs, outputs, build(kinds.generators, inner, inputs, outputs), weights)

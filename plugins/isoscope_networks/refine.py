"""A forward generator that begins with what it reads: the input's grey values, corrected."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, cast

from torch import Tensor, nn

from isoscope import kinds
from isoscope.errors import RecipeError
from isoscope.intensity import Intensity
from isoscope.parameters import Component, Kind, build

if TYPE_CHECKING:
    from isoscope.domain import Domain

__all__ = ["Refine", "refine"]


class Refine(nn.Module):
    """G(a) = a in grey values + correction(a): only what differs is learned, and content starts in its place."""

    image_noise = 0

    def __init__(self, inputs: Domain, outputs: Domain, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner
        self.stride, self.pixel_noise = int(cast("Any", inner).stride), int(getattr(inner, "pixel_noise", 0))
        self.read, self.write = Intensity(inputs.limits), Intensity(outputs.limits)

    def forward(self, x: Tensor, z: Tensor | None = None) -> Tensor:
        """[N, C, H, W] -> [N, C, H, W], both normalised, each by its own limits."""
        correction = self.inner(x) if z is None else self.inner(x, z)
        same = self.write.normalise(self.read.grey_values(x.float()))
        return same + correction.float()  # type: ignore[no-any-return]

    def features(self, x: Tensor) -> list[Tensor]:
        """Feature maps of the inner network."""
        return cast("Any", self.inner).features(x)  # type: ignore[no-any-return]


def refine(
    inputs: Domain,
    outputs: Domain,
    /,
    *,
    inner: Annotated[Component, Kind("generators")] = Component(name="unet"),
) -> Refine:
    """The input's own grey values, corrected by a network: for domains that measure the same.

    Args:
        inputs: the domain it reads.
        outputs: the domain it writes, of as many channels.
        inner: the network that learns the correction.
    """
    if inputs.channels != outputs.channels:
        got = f"{inputs.channels} -> {outputs.channels}"
        raise RecipeError(f"generator 'refine' keeps the number of channels, got {got}; choose another, such as unet")
    return Refine(inputs, outputs, build(kinds.generators, inner, inputs, outputs))

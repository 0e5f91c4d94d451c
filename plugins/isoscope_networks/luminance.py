"""A backward generator whose physics is known: colour to grey."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from isoscope.errors import RecipeError
from isoscope.intensity import Intensity

if TYPE_CHECKING:
    from isoscope.domain import Domain

__all__ = ["Luminance", "luminance"]


class Luminance(nn.Module):
    """The weighted sum of red, green and blue in grey values, expressed on the other domain's normalised scale."""

    stride = 1
    weights: Tensor

    def __init__(self, inputs: Domain, outputs: Domain, weights: tuple[float, float, float]) -> None:
        super().__init__()
        self.register_buffer("weights", torch.tensor(weights))
        self.colour = Intensity(inputs.limits)
        self.grey = Intensity(outputs.limits)

    def forward(self, x: Tensor) -> Tensor:
        """[N, 3, H, W] -> [N, 1, H, W], both normalised."""
        values = self.colour.grey_values(x.float())
        grey = (values * self.weights[None, :, None, None]).sum(1, keepdim=True)
        return self.grey.normalise(grey)


def luminance(
    inputs: Domain, outputs: Domain, /, *, weights: tuple[float, float, float] = (0.299, 0.587, 0.114)
) -> Luminance:
    """Fixed colour-to-grey map: the exact inverse of colouring a grey picture; nothing to learn.

    Args:
        inputs: a colour domain (3 channels).
        outputs: a grey domain (1 channel) on the same grey-value scale.
        weights: of red, green and blue (Rec. 601 by default).
    """
    if (inputs.channels, outputs.channels) != (3, 1):
        got = f"{inputs.channels} -> {outputs.channels}"
        raise RecipeError(f"generator 'luminance' maps 3 channels to 1, got {got}; choose another, such as unet")
    return Luminance(inputs, outputs, weights)

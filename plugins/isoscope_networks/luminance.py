"""A backward generator whose physics is known: colour to grey."""

from __future__ import annotations

import math
from itertools import product
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from isoscope.errors import RecipeError
from isoscope.frames import REC601
from isoscope.intensity import Intensity
from isoscope.quantity import Quantity

if TYPE_CHECKING:
    from isoscope.domain import Domain

__all__ = ["Luminance", "luminance"]

_LEAST = 1e-3
_COARSE, _FINE, _REACH = 20, 100, 5
"""Weights are looked for in steps of 1/20, then in steps of 1/100 within 5 of those steps."""
_PIXELS = 50_000


class Luminance(nn.Module):
    """The weighted sum of red, green and blue in grey values, expressed on the other domain's normalised scale.

    Weights that learn are a softmax: positive, and one in sum, whatever learning does.
    """

    stride = 1

    def __init__(
        self, inputs: Domain, outputs: Domain, weights: tuple[float, float, float], learn: bool = False
    ) -> None:
        super().__init__()
        self.learn = learn
        if learn:
            self.logits = nn.Parameter(torch.tensor([math.log(w) for w in weights]))
        else:
            self.register_buffer("weights", torch.tensor(weights))
        self.colour = Intensity(inputs.limits)
        self.grey = Intensity(outputs.limits)

    @property
    def parts(self) -> Tensor:
        """The weights of red, green and blue, [3]."""
        return self.logits.softmax(0) if self.learn else self.get_buffer("weights")

    @torch.no_grad()
    def fit(self, colours: Tensor, greys: Tensor) -> None:
        """Where weights learn, begin with those that give colours the distribution of grey values that greys have.

        Args:
            colours: patches [N, 3, H, W], network values.
            greys: patches [M, 1, H, W] of other places.
        """
        if self.learn:
            rgb = self.colour.grey_values(colours.float()).movedim(1, 0).flatten(1).cpu()
            self.logits.copy_(_matched(rgb, self.grey.grey_values(greys.float()).flatten().cpu()).log())

    def forward(self, x: Tensor) -> Tensor:
        """[N, 3, H, W] -> [N, 1, H, W], both normalised."""
        values = self.colour.grey_values(x.float())
        grey = (values * self.parts[None, :, None, None]).sum(1, keepdim=True)
        return self.grey.normalise(grey)

    def describe(self) -> dict[str, Quantity]:
        """The weights."""
        return {"weights": Quantity(tuple(self.parts.detach().double().cpu().tolist()), "of red, green, blue")}


def _matched(rgb: Tensor, grey: Tensor) -> Tensor:
    """The weights [3] whose sum of [3, N] comes closest, in its quantiles, to the grey values [M]."""
    rgb, grey = rgb[:, :: rgb.shape[1] // _PIXELS + 1], grey[:: len(grey) // _PIXELS + 1]
    steps = torch.linspace(0.02, 0.98, 49)
    wanted = torch.quantile(grey, steps)

    def misfit(weights: tuple[float, ...]) -> float:
        made = torch.quantile(torch.tensor(weights) @ rgb, steps)
        return float((made - wanted).square().sum())

    coarse = [(i / _COARSE, j / _COARSE) for i, j in product(range(_COARSE + 1), repeat=2)]
    red, green = min(_whole(coarse), key=misfit)[:2]
    nearby = range(-_REACH, _REACH + 1)
    best = min(_whole([(red + i / _FINE, green + j / _FINE) for i, j in product(nearby, repeat=2)]), key=misfit)
    weights = torch.tensor(best).clamp_min(_LEAST)
    return weights / weights.sum()


def _whole(pairs: list[tuple[float, float]]) -> list[tuple[float, float, float]]:
    """Red and green with the blue that is left, where none is negative."""
    return [(r, g, max(0.0, 1 - r - g)) for r, g in pairs if min(r, g) > -1e-9 and r + g < 1 + 1e-9]


def luminance(
    inputs: Domain, outputs: Domain, /, *, weights: tuple[float, float, float] = REC601, learn: bool = False
) -> Luminance:
    """Colour to grey, the exact inverse of colouring a grey picture.

    Args:
        inputs: a colour domain (3 channels).
        outputs: a grey domain (1 channel) on the same grey-value scale.
        weights: of red, green and blue (Rec. 601 by default).
        learn: measure the weights on the two unpaired sets, and go on adjusting them during training; for grey images
            that another camera made, where nobody knows its weights.
    """
    if (inputs.channels, outputs.channels) != (3, 1):
        got = f"{inputs.channels} -> {outputs.channels}"
        raise RecipeError(f"generator 'luminance' maps 3 channels to 1, got {got}; choose another, such as unet")
    if learn and (min(weights) <= 0 or abs(sum(weights) - 1) > 1e-3):
        raise RecipeError(
            f"generator 'luminance' got weights {weights} to learn from; expected positive ones that sum to 1; "
            f"scale them, or set learn=false"
        )
    return Luminance(inputs, outputs, weights, learn)

"""One direction of a trained method, ready to predict: grey values in, grey values out."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from isoscope.device import arranged, exact, layout
from isoscope.domain import Domain
from isoscope.errors import DataError, RecipeError
from isoscope.folding import folded
from isoscope.intensity import Intensity
from isoscope.kinds import Direction
from isoscope.model.drawing import Draw, Drawing
from isoscope.normalisation import layers
from isoscope.recipe import DomainRecipe, Inference, Normalisation, Recipe, parse

__all__ = ["Model", "chosen", "ready"]

_TYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


@dataclass(frozen=True, slots=True)
class Model:
    """One direction of a trained method, ready to predict.

    Attributes:
        recipe: the resolved recipe it was trained with.
        direction: "a2b" or "b2a".
        inputs, outputs: the domains it reads and writes.
        network: the generator, in evaluation mode, statistics frozen.
        stride: total stride of the network.
        halo: pixels around a tile that its output depends on; None if on the whole tile.
        sha256: hash of the weights.
        home: the folder it was loaded from, if any.
        normalisation: which statistics its normalisations use.
        precision: what its network computes in.
        draw: the noise that it is given with every image, if any.
        above: planes above and below a plane that its output depends on, where the network takes any number of planes;
            None for others, which see each plane with the context that they were trained with.
    """

    recipe: Recipe
    direction: Direction
    inputs: Domain
    outputs: Domain
    network: nn.Module
    stride: int
    halo: int | None
    sha256: str
    home: Path | None = None
    normalisation: Normalisation = "frozen"
    precision: Literal["float32", "bfloat16"] = "float32"
    draw: Draw | None = None
    above: int | None = None

    def drawing(self, seed: int, number: int = 0) -> Model:
        """The same model with noise: where one image has many answers, one of them, the same at every call.

        Args:
            seed: of all draws.
            number: which draw, from 0.

        Raises:
            DataError: if its network takes no noise.
        """
        pixel, image = (int(getattr(self.network, name, 0)) for name in ("pixel_noise", "image_noise"))
        if not pixel + image:
            raise DataError(
                f"the {self.direction} network of this model draws no noise; expected one that does, such as camera, "
                f"or a unet with noise=1; leave out draws"
            )
        return replace(self, network=Drawing(self.network, self.inputs.channels), draw=Draw(seed, number, pixel, image))

    @property
    def device(self) -> torch.device:
        """Where its network is."""
        return next((p.device for p in self.network.parameters()), torch.device("cpu"))

    @property
    def channels(self) -> int:
        """That it writes."""
        return self.outputs.plane.channels

    def reading(self, planes: int = 1) -> int:
        """Channels that its network reads to make so many planes."""
        return self.inputs.channels if self.above is None else self.inputs.plane.channels * (planes + 2 * self.above)

    @property
    def description(self) -> str:
        """A hash of what, besides the weights, decides its outputs: recipe and domains."""
        facts = [part.model_dump(mode="json") for part in (self.recipe, self.inputs, self.outputs)]
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()

    @property
    def reads(self) -> DomainRecipe:
        """How the images it reads were prepared in training."""
        return self.recipe.source if self.direction == "a2b" else self.recipe.target

    @property
    def writes(self) -> DomainRecipe:
        """How the images it learned to write were prepared in training."""
        return self.recipe.target if self.direction == "a2b" else self.recipe.source

    @torch.inference_mode()
    def __call__(self, values: torch.Tensor) -> torch.Tensor:
        """Prepared grey values [N, C_in, H, W] -> grey values [N, C_out, H, W], float32, on the model's device.

        As with torch's own layers N may be left out. H and W are multiples of the stride. A volumetric network takes
        any number of planes as channels, `above` more at each end than come out.
        """
        batch = values if values.ndim == 4 else values[None]
        with exact(self.device):
            y = self.network(self.normalised(batch))
        made = self._written(y.float())
        return made if values.ndim == 4 else made[0]

    def _written(self, y: torch.Tensor) -> torch.Tensor:
        """Grey values of the planes that are not context: [N, C x planes, H, W]."""
        planes = y.reshape(len(y), self.channels, -1, *y.shape[2:])
        around = self.outputs.context if self.above is None else self.above
        kept = planes[:, :, around : planes.shape[2] - around]
        return Intensity(self.outputs.plane.limits, kept.shape[2]).grey_values(kept.flatten(1, 2))

    def unfamiliar(self, values: NDArray[Any]) -> int:
        """How many of some prepared grey values [C_in, ...] lie beyond the limits by more than their headroom.

        There a tanh ends, and next to nothing was learned. 0 for models that draw, whose noise is no grey value. By
        numpy alone, as it is asked in threads beside the network's.
        """
        if self.draw or not values.size:
            return 0
        ends = Intensity(self.inputs.plane.limits).grey_values(torch.tensor([[[-1.0, 1.0]]], dtype=torch.float64))
        each = values.reshape(len(ends), -1)
        return sum(
            int(np.count_nonzero((v < low) | (v > high)))
            for v, (low, high) in zip(each, ends[:, 0].tolist(), strict=True)
        )

    def normalised(self, values: torch.Tensor) -> torch.Tensor:
        """Prepared grey values [N, C_in, H, W] as its network reads them; channels beyond, which are noise, stay."""
        device = self.device
        channels = self.inputs.channels if self.above is None else values.shape[1]
        values = values.to(device, torch.float32, non_blocking=True)
        plane = self.inputs.plane
        x = Intensity(plane.limits, channels // plane.channels).normalise(values[:, :channels])
        if values.shape[1] > channels:
            x = torch.cat([x, values[:, channels:]], 1)
        return x.to(_TYPES[self.precision]).contiguous(memory_format=layout(device))


def chosen(recipe: Recipe, normalisation: str | None, precision: str | None) -> Inference:
    """The recipe's section on inference with what the caller chose instead."""
    asked = {"normalisation": normalisation, "precision": precision}
    changes = {key: value for key, value in asked.items() if value is not None}
    how = parse({"inference": {**recipe.inference.model_dump(), **changes}}, "inference").inference
    if how.precision == "bfloat16" and how.normalisation != "frozen":
        raise RecipeError(
            f"got {how.normalisation} normalisation in bfloat16; expected frozen statistics there; use float32"
        )
    return how


def ready(network: nn.Module, channels: int, how: Inference, device: torch.device) -> nn.Module:
    """The network as it predicts, on its device."""
    if how.normalisation == "frozen":
        network = folded(network, channels)
    else:
        for layer in layers(network):
            layer.mode = "instance"
    return arranged(network.to(device, _TYPES[how.precision]), layout(device))

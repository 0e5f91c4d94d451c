"""Prediction on arrays."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import torch
from numpy.typing import NDArray

from isoscope import model as models
from isoscope.device import pick
from isoscope.errors import DataError
from isoscope.inference.planning import plan
from isoscope.inference.streaming import stream
from isoscope.kinds import Direction
from isoscope.model import Model
from isoscope.recipe import Normalisation
from isoscope.volume import ArraySink, ArrayVolume

__all__ = ["Predictor", "load"]


class Predictor:
    """A loaded model for arrays: `isoscope.inference.load(run).predict(array)`."""

    def __init__(self, model: Model) -> None:
        self.model = model

    def _axes(self, ndim: int) -> str:
        many = self.model.inputs.plane.channels > 1
        stack = self.model.recipe.output.planes == "stack" and self.model.direction == "a2b"
        known = {2: "YX", 3: "ZYX" if stack or not many else "CYX", 4: "CZYX", 5: "TCZYX"}
        if ndim not in known:
            raise DataError(f"got an array of {ndim} dimensions; expected 2 to 5, axes within TCZYX")
        return known[ndim]

    def predict(
        self, array: NDArray[Any], axes: str | None = None, *, tile: int | None = None, tiling: str | None = None
    ) -> NDArray[Any]:
        """Transform an array of grey values; the same geometry comes back, in the output domain's type.

        Args:
            array: grey values as in the training images.
            axes: its axes, such as "YX", "CYX" or "YXC"; none: the usual order for its number of dimensions.
            tile: side of the kept core in pixels.
            tiling: a tiling plug-in's name.

        Returns:
            The input's axes in the input's order; channels, where there are several, stand in place of the input's or
            else first. For stacks read as channels the Z axis is gone.
        """
        volume = ArrayVolume(array, axes or self._axes(array.ndim))
        made = plan(self.model, volume, tile=tile, tiling=tiling)
        sink = ArraySink(made.header)
        stream(made, self.model, volume, sink)
        given = volume.header.axes
        kept = [a for a in given if a in made.header.axes]
        if "C" in made.header.axes and "C" not in kept:
            kept.insert(0, "C")
        squeezed = sink.array[tuple(slice(None) if a in kept else 0 for a in "TCZYX")]
        order = [a for a in "TCZYX" if a in kept]
        return squeezed.transpose([order.index(a) for a in kept])


def load(
    path: str | Path, direction: Direction = "a2b", device: str | torch.device | None = None, *,
    normalisation: Normalisation | None = None, precision: Literal["float32", "bfloat16"] | None = None,
) -> Predictor:  # fmt: skip
    """Load a run for prediction, on the fastest device unless told otherwise; see `isoscope.model.load`."""
    how: dict[str, Any] = {"normalisation": normalisation, "precision": precision}
    return Predictor(models.load(path, direction, device or pick(), **how))

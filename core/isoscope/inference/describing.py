"""What a prediction says of itself: its geometry, and by which model, from which input, it was made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from isoscope import __version__
from isoscope.address import Address
from isoscope.frames import Frames
from isoscope.model import Model
from isoscope.provenance import plugins_used
from isoscope.volume import Header
from isoscope.writing.ledger import identity

__all__ = ["header_of", "identity_of"]


def header_of(model: Model, source: Header, frames: Frames, given: Mapping[str, Any]) -> Header:
    """The output's header: the input's geometry, the output domain's channels and type, and where it comes from.

    Args:
        model: what predicts.
        source: header of the input.
        frames: the input as the model reads it.
        given: what tells that input from any other.
    """
    t, _, z, y, x = source.shape
    stack = frames.planes == "stack"
    shape = (t, model.channels, 1 if stack else z, y, x)
    axes = "".join(a for a in source.axes if a != "C" and not (stack and a == "Z"))
    # a single channel keeps the axis that the input had for it, so that a TCZYX image stays one
    if shape[1] > 1 or ("C" in source.axes and source.shape[1] == 1):
        axes = "TC" + axes[1:] if axes.startswith("T") else "C" + axes
    declared = model.recipe.output.dtype if model.direction == "a2b" else None
    return replace(
        source, shape=shape, axes=axes, dtype=np.dtype(declared or model.outputs.dtype),
        channels=model.outputs.channel_names, rgb=model.outputs.rgb,
        attributes={**source.attributes, **_provenance(model, source, given)},
    )  # fmt: skip


def identity_of(given: Header, source: Address | None) -> dict[str, Any]:
    """What tells an input from any other, without reading it; of one in memory, only what its header says."""
    content = {"content": identity(source.path), "index": source.index} if source else {}
    read_as = given.attributes.get("read_as", {})
    return {
        **content, "name": given.name, "shape": list(given.shape), "dtype": str(given.dtype), "read_as": read_as,
    }  # fmt: skip


def _provenance(model: Model, source: Header, given: Mapping[str, Any]) -> dict[str, Any]:
    """Predicted, not measured: by what, and from what."""
    drawn = {"synthetic": {"seed": model.draw.seed, "draw": model.draw.number}} if model.draw else {}
    return {
        "predicted": True, "input": source.name, "input_identity": dict(given),
        "model": model.sha256, "direction": model.direction,
        "task": model.recipe.task, "recipe": model.recipe.model_dump(mode="json"),
        "normalisation": model.normalisation, "precision": model.precision,
        "isoscope": __version__, "torch": str(torch.__version__), "plugins": plugins_used(model.recipe),
        **drawn,
    }  # fmt: skip

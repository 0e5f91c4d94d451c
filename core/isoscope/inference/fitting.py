"""Whether a model can read an image, and what its preparation lets nobody undo."""

from __future__ import annotations

import logging

from isoscope.errors import DataError
from isoscope.frames import Frames
from isoscope.model import Model
from isoscope.model.drawing import NoisyFrames
from isoscope.preparation.prepared import upright
from isoscope.quantity import micrometers
from isoscope.volume import Volume

__all__ = ["check_undoable", "frames_of", "warn_of_size"]

_log = logging.getLogger(__name__)

_TOLERATED = 1.1
"""Times as large as in training pixels may be, or as small, without a word."""


def frames_of(model: Model, volume: Volume, thick: int = 1) -> Frames:
    """The volume's frames as the model reads them, prepared alike; refused where the channels differ.

    Args:
        model: what predicts.
        volume: the input.
        thick: planes that a volumetric network makes at once.
    """
    planes = model.recipe.output.planes if model.direction == "a2b" else "xy"
    ready, grey = upright([volume], model.reads.prepare)[0], model.reads.grey
    context = model.inputs.context if model.above is None else model.above
    frames = (
        NoisyFrames(ready, planes, grey, model.draw, context)
        if model.draw
        else Frames(ready, planes, grey, context, thick)
    )
    each = 2 * context + thick
    if frames.channels != model.inputs.plane.channels * each:
        per = "planes x channels" if planes == "stack" else "channels"
        raise DataError(
            f"{frames.name} has {frames.channels // each} {per}; the model reads {model.inputs.plane.channels}; "
            f"give images like those it was trained on"
        )
    return frames


def check_undoable(model: Model) -> None:
    """Refuse the way back of a preparation that has none."""
    if model.writes.prepare.background:
        raise DataError(
            f"the model's {model.outputs.name} had its background subtracted, which cannot be undone in outputs; "
            f"expected the other --direction; train without {model.outputs.name}.prepare.background to go this way"
        )
    if model.reads.prepare.stain:
        raise DataError(
            f"the model's {model.inputs.name} had its stain unified for training, which single images cannot have; "
            f"expected the other --direction; train without {model.inputs.name}.prepare.stain to go this way"
        )


def warn_of_size(model: Model, frames: Frames) -> None:
    """Say where pixels are of another size than those that the model learned from, as far as both are known.

    Along z only where the model looks along it.
    """
    header = frames.volume.header
    known, given = micrometers(model.inputs.pixel_size, model.inputs.unit), micrometers(header.pixel_size, header.unit)
    deep = model.reads.prepare.sides or frames.planes == "stack" or frames.context
    pairs = list(zip(known or (), given or (), strict=False))[0 if deep else 1 :]
    if any(a > 0 < b and max(a / b, b / a) > _TOLERATED for a, b in pairs):
        _log.warning(
            "%s: pixels are of %s um as the model reads them, it learned from %s; expected the same; resample it, or "
            "train on such images", frames.name, _said(given), _said(known),
        )  # fmt: skip


def _said(size: tuple[float, ...] | None) -> str:
    return " x ".join(f"{n:.4g}" for n in size or ())

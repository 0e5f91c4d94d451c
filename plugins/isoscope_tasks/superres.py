"""Wide-field -> super-resolved, on the grid of the super-resolved images."""

from __future__ import annotations

from isoscope.domain import Domain
from isoscope.errors import DataError
from isoscope.parameters import Component
from isoscope.preparation import Preparation
from isoscope.quantity import plain_ratio
from isoscope.recipe import DomainRecipe, Recipe, Term

__all__ = ["superres"]

_LARGEST = 8.0
"""Times as large as the target's: what is finer than that nobody has seen."""


def superres(source: Domain, target: Domain, /) -> Recipe:
    """Sharpen: learn from blurred images and from sharp images of other fields, on the target's pixel grid.

    Where pixel sizes say that the source has larger pixels, it is interpolated to the target's grid on reading, and so
    are predictions.

    The way back is optics and a camera: sigma of the blur, gain, offset and noise, estimated from the two sets. Sharp
    images that it has blurred are training examples, and no sharpened image is asked to keep the noise it came from.
    Content must be bright in both domains, or dark in both: only the relative polarity matters.
    """
    if source.channels != target.channels:
        raise DataError(
            f"superres needs equal channels, got {source.channels} and {target.channels}; give matching ones"
        )
    scale = _scale(source, target)
    reads = {"prepare": Preparation(scale=scale)} if scale else {}
    backward = {"name": "psf", "step": [max(1.0, s) for s in scale[1:]]} if scale else {"name": "psf"}
    return Recipe(
        source=DomainRecipe.model_validate({"polarity": "bright", **reads}),
        target=DomainRecipe(polarity="bright"),
        method=Component.model_validate({"name": "c2gan", "backward": backward, "noise": 0.0}),
        losses={"lsgan": Term(weight=0.1), "cycle": Term.model_validate({"weight": 10.0, "blur_a": 1.0})},
    )


def _scale(source: Domain, target: Domain) -> tuple[float, float, float] | None:
    """Pixels of the target along z, y and x for one of the source; none where they are as large, or nobody knows."""
    if source.pixel_size is None or target.pixel_size is None or source.unit != target.unit:
        return None
    y, x = (plain_ratio(a / b) for a, b in zip(source.pixel_size[1:], target.pixel_size[1:], strict=True))
    if max(y, x) > _LARGEST:
        raise DataError(
            f"superres got pixels {max(y, x):.3g} times as large in the source as in the target; expected at most "
            f"{_LARGEST:g} times; check --pixel-size"
        )
    return (1.0, y, x) if y > 1 or x > 1 else None

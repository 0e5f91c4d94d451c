"""From a declared preparation to one of numbers alone, measured once and written into the recipe."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from isoscope.frames import Frames, sampled
from isoscope.preparation.section import OFFSET_PERCENTILE, Preparation
from isoscope.preparation.staining import with_reference
from isoscope.recipe import Recipe
from isoscope.volume import Volume

__all__ = ["measured", "settled"]


def settled(recipe: Recipe, source: Sequence[Volume], target: Sequence[Volume]) -> Recipe:
    """The recipe with numbers for both sides' preparation; the very same where there is nothing to measure."""
    made = {
        "source": measured(source, recipe.source.prepare),
        "target": measured(target, recipe.target.prepare),
    }
    return recipe.replaced(**{side: {"prepare": how.model_dump()} for side, how in made.items()})


def measured(volumes: Sequence[Volume], preparation: Preparation) -> Preparation:
    """The preparation with numbers for `auto` and the stain, from a seeded sample of the whole set; numbers stay."""
    if preparation.offset == "auto":
        preparation = preparation.model_copy(update={"offset": _offset(volumes)})
    if preparation.stain:
        preparation = preparation.model_copy(update={"stain": with_reference(volumes, preparation.stain)})
    return preparation


def _offset(volumes: Sequence[Volume]) -> float:
    """A low percentile of the set's grey values: what the camera reads where there is no light."""
    values = np.concatenate([s.ravel() for s in sampled([Frames(v) for v in volumes], seed=0)])
    return float(np.percentile(values, OFFSET_PERCENTILE))

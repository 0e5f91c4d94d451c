"""Wide-field -> super-resolved, on the same pixel grid."""

from __future__ import annotations

from isoscope.domain import Domain
from isoscope.errors import DataError
from isoscope.parameters import Component
from isoscope.recipe import DomainRecipe, Recipe, Term

__all__ = ["superres"]


def superres(source: Domain, target: Domain, /) -> Recipe:
    """Sharpen: learn from blurred images and from sharp images of other fields, both on the target's pixel grid.

    The way back is optics and a camera: sigma of the blur, gain, offset and noise, estimated from the two sets. Sharp
    images that it has blurred are training examples, and no sharpened image is asked to keep the noise it came from.
    Content must be bright in both domains, or dark in both: only the relative polarity matters.
    """
    if source.channels != target.channels:
        raise DataError(
            f"superres needs equal channels, got {source.channels} and {target.channels}; give matching ones"
        )
    return Recipe(
        source=DomainRecipe(polarity="bright"),
        target=DomainRecipe(polarity="bright"),
        method=Component.model_validate({"name": "c2gan", "backward": {"name": "psf"}, "noise": 0.0}),
        losses={"lsgan": Term(weight=0.1), "cycle": Term.model_validate({"weight": 10.0, "blur_a": 1.0})},
    )

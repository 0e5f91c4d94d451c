"""Noisy -> clean."""

from __future__ import annotations

from isoscope.domain import Domain
from isoscope.errors import DataError
from isoscope.parameters import Component
from isoscope.recipe import DomainRecipe, Recipe, Term

__all__ = ["denoise"]


def denoise(source: Domain, target: Domain, /) -> Recipe:
    """Remove noise: learn from noisy images and from clean images of other fields.

    The way back is a camera: gain, offset, read and shot noise, estimated from the two sets. Clean images that it has
    made noisy are training examples, and no denoised image is asked to keep the noise it came from.
    Content must be bright in both domains, or dark in both: only the relative polarity matters.
    """
    if source.channels != target.channels:
        raise DataError(
            f"denoise needs equal channels, got {source.channels} and {target.channels}; give matching ones"
        )
    return Recipe(
        source=DomainRecipe(polarity="bright"),
        target=DomainRecipe(polarity="bright"),
        method=Component.model_validate({"name": "c2gan", "backward": {"name": "camera"}, "noise": 0.0}),
        losses={
            "lsgan": Term(weight=0.1),
            "cycle": Term.model_validate({"weight": 10.0, "blur_a": 2.0}),
            "saliency": Term.model_validate({"weight": 5.0, "blur": 1.5}),
        },
    )

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
    made noisy are training examples, and they decide (RESULTS.md): that a denoised image leads back to the noisy one,
    and that content stays in place, is asked more softly and in every fourth step, or the noise would come back too.
    `spectrum` keeps the least error from being a blur: what comes back has the power of clean images, nearly.
    Content must be bright in both domains, or dark in both: only the relative polarity matters.
    """
    if source.channels != target.channels:
        raise DataError(
            f"denoise needs equal channels, got {source.channels} and {target.channels}; give matching ones"
        )
    return Recipe(
        source=DomainRecipe(polarity="bright"),
        target=DomainRecipe(polarity="bright"),
        # Nothing competes with another network here, so that a faster rate than a GAN's is safe.
        # What is brighter than all clean images must not be flattened: a floor, and no ceiling.
        method=Component.model_validate(
            {
                "name": "c2gan",
                "forward": {"head": "elu"},
                "backward": {"name": "camera"},
                "noise": 0.0,
                "rate": 1e-3,
            }
        ),
        losses={
            "lsgan": Term(weight=0.0),
            "cycle": Term.model_validate({"weight": 100.0, "weight_a": 0.0, "error_b": "squared"}),
            "faithful": Term.model_validate(
                {"use": "cycle", "weight": 0.5, "share": 0.25, "weight_b": 0.0, "blur_a": 4.0}
            ),
            "saliency": Term.model_validate({"weight": 0.5, "share": 0.25, "blur": 1.5}),
            "spectrum": Term.model_validate({"weight": 0.1, "low": 0.75}),
        },
    )

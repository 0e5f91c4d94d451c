"""Noisy -> clean."""

from __future__ import annotations

from isoscope.domain import Domain
from isoscope.errors import DataError
from isoscope.recipe import DomainRecipe, Recipe

__all__ = ["denoise"]


def denoise(source: Domain, target: Domain, /) -> Recipe:
    """Remove noise: learn from noisy images and from clean images of other fields.

    Content must be bright in both domains, or dark in both: only the relative polarity matters.
    """
    if source.channels != target.channels:
        raise DataError(
            f"denoise needs equal channels, got {source.channels} and {target.channels}; give matching ones"
        )
    return Recipe(source=DomainRecipe(polarity="bright"), target=DomainRecipe(polarity="bright"))

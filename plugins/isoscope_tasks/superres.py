"""Wide-field -> super-resolved, on the same pixel grid."""

from __future__ import annotations

from isoscope.domain import Domain
from isoscope.errors import DataError
from isoscope.recipe import DomainRecipe, Recipe

__all__ = ["superres"]


def superres(source: Domain, target: Domain, /) -> Recipe:
    """Sharpen: learn from blurred images and from sharp images of other fields, both on the target's pixel grid.

    Content must be bright in both domains, or dark in both: only the relative polarity matters.
    """
    if source.channels != target.channels:
        raise DataError(
            f"superres needs equal channels, got {source.channels} and {target.channels}; give matching ones"
        )
    return Recipe(source=DomainRecipe(polarity="bright"), target=DomainRecipe(polarity="bright"))

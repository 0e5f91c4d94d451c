"""Transmitted light -> fluorescence."""

from __future__ import annotations

from isoscope.domain import Domain
from isoscope.recipe import DomainRecipe, Output, Recipe

__all__ = ["labeling"]


def labeling(source: Domain, target: Domain, /) -> Recipe:
    """Predict fluorescent labels from transmitted light; a z-stack is read with its planes as channels.

    Phase contrast shows content as texture, not as brightness, so the source's content map is its local deviation.
    """
    return Recipe(
        source=DomainRecipe(saliency="local_std", polarity="bright"),
        target=DomainRecipe(polarity="bright"),
        output=Output(planes="stack" if source.depth > 1 and target.depth == 1 else "xy"),
    )

"""Grey -> colour, as for H&E."""

from __future__ import annotations

from isoscope.domain import Domain
from isoscope.errors import DataError
from isoscope.parameters import Component
from isoscope.recipe import DomainRecipe, Recipe, Term

__all__ = ["coloration"]


def coloration(source: Domain, target: Domain, /) -> Recipe:
    """Colour grey bright-field pictures: learn from grey images and from colour images of other specimens.

    The way back, colour to grey, is known exactly, so the backward generator is the luminance itself: a coloured image
    must have the grey values it came from, and grey versions of the colour images are training examples.
    """
    if target.channels != 3:
        raise DataError(f"coloration needs RGB images as --target, got {target.channels} channels")
    if source.channels not in (1, 3):
        raise DataError(f"coloration needs grey or RGB sources, got {source.channels} channels; convert them")
    # Colour images as the source stand for their own grey versions; bright field: content is darker than background.
    return Recipe(
        source=DomainRecipe(grey=source.channels == 3, polarity="dark"),
        target=DomainRecipe(polarity="dark"),
        # Grey versions of the colours supervise already: a strong adversary only adds invented tints (RESULTS.md).
        losses={"lsgan": Term(weight=0.1)},
        method=Component.model_validate(
            {"name": "c2gan", "forward": {"name": "tint"}, "backward": {"name": "luminance"}}
        ),
    )

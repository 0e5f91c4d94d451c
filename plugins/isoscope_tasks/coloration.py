"""Grey -> colour, as for H&E."""

from __future__ import annotations

from isoscope.domain import Domain
from isoscope.errors import DataError
from isoscope.parameters import Component
from isoscope.recipe import DomainRecipe, Recipe, Term, Training

__all__ = ["coloration"]


def coloration(source: Domain, target: Domain, /) -> Recipe:
    """Colour grey bright-field pictures: learn from grey images and from colour images of other specimens.

    Outputs have exactly the luminance that was given; what is learned is their tint, beginning with the table of B's
    colours by grey level, and in the stains of all images of B alike, as grey images do not show whose they are.
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
        # Grey versions of the colours supervise already: an adversary only adds invented tints (RESULTS.md).
        # Squared, the error of colours that grey values do not tell is least at their mean, not at one of them.
        losses={
            "lsgan": Term(weight=0.0),
            "cycle": Term.model_validate({"weight": 100.0, "error_b": "squared"}),
        },
        training=Training(stain_mixing="macenko") if target.dtype in ("uint8", "uint16") else Training(),
        method=Component.model_validate(
            {"name": "c2gan", "forward": {"name": "tint"}, "backward": {"name": "luminance"}}
        ),
    )

"""Grey -> colour, as for H&E."""

from __future__ import annotations

from isoscope.domain import Domain
from isoscope.errors import DataError
from isoscope.parameters import Component
from isoscope.recipe import DomainRecipe, Recipe, Term, Training

__all__ = ["coloration"]

_UNET = {"name": "unet", "width": 16, "depth": 2, "norm": "none"}
_METHOD = {
    "name": "c2gan", "forward": {"name": "tint", "inner": _UNET}, "backward": {"name": "luminance"}, "rate": 4e-4,
    "knee": 0.6,
}  # fmt: skip
_TRAINING = {"patch": 32, "passes": 1.0}
_MIXED = {"stain_mixing": "macenko"}


def coloration(source: Domain, target: Domain, /) -> Recipe:
    """Colour grey bright-field pictures: learn from grey images and from colour images of other specimens.

    Outputs have exactly the luminance that was given; what is learned is their tint, beginning with the table of B's
    colours by grey level, and in the stains of all images of B alike, as grey images do not show whose they are.
    The way back, colour to grey, is known exactly, so the backward generator is the luminance itself: a coloured image
    must have the grey values it came from, and grey versions of the colour images are training examples.

    One small network and small patches serve every preset of ours. What beats the table is the colour of a whole image,
    told by its texture; wider views and many passes over B learn its tissue by heart instead (RESULTS.md).
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
        training=Training.model_validate(_TRAINING | (_MIXED if target.dtype in ("uint8", "uint16") else {})),
        method=Component.model_validate(_METHOD),
    )

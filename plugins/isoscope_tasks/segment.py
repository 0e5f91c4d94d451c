"""Images -> masks, as pixel regression."""

from __future__ import annotations

from isoscope.domain import Domain
from isoscope.errors import DataError
from isoscope.parameters import Component
from isoscope.preparation import Labels, Preparation
from isoscope.recipe import DomainRecipe, Output, Recipe, Term

__all__ = ["segment"]


def segment(source: Domain, target: Domain, /) -> Recipe:
    """Find objects: learn from images and from label images or masks of other fields.

    Labels are read as the depth of each pixel in its object, so that touching objects have a seam between them; the
    output is such a map in pixels, and `isoscope labels` turns it into objects. Where objects are bright the way back
    is their fluorescence seen by optics and a camera, measured on the two sets; else it is a free network.
    """
    if target.channels != 1:
        raise DataError(
            f"segment needs label images of one channel, got {target.channels}; choose it with --target-channels"
        )
    # what shows as texture, as an outline or in colours is not made by lighting a mask up
    known = source.channels == 1 and source.polarity == 1
    backward = {"backward": {"name": "fluorescence"}, "noise": 0.0} if known else {}
    losses = {"lsgan": Term(weight=0.0), "cycle": Term.model_validate({"weight": 10.0, "weight_a": 0.0})}
    return Recipe(
        # above the outline's half: what counts as content in a mask does not depend on how deep objects are
        target=DomainRecipe(prepare=Preparation(labels=Labels()), polarity="bright", threshold=0.5),
        method=Component.model_validate({"name": "c2gan", **backward}),
        losses=losses if known else {},
        output=Output(dtype="float32"),
    )

"""Transmitted light -> fluorescence."""

from __future__ import annotations

from isoscope.domain import Domain
from isoscope.parameters import Component
from isoscope.recipe import DomainRecipe, Output, Recipe, Term, Training

__all__ = ["labeling"]


def labeling(source: Domain, target: Domain, /) -> Recipe:
    """Predict fluorescent labels from transmitted light; a z-stack is read with its planes as channels.

    Phase contrast shows content as texture, not as brightness, so the source's content map is its local deviation.
    Learning begins where that is strong (`ranked`): a discriminator alone finds no way from the dark ground that is
    most of the image. The way back draws noise, as many transmitted images belong to one fluorescent image, and only
    the cycle that begins with fluorescence is asked for: what labels do not show cannot come back. Outputs are linear,
    as a tanh can end at the dark ground for good.
    """
    net = {"name": "unet", "width": 16, "norm": "none", "head": "linear"}
    return Recipe(
        source=DomainRecipe(saliency="local_std", polarity="bright"),
        target=DomainRecipe(polarity="bright"),
        output=Output(planes="stack" if source.depth > 1 and target.depth == 1 else "xy"),
        method=Component.model_validate(
            {
                "name": "c2gan",
                "rate": 1e-3,
                "forward": {**net, "depth": 3},
                "backward": {**net, "depth": 2, "noise": 4},
            }
        ),
        losses={
            "lsgan": Term(weight=0.05),
            "saliency": Term(weight=0.5),
            "cycle": Term.model_validate({"weight": 2.0, "weight_a": 0.0}),
            "ranked": Term.model_validate({"weight": 10.0, "schedule": "exp", "speed": 2.0, "floor": 0.2}),
        },
        # The error by which the best networks would be kept is that of both cycles, one of which nothing learns here.
        training=Training(keep="last"),
    )

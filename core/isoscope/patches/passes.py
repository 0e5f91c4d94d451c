"""How many steps a number of passes over the target allows: what is looked at too often is learned by heart."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from math import ceil
from typing import Any

from isoscope.recipe import Recipe
from isoscope.volume import Volume

__all__ = ["LEARNING", "bounded", "most_steps"]

LEARNING = 600
"""Steps that learning takes however small the images are: passes never allow fewer."""

_log = logging.getLogger(__name__)


def most_steps(recipe: Recipe, target: Sequence[Volume]) -> int | None:
    """Steps after which patches have covered the target `training.passes` times; none where nothing is limited."""
    t = recipe.training
    if t.passes is None:
        return None
    pixels = sum(n * z * y * x for n, _, z, y, x in (v.header.shape for v in target))
    return max(LEARNING, ceil(t.passes * pixels / (t.batch * t.patch**2)))


def bounded(recipe: Recipe, target: Sequence[Volume], user: Mapping[str, Any]) -> Recipe:
    """The recipe with the steps that its passes allow.

    Args:
        recipe: resolved.
        target: images of domain B.
        user: the user's keys: steps asked for without passes are made, however many passes they are.
    """
    asked = user.get("training") or {}
    if asked.get("steps") is not None and "passes" not in asked:
        return recipe.replaced(training={"passes": None})
    most = most_steps(recipe, target)
    if most is None or most >= recipe.training.steps:
        return recipe
    if asked.get("steps") is not None:
        _log.warning(
            "training.passes=%g allows %d steps, not the %d asked for; set training.passes=null to make them",
            recipe.training.passes, most, recipe.training.steps,
        )  # fmt: skip
    return recipe.replaced(training={"steps": most})

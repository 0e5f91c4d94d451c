"""What every task must do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from isoscope.domain import Domain
from isoscope.errors import UserError
from isoscope.kinds import Task
from isoscope.overrides import merge
from isoscope.presets import preset
from isoscope.recipe import Recipe, parse, resolved
from isoscope.testing.examples import accepted, example_domain, pairs, require

__all__ = ["check_task"]

_VOLUME = example_domain(1, depth=24, pixel_size=(2.0, 0.5, 0.5))


def _resolved(values: Mapping[str, Any]) -> Recipe:
    try:
        return resolved(parse(values, "proposal"))
    except UserError as error:
        raise AssertionError(f"task proposes what cannot stand: {error}") from error


def check_task(task: Task, *, source: Domain | None = None, target: Domain | None = None) -> None:
    """Check that a task proposes a recipe that can be written, read and resolved.

    Protects from: proposals that name plug-ins or parameters that do not exist, that depend on more than the two
    domains, or that change when a run is repeated from its own recipe file.

    Args:
        task: `(source, target, /) -> Recipe`.
        source: a domain A it accepts; none: it is tried with 1 -> 1, 1 -> 3, 3 -> 1 and 13 -> 3 channels, and with
            an anisotropic volume, and must accept one of these pairs.
        target: a domain B it then accepts.
    """
    candidates = pairs(source, target) + ([(_VOLUME, _VOLUME)] if source is None and target is None else [])
    for a, b, recipe in accepted(task, candidates, "task"):
        require(isinstance(recipe, Recipe), f"task returned {type(recipe).__name__}; expected a Recipe")
        require(task(a, b) == recipe, "task proposed two recipes for the same two domains")
        full = _resolved(merge(preset("cpu"), recipe.model_dump(mode="json", exclude_unset=True)))
        again = _resolved(full.model_dump(mode="json"))
        require(again == full, "a recipe of this task changes when it is written and read")

"""What every task must do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from isoscope.domain import Domain
from isoscope.errors import UserError
from isoscope.kinds import Task
from isoscope.presets import NAMES, preset
from isoscope.proposal import amended
from isoscope.recipe import Recipe, parse, resolved
from isoscope.testing.examples import accepted, for_tasks, pairs, require

__all__ = ["check_task"]


def _presets() -> dict[str, dict[str, Any]]:
    """The keys of every preset for the method that tasks amend."""
    found = {name: preset(name) for name in NAMES if name != "auto"}
    return {name: keys for name, keys in found.items() if keys["method"]["name"] == "c2gan"}


def _resolved(values: Mapping[str, Any], name: str) -> Recipe:
    try:
        return resolved(parse(values, "proposal"))
    except UserError as error:
        raise AssertionError(f"task proposes what cannot stand with preset {name}: {error}") from error


def _check_over(name: str, keys: Mapping[str, Any], recipe: Recipe) -> None:
    full = _resolved(amended(keys, recipe.model_dump(mode="json", exclude_unset=True)), name)
    again = _resolved(full.model_dump(mode="json"), name)
    require(again == full, f"a recipe of this task with preset {name} changes when it is written and read")


def check_task(task: Task, *, source: Domain | None = None, target: Domain | None = None) -> None:
    """Check that a task proposes a recipe that can be written, read and resolved, whichever preset it lies over.

    Protects from: proposals that name plug-ins or parameters that do not exist, that depend on more than the two
    domains, or that change when a run is repeated from its own recipe file.

    Args:
        task: `(source, target, /) -> Recipe`.
        source: a domain A it accepts; none: it is tried with 1 -> 1, 1 -> 3, 3 -> 1 and 13 -> 3 channels, and with
            an anisotropic volume, and must accept one of these pairs.
        target: a domain B it then accepts.
    """
    candidates = for_tasks() if source is None and target is None else pairs(source, target)
    for a, b, recipe in accepted(task, candidates, "task"):
        require(isinstance(recipe, Recipe), f"task returned {type(recipe).__name__}; expected a Recipe")
        require(task(a, b) == recipe, "task proposed two recipes for the same two domains")
        for name, keys in _presets().items():
            _check_over(name, keys, recipe)

"""Recipes as a comparison takes them: files and presets, by name, once for each seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from isoscope_terminal.facts import length
from isoscope_terminal.wishes import gathered

if TYPE_CHECKING:
    from isoscope.comparison import Entrant, ImageSets

__all__ = ["entered", "keys_of", "named", "told"]


def entered(
    recipes: Sequence[str], sets: ImageSets, task: str | None, changes: Mapping[str, Any], seeds: int
) -> list[Entrant]:
    """Every recipe once for each seed, settled for the images it learns from.

    Args:
        recipes: YAML files, or names of presets.
        sets: the images.
        task: what presets are to learn.
        changes: `overrides`, as --set has them, and `more` keys for all.
        seeds: how many.
    """
    from isoscope.comparison import enter

    entrants = []
    for recipe in recipes:
        preset = None if _is_file(recipe) else recipe
        entrants += enter(named(recipe), keys_of(recipe, task, changes), sets, task=task, preset=preset, seeds=seeds)
    return entrants


def keys_of(recipe: str, task: str | None, changes: Mapping[str, Any]) -> dict[str, Any]:
    """The user's keys for a recipe, a preset's name among them.

    Args:
        recipe: a YAML file, or the name of a preset.
        task: what presets are to learn.
        changes: `overrides`, as --set has them, and `more` keys.
    """
    path, preset = (Path(recipe), None) if _is_file(recipe) else (None, recipe)
    keys = gathered(path, {"task": task, "preset": preset}, changes["overrides"], changes["more"])
    return keys if preset is None else keys | {"preset": preset}


def _is_file(recipe: str) -> bool:
    """A preset has no suffix, and is no file."""
    return Path(recipe).suffix.lower() in (".yaml", ".yml") or Path(recipe).is_file()


def named(recipe: str) -> str:
    """What the arm of a recipe is called."""
    return Path(recipe).stem if _is_file(recipe) else recipe


def told(entrant: Entrant) -> str:
    """What a recipe will do, in a line."""
    recipe, t = entrant.recipe, entrant.recipe.training
    return (
        f"task {recipe.task}, preset {recipe.preset}, method {recipe.method.name} on "
        f"{'pairs' if entrant.matched else 'unpaired images'}, "
        f"{length(t)}, seed {entrant.seed}"
    )

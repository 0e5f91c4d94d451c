"""How much data a method needs: a recipe trained on ever more patches, with as many steps, scored on one test.

The sets of patches are nested for each seed (`subset`), as in the data dependence of Li et al. 2019. Limits of grey
values and thresholds stay those of all images.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from isoscope.comparison.entrants import Entrant, ImageSets
from isoscope.errors import DataError, RecipeError
from isoscope.frames import Frames, Planes
from isoscope.recipe import Recipe
from isoscope.volume import Volume

__all__ = ["SIZES", "Sized", "arm_name", "at_sizes", "beside", "check_sizes", "side_by_side"]

SIZES = (100, 200, 400, 800, 1600, 3200, 6400, 12_000)
"""Evenly spaced on a logarithmic axis over the range of Li et al. 2019."""


@dataclass(frozen=True, slots=True)
class Sized:
    """A recipe, once for each seed, that learns from so many patches.

    Attributes:
        curve: the recipe's name.
        patches: of each side.
        entrants: one for each seed; their name is the arm's.
    """

    curve: str
    patches: int
    entrants: tuple[Entrant, ...]


def check_sizes(sizes: Sequence[int]) -> tuple[int, ...]:
    """The sizes in order.

    Raises:
        DataError: if there is none, one twice, or one below 1.
    """
    if not sizes or min(sizes) < 1 or len(set(sizes)) < len(sizes):
        raise DataError(
            f"got sizes {', '.join(map(str, sizes)) or 'none'}; expected different numbers of patches from 1 on; "
            f"give such as 100,400,1600"
        )
    return tuple(sorted(sizes))


def arm_name(curve: str, patches: int) -> str:
    """What the arm of one curve and size is called, in tables and folders."""
    return f"{curve}, {patches} patches"


def at_sizes(entrants: Sequence[Entrant], sizes: Sequence[int]) -> list[Sized]:
    """A recipe at every size, smallest first.

    Args:
        entrants: of one recipe, one for each seed.
        sizes: numbers of patches.

    Raises:
        RecipeError: if the recipe trains for a time: more steps on one size than another would be compared.
    """
    first = entrants[0]
    if first.recipe.training.minutes is not None:
        raise RecipeError(
            f"{first.name} trains for {first.recipe.training.minutes:g} minutes; expected as many steps at every size; "
            f"give --steps"
        )
    return [Sized(first.name, n, tuple(_at(entrant, n) for entrant in entrants)) for n in check_sizes(sizes)]


def _at(entrant: Entrant, patches: int) -> Entrant:
    recipe = entrant.recipe.replaced(training={"patches": patches})
    return replace(entrant, name=arm_name(entrant.name, patches), recipe=recipe)


def beside(entrant: Entrant, keys: Mapping[str, Any]) -> dict[str, Any]:
    """The keys of supervised training beside a recipe: the same generator, rate and training, on pairs.

    Args:
        entrant: the recipe's, settled.
        keys: the user's, from which it was made.
    """
    method = entrant.recipe.method.parameters
    carried = {name: _plain(method[name]) for name in ("forward", "rate", "knee") if name in method}
    kept = {key: value for key, value in keys.items() if key not in ("losses", "method")}
    return {**kept, "method": {"name": "supervised", **carried}}


def _plain(value: Any) -> Any:
    return value.model_dump(mode="json") if hasattr(value, "model_dump") else value


def side_by_side(sets: ImageSets, recipe: Recipe) -> int:
    """How many patches the smaller side holds without overlap; more than so many are more and more alike."""
    planes: tuple[tuple[Sequence[Volume], Planes], ...] = ((sets.source, recipe.output.planes), (sets.target, "xy"))
    return min(sum(_fitting(Frames(v, how), recipe.training.patch) for v in volumes) for volumes, how in planes)


def _fitting(f: Frames, patch: int) -> int:
    return len(f) * (f.size[0] // patch) * (f.size[1] // patch)

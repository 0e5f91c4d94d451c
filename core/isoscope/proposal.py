"""From two image sets to a complete recipe: preset, then the task's proposal, then the user's word."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from isoscope import kinds, presets
from isoscope.controls import CONTROLS, controlled
from isoscope.domain import Domain
from isoscope.errors import DataError, RecipeError
from isoscope.overrides import merge
from isoscope.parameters import schema
from isoscope.patches.passes import bounded
from isoscope.preparation import Preparation
from isoscope.preparation.prepared import prepared
from isoscope.preparation.settling import settled
from isoscope.provenance import check_proposed
from isoscope.recipe import DomainRecipe, Recipe, parse, resolved
from isoscope.survey import survey
from isoscope.volume import Volume

__all__ = ["Proposal", "amended", "propose"]


@dataclass(frozen=True, slots=True)
class Proposal:
    """A resolved recipe and the two domains as it will see them."""

    recipe: Recipe
    source: Domain
    target: Domain


_SMALLEST = 24
"""Pixels: below this side a PatchGAN has nothing left to score."""


def _smallest(volumes: Sequence[Volume]) -> int:
    return min(min(v.header.shape[3:]) for v in volumes)


def _patch(wanted: int, volumes: Sequence[Volume]) -> int:
    """The preset's patch, or the largest that every image can hold: of 32 px, which deep networks need, else of 8."""
    smallest = _smallest(volumes)
    side = min(wanted, smallest // 32 * 32 if smallest >= 64 else smallest // 8 * 8)
    if side < _SMALLEST:
        small = min(volumes, key=lambda v: min(v.header.shape[3:])).header
        raise DataError(
            f"{small.name} is {small.shape[3]} x {small.shape[4]} px; expected at least {_SMALLEST} x {_SMALLEST} "
            f"to learn from; give larger images"
        )
    return side


def _task(name: str, source: Sequence[Volume], target: Sequence[Volume]) -> dict[str, Any]:
    """What the task proposes for these domains as they are on disk; only keys it sets."""
    plain = DomainRecipe()
    proposed = kinds.tasks[name](survey(source, plain, "source"), survey(target, plain, "target"))
    return {**proposed.model_dump(exclude_unset=True), "task": name}


def _declared_patch(keys: Mapping[str, Any]) -> int | None:
    """The user's own patch; what is no number is left to be refused with the whole recipe."""
    training = keys.get("training")
    patch = training.get("patch") if isinstance(training, Mapping) else None
    return patch if isinstance(patch, int) else None


def _declared_method(keys: Mapping[str, Any]) -> object:
    """The name of the user's own method, if there is one."""
    method = keys.get("method")
    return method.get("name") if isinstance(method, Mapping) else method


def _as_read(volumes: Sequence[Volume], side: str, *layers: Mapping[str, Any]) -> list[Volume]:
    """The images of a side with the sizes that they are read in, by what task and user say of it, the user last.

    Only sizes count here, so that nothing is measured; what is no preparation is left to be refused with the recipe.
    """
    said: dict[str, Any] = {}
    for section in (layer.get(side) for layer in layers):
        prepare = section.get("prepare") if isinstance(section, Mapping) else None
        said |= prepare if isinstance(prepare, Mapping) else {}
    try:
        shaped = Preparation(**{k: v for k, v in said.items() if k in ("scale", "sides") and v is not None})
    except ValidationError:
        return list(volumes)
    return prepared(volumes, shaped)


def _base(name: str, given: dict[str, Any], keys: Mapping[str, Any], volumes: Sequence[Volume]) -> dict[str, Any]:
    """Preset and task in their order of precedence, with a patch that the images can hold."""
    wanted = presets.preset(name)
    own = wanted["training"]["patch"]
    if wanted["preset"] not in presets.PUBLISHED:
        own = given.get("training", {}).get("patch", own)
    patch = _declared_patch(keys) or _patch(own, volumes)
    wanted = controlled(presets.preset(wanted["preset"], patch), _declared_method(keys))
    given = merge(given, {"training": {"patch": patch}}) if given else given
    return amended(wanted, given)


def amended(wanted: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """The keys of a preset with those that a task proposes: a published preset and a control keep their own.

    Args:
        wanted: as `presets.preset` gives them.
        given: only what the task sets.
    """
    rest = {k: v for k, v in given.items() if k not in ("method", "losses", "training")}
    if wanted["preset"] in presets.PUBLISHED:
        return merge(rest, wanted)
    if wanted["preset"] in CONTROLS or wanted["method"]["name"] in CONTROLS:
        return merge(rest, _with_generator(given, wanted))
    return merge(wanted, _wrapping(given, wanted))


def _with_generator(given: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """A control; if supervised, with the task's own forward generator: pairs alone shall make the difference."""
    forward = given.get("method", {}).get("forward")
    if wanted["method"]["name"] != "supervised" or forward is None:
        return dict(wanted)
    return merge(wanted, _wrapping({"method": {"forward": forward}}, wanted))


def _wrapping(given: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """What the task proposes, where the generators that it lays around another get the preset's inside."""
    method = dict(given.get("method", {}))
    for side in ("forward", "backward"):
        if not (said := method.get(side)):
            continue
        own = {"name": said} if isinstance(said, str) else said
        name = str(own.get("name"))
        if name in kinds.generators and "inner" in schema(kinds.generators[name]).model_fields:
            method[side] = {"inner": wanted["method"][side], **own}
    return {**given, "method": method} if method else dict(given)


def propose(
    source: Sequence[Volume], target: Sequence[Volume], *, task: str | None = None, preset: str | None = None,
    user: Mapping[str, Any] | None = None,
) -> Proposal:  # fmt: skip
    """The recipe for two image sets.

    Layers, later ones winning: preset, task, the user's keys; a published preset wins over the task.

    Args:
        source: images of domain A.
        target: images of domain B.
        task: a task's name, or none for what the user's keys say.
        preset: a preset's name; none: the user's, else `auto`.
        user: keys from a YAML file and from overrides.

    Raises:
        RecipeError, PluginError, DataError: one line each.
    """
    keys = dict(user or {})
    task = task or keys.get("task")
    if task is None:
        raise RecipeError(f"no task given; expected --task with one of {', '.join(kinds.tasks)}, or a recipe")
    given = _task(task, source, target) if task != "custom" else {}
    read = [*_as_read(source, "source", given, keys), *_as_read(target, "target", given, keys)]
    base = _base(preset or str(keys.get("preset", "auto")), given, keys, read)
    keys |= {"task": task, "preset": base["preset"]}
    whole = parse(merge(base, keys))
    if given:
        check_proposed(task, parse(given, f"task {task!r}"), whole)
    recipe = bounded(settled(resolved(whole), source, target), target, keys)
    domains = (
        survey(source, recipe.source, "source", recipe.output.planes, strict=True, context=recipe.output.context),
        survey(target, recipe.target, "target", "xy", strict=True, context=recipe.output.context),
    )
    return Proposal(_settled(recipe, *domains), *domains)


def _settled(recipe: Recipe, source: Domain, target: Domain) -> Recipe:
    """The recipe with what was measured written in, so that a run can be repeated from it alone."""
    sides = {}
    for side, domain in (("source", source), ("target", target)):
        sides[side] = {
            "limits": domain.plane.limits,
            "threshold": domain.threshold,
            "polarity": "bright" if domain.polarity > 0 else "dark",
        }
    return recipe.replaced(**sides)

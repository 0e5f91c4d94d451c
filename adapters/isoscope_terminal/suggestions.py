"""What a task proposes for two small example domains, over the preset that suits this machine; nothing is trained."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from isoscope.errors import IsoscopeError
from isoscope_terminal.facts import counted

if TYPE_CHECKING:
    from isoscope.domain import Domain
    from isoscope.recipe import Recipe

__all__ = ["suggested", "suggestion_said"]


def suggested(task: str) -> dict[str, Any]:
    """Method, networks and losses for the first pair of example domains that the task accepts, or why it takes none."""
    from isoscope import kinds
    from isoscope.testing.examples import for_tasks

    refused = ""
    for source, target in for_tasks():
        try:
            proposed = kinds.tasks[task](source, target)
            return {"for": _pair(source, target), **_parts(_whole(proposed)), "why_not": None}
        except IsoscopeError as error:
            refused = refused or str(error)
        except Exception as error:  # a task that fails is still shown
            refused = refused or f"the task failed ({type(error).__name__}: {error})".splitlines()[0]
    return {"for": None, "preset": None, "method": None, "networks": {}, "losses": {}, "why_not": refused}


def _pair(source: Domain, target: Domain) -> str:
    deep = f" and {source.depth} planes" if source.depth > 1 else ""
    return f"8-bit images with {counted(source.channels, 'channel')}{deep} -> {counted(target.channels, 'channel')}"


def _whole(proposed: Recipe) -> Recipe:
    from isoscope.presets import preset
    from isoscope.proposal import amended
    from isoscope.recipe import parse, resolved

    given = proposed.model_dump(mode="json", exclude_unset=True)
    return resolved(parse(amended(preset("auto"), given), "proposal"))


def _parts(recipe: Recipe) -> dict[str, Any]:
    """Its plug-ins in a recipe's words; losses of weight 0 are off."""
    method = recipe.method.model_dump(mode="json")
    networks = {key: value for key, value in method.items() if isinstance(value, Mapping) and "name" in value}
    losses = {label: term.model_dump(mode="json") for label, term in recipe.losses.items() if term.weight}
    return {"preset": recipe.preset, "method": method["name"], "networks": networks, "losses": losses}


def suggestion_said(facts: Mapping[str, Any]) -> list[str]:
    """The same as lines for people."""
    if facts["why_not"] is not None:
        return [f"proposes nothing for the example images: {facts['why_not']}"]
    lines = [f"proposes for {facts['for']}, over preset {facts['preset']}:", f"  method {facts['method']}"]
    lines += [f"  {key} {_network(value)}" for key, value in facts["networks"].items()]
    return lines + [f"  loss {_loss(label, term)}" for label, term in facts["losses"].items()]


def _network(value: Mapping[str, Any]) -> str:
    inner = [f"{key} {_network(v)}" for key, v in value.items() if isinstance(v, Mapping) and "name" in v]
    return f"{value['name']} ({', '.join(inner)})" if inner else str(value["name"])


def _loss(label: str, term: Mapping[str, Any]) -> str:
    plugin = "" if term["use"] in (None, label) else f" ({term['use']})"
    return f"{label}{plugin}, weight {term['weight']:g}"

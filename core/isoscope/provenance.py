"""Which plug-ins, of which distributions and versions, a recipe uses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from isoscope import kinds
from isoscope.errors import PluginError
from isoscope.importing import absent
from isoscope.parameters import Component, Kind, schema
from isoscope.recipe import Recipe
from isoscope.registry import Plugin, Registry, to_get

__all__ = ["changed", "check_installed", "check_proposed", "check_unchanged", "plugins_used"]


def _nested(registry: Registry[Any], component: Component) -> list[tuple[Registry[Any], str]]:
    found = [(registry, component.name)]
    if component.name not in registry:
        return found
    for name, info in schema(registry[component.name]).model_fields.items():
        kind = next((m for m in info.metadata if isinstance(m, Kind)), None)
        value = component.parameters.get(name)
        # a task may say a parameter of whatever generator the preset has, and then names none
        if kind and value is not None and not (isinstance(value, dict) and "name" not in value):
            found += _nested(kinds.REGISTRIES[kind.name], Component.model_validate(value))
    return found


def _named(recipe: Recipe) -> list[tuple[str, str]]:
    """Kind and name of every plug-in that a recipe names, installed or not."""
    used = _nested(kinds.methods, recipe.method) + _nested(kinds.tilings, recipe.inference.tiling)
    used += [(kinds.losses, term.component(label).name) for label, term in recipe.losses.items()]
    if recipe.task != "custom":
        used.append((kinds.tasks, recipe.task))
    return list(dict.fromkeys((registry.kind, name) for registry, name in used))


def plugins_used(recipe: Recipe) -> list[dict[str, str]]:
    """Kind, name, distribution and version of every plug-in in a resolved recipe."""
    out = []
    for kind, name in _named(recipe):
        plugin = kinds.REGISTRIES[kind].describe(name)
        out.append({"kind": kind, "name": name, "distribution": plugin.distribution, "version": plugin.version})
    return out


def check_installed(used: Sequence[Mapping[str, str]], whose: str) -> None:
    """Refuse what needs plug-ins that are not there.

    Args:
        used: as `plugins_used` gives them.
        whose: what needs them, to begin the message with.

    Raises:
        PluginError: naming the distribution to install.
    """
    for plugin in used:
        if plugin["name"] not in kinds.REGISTRIES[plugin["kind"]]:
            remedy = to_get(plugin["distribution"], plugin["version"])
            raise PluginError(f"{whose} needs {plugin['kind']} plug-in {plugin['name']!r}, not installed; {remedy}")


def changed(used: Sequence[Mapping[str, str]]) -> list[tuple[Plugin, Mapping[str, str]]]:
    """The plug-ins whose versions are not what they were: as they are now, and as `plugins_used` gave them."""
    now = [(kinds.REGISTRIES[before["kind"]].describe(before["name"]), before) for before in used]
    return [(plugin, before) for plugin, before in now if plugin.version != before["version"]]


def check_unchanged(used: Sequence[Mapping[str, str]], whose: str) -> None:
    """Refuse to go on where plug-ins are not what they were: only models are migrated, no optimisers or histories.

    Args:
        used: as `plugins_used` gives them.
        whose: what goes on, to begin the message with.

    Raises:
        PluginError: naming both versions, and what to do.
    """
    check_installed(used, whose)
    for now, before in changed(used):
        get = to_get(before["distribution"], before["version"])
        raise PluginError(
            f"{whose} began with version {before['version']} of {now.kind} plug-in {now.name!r}, got {now.source}; "
            f"expected the same; {get}, or start another run, --from this one"
        )


def check_proposed(task: str, proposed: Recipe, whole: Recipe) -> None:
    """Refuse a recipe that needs a plug-in which the task names and nobody has installed.

    Args:
        task: the task's name.
        proposed: its own recipe.
        whole: the recipe with what preset and user say, who may have put something else in its place.

    Raises:
        PluginError: naming the task, its distribution and what is missing.
    """
    needed = set(_named(whole))
    for kind, name in _named(proposed):
        if (kind, name) in needed and name not in kinds.REGISTRIES[kind]:
            owner = kinds.tasks.describe(task)
            raise PluginError(f"{owner.label} proposes {kind} plug-in {name!r}, not installed; {_remedy(owner)}")


def _remedy(owner: Plugin) -> str:
    lacking = absent(owner.distribution)
    if lacking:
        return f"install what {owner.distribution} needs: {', '.join(lacking)}"
    return f"ask the authors of {owner.distribution} what brings it: of what it declares, all is installed"

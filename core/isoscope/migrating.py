"""Parameters that an earlier version of a plug-in was given, in the words of the one that is installed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from isoscope import kinds
from isoscope.errors import PluginError, RecipeError
from isoscope.importing import one_line
from isoscope.parameters import Component, Kind, schema, validated
from isoscope.recipe import Term
from isoscope.registry import Plugin, to_get

__all__ = ["Migrate", "migrated", "migrates"]

F = TypeVar("F", bound=Callable[..., Any])
_Made = Mapping[tuple[str, str], tuple[str, str]]
"""By kind and name of a plug-in, the distribution and version that a model was made with."""
Migrate = Callable[[dict[str, Any], str], Mapping[str, Any]]
"""migrate(parameters, version) -> parameters: what was said to that version of the distribution, said to this one."""


def migrates(how: Migrate) -> Callable[[F], F]:
    """Decorate a plug-in's factory, so that models made with its earlier versions can still be loaded.

    `how` is called where the version that a model names is not the one installed. It gets the parameters as the model
    has them, without defaults that came later, and that version; it returns them as the factory takes them now.
    """

    def mark(factory: F) -> F:
        factory.migrate = how  # type: ignore[attr-defined]
        return factory

    return mark


def migrated(recipe: Mapping[str, Any], plugins: Sequence[Mapping[str, str]]) -> dict[str, Any]:
    """A recipe's keys as the plug-ins that are installed understand them.

    Args:
        recipe: keys as a model has them.
        plugins: what it says of the plug-ins it was made with: kind, name, distribution and version of each.

    Raises:
        PluginError: if a plug-in's `migrate` fails, or another version of it takes other parameters and migrates none.
    """
    made = {(p["kind"], p["name"]): (p["distribution"], p["version"]) for p in plugins}
    found = {**recipe, "method": _component("methods", recipe["method"], made)}
    if "tiling" in (inference := recipe.get("inference", {})):
        found["inference"] = {**inference, "tiling": _component("tilings", inference["tiling"], made)}
    found["losses"] = {label: _term(label, term, made) for label, term in recipe.get("losses", {}).items()}
    return found


def _component(kind: str, value: Any, made: _Made) -> dict[str, Any]:
    """A plug-in by name with its parameters, and with those that are plug-ins themselves."""
    component = Component.model_validate(value)
    parameters = _moved(kind, component, made.get((kind, component.name)))
    for name, info in schema(kinds.REGISTRIES[kind][component.name]).model_fields.items():
        inner = next((m for m in info.metadata if isinstance(m, Kind)), None)
        if inner and parameters.get(name) is not None:
            parameters[name] = _component(inner.name, parameters[name], made)
    return {"name": component.name, **parameters}


def _term(label: str, value: Mapping[str, Any], made: _Made) -> dict[str, Any]:
    own = {key: v for key, v in value.items() if key in Term.model_fields}
    component = Term.model_validate(value).component(label)
    return own | _moved("losses", component, made.get(("losses", component.name)))


def _moved(kind: str, component: Component, made: tuple[str, str] | None) -> dict[str, Any]:
    """Parameters said to a distribution in a version, as the plug-in that is installed takes them."""
    registry = kinds.REGISTRIES[kind]
    plugin, how = registry.describe(component.name), getattr(registry[component.name], "migrate", None)
    if made is None or made[1] == plugin.version:
        return component.parameters
    try:
        found = dict(how(component.parameters, made[1])) if how else component.parameters
    except Exception as error:
        raise _outgrown(plugin, "cannot migrate", made, one_line(error)) from error
    try:
        validated(registry, Component.model_validate({**found, "name": component.name}))
    except RecipeError as error:
        raise _outgrown(plugin, "does not take", made, str(error)) from error
    return found


def _outgrown(plugin: Plugin, what: str, made: tuple[str, str], cause: str) -> PluginError:
    return PluginError(
        f"{plugin.label} {what} the model's parameters, which are those of version {made[1]} ({cause}); "
        f"{to_get(*made)}, or train again"
    )

"""The signature is the schema: keyword-only arguments of a factory, validated by pydantic from their annotations."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError, create_model, model_validator

from isoscope.errors import IsoscopeError, PluginError, RecipeError, nearest
from isoscope.importing import one_line as said
from isoscope.importing import patience
from isoscope.registry import Registry

__all__ = ["Component", "Kind", "build", "one_line", "resolve", "schema", "validated"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Kind:
    """Marks a parameter that is itself a plug-in: `Annotated[Component, Kind("generators")]`."""

    name: str


class Component(BaseModel):
    """A plug-in by name with its parameters: `unet`, or `{name: unet, width: 16}`."""

    model_config = ConfigDict(frozen=True, extra="allow")

    name: str

    @model_validator(mode="before")
    @classmethod
    def _from_name(cls, value: Any) -> Any:
        return {"name": value} if isinstance(value, str) else value

    @property
    def parameters(self) -> dict[str, Any]:
        """Everything but the name."""
        return dict(self.__pydantic_extra__ or {})


def _annotation(factory: Callable[..., Any], parameter: inspect.Parameter) -> Any:
    """Evaluate one annotation alone: the positional ones may name types imported for checkers only."""
    if not isinstance(parameter.annotation, str):
        return parameter.annotation
    home = getattr(inspect.unwrap(factory), "__module__", "")
    return eval(parameter.annotation, vars(sys.modules[home]))


def schema(factory: Callable[..., Any]) -> type[BaseModel]:
    """A pydantic model of the keyword-only arguments of `factory`; unknown names are refused.

    Raises:
        PluginError: if an argument has no annotation that can be evaluated, or the factory swallows any keyword.
    """
    fields: dict[str, Any] = {}
    label = f"{getattr(factory, '__module__', '?')}:{getattr(factory, '__qualname__', factory)}"
    for p in inspect.signature(factory).parameters.values():
        if p.kind is p.VAR_KEYWORD:
            raise PluginError(f"{label} takes **{p.name}; expected named keyword-only parameters with annotations")
        if p.kind is not p.KEYWORD_ONLY:
            continue
        if p.annotation is p.empty:
            raise PluginError(f"{label}: parameter {p.name!r} has no annotation; add one so that it can be validated")
        try:
            fields[p.name] = (_annotation(factory, p), ... if p.default is p.empty else p.default)
        except (NameError, AttributeError, SyntaxError) as error:
            raise PluginError(f"{label}: parameter {p.name!r} is annotated {p.annotation!r} ({error})") from error
    return create_model("Parameters", __config__=_STRICT, **fields)


_STRICT = ConfigDict(
    frozen=True, extra="forbid", allow_inf_nan=False, arbitrary_types_allowed=True, validate_default=True
)


def one_line(error: ValidationError, known: dict[str, Any], where: str) -> str:
    """The first problem of a pydantic error, in one line with the nearest valid name."""
    first = error.errors()[0]
    path = ".".join(str(p) for p in first["loc"])
    if first["type"] == "extra_forbidden":
        return f"{where}: unknown key {path!r}; {nearest(str(first['loc'][-1]), known)}"
    if first["type"] == "missing":
        return f"{where}: {path!r} is missing; set it"
    return f"{where}: {path or 'value'} = {first['input']!r} cannot stand: {first['msg'][0].lower()}{first['msg'][1:]}"


def validated(registry: Registry[Any], component: Component) -> BaseModel:
    """The parameters of a component as its factory declares them, defaults included; not those of nested components.

    Raises:
        RecipeError: for an unknown or wrong parameter.
        PluginError: for an unknown plug-in, or one whose parameters cannot be told.
    """
    factory = registry[component.name]
    try:
        model = schema(factory)
    except PluginError as error:
        raise PluginError(f"{registry.describe(component.name).label} cannot be used: {error}") from error
    try:
        return model.model_validate(component.parameters)
    except ValidationError as error:
        where = f"{registry.kind} {component.name!r}"
        raise RecipeError(one_line(error, dict(model.model_fields), where)) from None


def resolve(registry: Registry[Any], component: Component) -> Component:
    """The component with every parameter spelled out, defaults included; nested components too.

    Raises:
        RecipeError: for an unknown or wrong parameter.
        PluginError: for an unknown plug-in.
    """
    from isoscope.kinds import REGISTRIES

    values = validated(registry, component)
    out: dict[str, Any] = {"name": component.name}
    for name, info in type(values).model_fields.items():
        value = getattr(values, name)
        kind = next((m for m in info.metadata if isinstance(m, Kind)), None)
        out[name] = resolve(REGISTRIES[kind.name], value) if kind and value is not None else value
    return Component.model_validate(out)


def build(registry: Registry[Callable[..., T]], component: Component, *core: Any) -> T:
    """Call the factory behind a component with the core's arguments and the user's validated parameters.

    Raises:
        RecipeError: for an unknown or wrong parameter, or as the factory says.
        PluginError: for an unknown plug-in, or one that fails when it is called.
    """
    values = validated(registry, component)
    keywords = {name: getattr(values, name) for name in type(values).model_fields}
    factory, plugin = registry[component.name], registry.describe(component.name)
    try:
        with patience(plugin.label):
            return factory(*core, **keywords)
    except IsoscopeError:
        raise
    except Exception as error:
        raise PluginError(
            f"{plugin.label} fails when it is called ({said(error)}); repair or uninstall {plugin.distribution}"
        ) from error

"""Recipe keys as nested mappings: read from YAML, taken from the command line, laid one over another."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from isoscope.errors import RecipeError

__all__ = ["merge", "read", "set_"]


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Lay one nested mapping over another. A component of another name replaces the old one, parameters included.

    A component that is a plain name stays that one when it gets parameters.
    """
    out = dict(base)
    for key, value in over.items():
        old = out.get(key)
        if isinstance(old, Mapping) and "name" in old and isinstance(value, str):
            value = {"name": value}
        if isinstance(old, str) and isinstance(value, Mapping):
            old = {"name": old}
        if isinstance(old, Mapping) and isinstance(value, Mapping):
            same = value.get("name", old.get("name")) == old.get("name")
            out[key] = merge(old, value) if same else value
        else:
            out[key] = value
    return out


def set_(items: Iterable[str]) -> dict[str, Any]:
    """Turn `a.b=c` items into a nested mapping; c is read as YAML."""
    out: dict[str, Any] = {}
    for item in items:
        path, equals, text = item.partition("=")
        if not equals or not path:
            raise RecipeError(f"got --set {item!r}; expected KEY.KEY=VALUE, such as training.steps=500")
        try:
            value: Any = yaml.safe_load(text)
        except yaml.YAMLError:
            raise RecipeError(f"got --set {item!r}; its value is not valid YAML; quote it") from None
        for part in reversed(path.split(".")):
            value = {part: value}
        out = merge(out, _renamed(out, value))
    return out


def _renamed(said: Mapping[str, Any], value: Mapping[str, Any]) -> dict[str, Any]:
    """A component's name, said after its parameters, leaves them: the order of --set does not matter."""
    out = dict(value)
    for key, new in value.items():
        old = said.get(key)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            out[key] = _renamed(old, new)
        elif isinstance(old, Mapping) and "name" not in old and isinstance(new, str):
            out[key] = {**old, "name": new}
    return out


def read(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file.

    Raises:
        RecipeError: if the file is missing, not YAML, or not a mapping.
    """
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RecipeError(f"no recipe at {path}; `isoscope init TASK --source S --target T` writes one") from None
    except (yaml.YAMLError, UnicodeDecodeError, OSError) as error:
        raise RecipeError(f"{path} is not a YAML recipe: {str(error).splitlines()[0]}") from None
    if not isinstance(values, dict):
        raise RecipeError(f"{path} holds {type(values).__name__}; expected a mapping of recipe keys")
    return values

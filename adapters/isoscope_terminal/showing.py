"""`isoscope plugins show`: what a kind offers, what a plug-in is for and takes, and what a task proposes."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args, get_origin

import typer

from isoscope.errors import PluginError, nearest
from isoscope_terminal import options
from isoscope_terminal.suggestions import suggested, suggestion_said
from isoscope_terminal.voice import Voice

if TYPE_CHECKING:
    from pydantic import BaseModel

    from isoscope.registry import Registry

__all__ = ["show"]

_COLUMNS = ("name", "distribution", "doc")


def show(
    kind: Annotated[str, typer.Argument(help="generators, losses, tasks, …; the singular will do.")],
    name: Annotated[
        str | None, typer.Argument(help="As `isoscope plugins` lists it; none: all of the kind, a line each.")
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Show what a plug-in is for and which parameters it takes; of a task, what it proposes."""
    from isoscope import kinds

    registry = kinds.REGISTRIES[_kind(kind, list(kinds.REGISTRIES))]
    if name is None:
        rows = [_line(registry, each) for each in registry]
        document = {"kind": registry.kind, "plugins": rows}
        Voice(as_json).deliver(document) if as_json else Voice().table(_COLUMNS, [list(r.values()) for r in rows])
        return
    facts = _facts(registry, name)
    Voice(as_json).deliver(facts) if as_json else _page(facts)


def _line(registry: Registry[Any], name: str) -> dict[str, str]:
    """A plug-in with the first line of what it says of itself; one that cannot be used spoils no list."""
    owners = " and ".join(claim.distribution for claim in registry.plugins()[name])
    try:
        told = (inspect.getdoc(registry[name]) or "").partition("\n")[0]
    except PluginError as error:
        told = f"broken: {error}"
    return {"name": name, "distribution": owners, "doc": told}


def _facts(registry: Registry[Any], name: str) -> dict[str, Any]:
    from isoscope.parameters import schema

    plugin, factory = registry.describe(name), registry[name]
    model, text = schema(factory), inspect.getdoc(factory) or ""
    facts = {
        "kind": plugin.kind, "name": name, "distribution": plugin.distribution, "version": plugin.version,
        "doc": text, "parameters": _parameters(model, _arguments(text)),
    }  # fmt: skip
    return facts | ({"proposes": suggested(name)} if registry.kind == "tasks" else {})


def _kind(given: str, known: Sequence[str]) -> str:
    """The registry meant by a kind in singular or plural."""
    plural = {"loss": "losses"}.get(given, given if given in known else f"{given}s")
    if plural not in known:
        raise PluginError(f"no kind of plug-in is called {given!r}; {nearest(given, known)}")
    return plural


def _arguments(text: str) -> dict[str, str]:
    """What a Google-style docstring says of each argument."""
    out: dict[str, str] = {}
    _, _, section = text.partition("Args:\n")
    name = ""
    for line in section.split("\n\n")[0].splitlines():
        head, colon, rest = line.strip().partition(": ")
        if colon and len(line) - len(line.lstrip()) == 4:
            for name in (part.strip() for part in head.split(",")):
                out[name] = rest
        elif name:
            out[name] = f"{out[name]} {line.strip()}"
    return out


def _parameters(model: type[BaseModel], said: dict[str, str]) -> list[dict[str, Any]]:
    rows = []
    for name, info in model.model_fields.items():
        default = "required" if info.is_required() else _plain(info.default)
        doc = info.description or said.get(name, "")
        rows.append({"name": name, "type": _type(info.annotation, info.metadata), "default": default, "doc": doc})
    return rows


def _plain(value: Any) -> Any:
    dump = getattr(value, "model_dump", None)
    return (
        dump(mode="json") if dump else value if isinstance(value, (str, int, float, bool, type(None))) else str(value)
    )


def _type(annotation: Any, metadata: Sequence[Any]) -> str:
    """A type as people write it, with its bounds: `int >= 1`."""
    signs = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<"}
    bounds = [f"{sign} {getattr(m, key)}" for m in metadata for key, sign in signs.items() if hasattr(m, key)]
    name = annotation.__name__ if isinstance(annotation, type) else str(annotation).replace("typing.", "")
    if get_origin(annotation) is Literal:
        name = " | ".join(map(str, get_args(annotation)))
    if name == "Component":
        kinds = [str(m.name) for m in metadata if hasattr(m, "name")]
        name = f"one of the {kinds[0]}" if kinds else "a plug-in"
    return " ".join([name, ", ".join(bounds)]).strip()


def _page(facts: dict[str, Any]) -> None:
    voice = Voice()
    voice.show(f"{facts['kind']} {facts['name']} ({facts['distribution']} {facts['version']})")
    voice.show(facts["doc"].partition("\n\nArgs:")[0])
    if facts["kind"] == "tasks":
        for line in suggestion_said(facts["proposes"]):
            voice.show(line)
        return
    columns = ["name", "type", "default", "doc"]
    rows = [[p["name"], p["type"], str(p["default"]), p["doc"]] for p in facts["parameters"]]
    voice.table(columns, rows) if rows else voice.show("no parameters")

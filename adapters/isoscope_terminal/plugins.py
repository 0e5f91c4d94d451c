"""`isoscope plugins`: what is installed, and what it can be told."""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args, get_origin

import typer

from isoscope.errors import PluginError, nearest
from isoscope.registry import Plugin, installed
from isoscope.trial import LIMIT, tried
from isoscope_terminal import options
from isoscope_terminal.conformance import check
from isoscope_terminal.manners import mannered
from isoscope_terminal.scaffolding import new
from isoscope_terminal.voice import Voice

if TYPE_CHECKING:
    from pydantic import BaseModel

__all__ = ["app", "listed"]

app = typer.Typer(no_args_is_help=False)
for command in (new, check):
    app.command()(mannered(command))


@app.callback(invoke_without_command=True)
@mannered
def plugins(
    context: typer.Context,
    load: Annotated[bool, typer.Option("--load", help="Import each one, and say which are broken.")] = False,
    seconds: Annotated[
        float, typer.Option("--seconds", metavar="N", min=0.1, help="How long --load waits for each one.")
    ] = LIMIT,
    as_json: options.Json = False,
) -> None:
    """List the installed plug-ins, or show one of them."""
    if context.invoked_subcommand is not None:
        return
    rows = listed(installed(), load, seconds)
    if as_json:
        Voice(as_json).deliver({"plugins": rows})
    else:
        columns = ["kind", "name", "distribution", "version", "status"]
        Voice().table(columns, ([row[c] for c in columns] for row in rows))


def listed(found: Sequence[Plugin], load: bool, seconds: float = LIMIT) -> list[dict[str, str]]:
    """Each plug-in with its distribution and whether it is ok, claimed twice or, if it is imported, broken."""
    claims = Counter((p.kind, p.name) for p in found)
    single = [p for p in found if claims[p.kind, p.name] == 1]
    verdicts = dict(zip(single, tried(single, seconds) if load else ["ok"] * len(single), strict=True))
    return [_row(p, verdicts.get(p)) for p in found]


def _row(plugin: Plugin, verdict: str | None) -> dict[str, str]:
    facts = {"kind": plugin.kind, "name": plugin.name, "distribution": plugin.distribution, "version": plugin.version}
    status = "conflict" if verdict is None else verdict if verdict == "ok" else f"broken: {verdict}"
    return {**facts, "status": status}


@app.command()
@mannered
def show(
    kind: Annotated[str, typer.Argument(help="generators, losses, tasks, …; the singular will do.")],
    name: Annotated[str, typer.Argument(help="As `isoscope plugins` lists it.")],
    as_json: options.Json = False,
) -> None:
    """Show what a plug-in is for and which parameters it takes."""
    from isoscope import kinds
    from isoscope.parameters import schema

    registry = kinds.REGISTRIES[_kind(kind, list(kinds.REGISTRIES))]
    plugin = registry.describe(name)
    factory = registry[name]
    model, text = schema(factory), inspect.getdoc(factory) or ""
    facts = {
        "kind": plugin.kind, "name": name, "distribution": plugin.distribution, "version": plugin.version,
        "doc": text, "parameters": _parameters(model, _arguments(text)),
    }  # fmt: skip
    Voice(as_json).deliver(facts) if as_json else _page(facts)


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
    voice.say(f"{facts['kind']} {facts['name']} ({facts['distribution']} {facts['version']})")
    voice.say(facts["doc"].partition("\n\nArgs:")[0])
    columns = ["name", "type", "default", "doc"]
    rows = [[p["name"], p["type"], str(p["default"]), p["doc"]] for p in facts["parameters"]]
    voice.table(columns, rows) if rows else voice.say("no parameters")

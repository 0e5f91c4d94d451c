"""`isoscope plugins`: what is installed, and what it can be told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Annotated

import typer

from isoscope.registry import Plugin, installed
from isoscope.trial import LIMIT, tried
from isoscope_terminal import options
from isoscope_terminal.conformance import check
from isoscope_terminal.manners import mannered
from isoscope_terminal.scaffolding import new
from isoscope_terminal.showing import show
from isoscope_terminal.voice import Voice

__all__ = ["app", "list_all", "listed", "plugins"]

app = typer.Typer(no_args_is_help=False)
for command in (new, check, show):
    app.command()(mannered(command))

_Load = Annotated[bool, typer.Option("--load", help="Import each one, and say which are broken.")]
_Seconds = Annotated[float, typer.Option("--seconds", metavar="N", min=0.1, help="How long --load waits for each one.")]


@app.callback(invoke_without_command=True)
@mannered
def plugins(
    context: typer.Context, load: _Load = False, seconds: _Seconds = LIMIT, as_json: options.Json = False
) -> None:
    """List the installed plug-ins, or show one of them."""
    if context.invoked_subcommand is None:
        _list(load, seconds, as_json)


@app.command("list")
@mannered
def list_all(load: _Load = False, seconds: _Seconds = LIMIT, as_json: options.Json = False) -> None:
    """List the installed plug-ins: what `isoscope plugins` does."""
    _list(load, seconds, as_json)


def _list(load: bool, seconds: float, as_json: bool) -> None:
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

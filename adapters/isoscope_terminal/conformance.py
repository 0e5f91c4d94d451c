"""`isoscope plugins check`: hold installed plug-ins against what their kind promises."""

from __future__ import annotations

import multiprocessing
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from isoscope.errors import PluginError, UserError, nearest
from isoscope.registry import Plugin, installed
from isoscope_terminal import options
from isoscope_terminal.facts import counted
from isoscope_terminal.voice import Voice

__all__ = ["Verdict", "check", "judge"]

_LOSSES: tuple[dict[str, dict[str, float]] | None, ...] = (None, {"l1": {}}, {"lsgan": {}, "patchnce": {}})
"""What methods are tried with: the usual losses, those of pairs, those without a way back."""
_WIDTH = 4
"""Channels of networks that take a `width`, so that a check takes seconds."""
Status = Literal["ok", "failed", "unchecked"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one plug-in's check.

    Attributes:
        status: unchecked is what cannot be built without parameters that nobody but the user knows.
        reason: what was found and what was expected; empty if ok.
        seconds: how long it took.
    """

    kind: str
    name: str
    distribution: str
    version: str
    status: Status
    reason: str = ""
    seconds: float = 0.0


def check(
    name: Annotated[
        str | None, typer.Argument(help="Of a plug-in or a distribution; none: all that are installed.")
    ] = None,
    limit: Annotated[float, typer.Option("--limit", min=1, help="Seconds that one plug-in may take.")] = 300.0,
    as_json: options.Json = False,
) -> None:
    """Check that plug-ins do what their kind promises, each in a process that may hang or crash; exit code 1 if not."""
    voice, verdicts = Voice(as_json), []
    for verdict in _judged(_chosen(name), limit):
        verdicts.append(verdict)
        voice.show(_line(verdict)) if not as_json else None
    failed = sum(v.status == "failed" for v in verdicts)
    total = f"{counted(len(verdicts), 'plug-in')} checked, {failed} failed"
    voice.finish(total, {"ok": not failed, "plugins": [asdict(v) for v in verdicts]})
    if failed:
        raise typer.Exit(1)


def _chosen(name: str | None) -> list[Plugin]:
    found = installed()
    chosen = [p for p in found if name is None or name in (p.name, p.distribution)]
    if not chosen:
        known = {p.name for p in found} | {p.distribution for p in found}
        raise PluginError(f"no plug-in or distribution is called {name!r}; {nearest(str(name), known)}")
    return chosen


def _line(verdict: Verdict) -> str:
    owner = f"{verdict.distribution} {verdict.version}"
    told = f"{verdict.status:9} {verdict.kind} {verdict.name} ({owner})"
    return f"{told}: {verdict.reason}" if verdict.reason else told


def _judged(plugins: Sequence[Plugin], limit: float) -> Iterator[Verdict]:
    """One process checks one after another; where it hangs or dies, the next goes on with the rest."""
    left = list(plugins)
    while left:
        process, answers = _started(left)
        try:
            while left:
                plugin, began = left.pop(0), time.monotonic()
                status, reason, lives = _answer(answers, limit, process)
                facts = (plugin.kind, plugin.name, plugin.distribution, plugin.version)
                yield Verdict(*facts, status, reason, round(time.monotonic() - began, 1))
                if not lives:
                    break
        finally:
            process.kill()
            process.join()


def _started(plugins: Sequence[Plugin]) -> tuple[SpawnProcess, Connection]:
    context = multiprocessing.get_context("spawn")  # a forked torch may wait for threads that it no longer has
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=([(p.kind, p.name) for p in plugins], there), daemon=True)
    process.start()
    there.close()
    here.recv()  # until torch is there: that is not the plug-ins' time
    return process, here


def _answer(answers: Connection, limit: float, process: SpawnProcess) -> tuple[Status, str, bool]:
    """Status, reason, and whether the process can go on with the next one."""
    try:
        if answers.poll(limit):
            return (*answers.recv(), True)
    except EOFError:
        process.join()
        return "failed", f"it ended the process that checked it (exit code {process.exitcode})", False
    return "failed", f"it took more than {limit:g} s; repair it, or give it longer with --limit", False


def _work(wanted: Sequence[tuple[str, str]], answers: Connection) -> None:
    from isoscope import testing

    os.dup2(2, 1)  # what a plug-in prints must not get into the JSON
    answers.send(testing.__name__)
    for kind, name in wanted:
        answers.send(judge(kind, name))


def judge(kind: str, name: str) -> tuple[Status, str]:
    """Status and reason of one plug-in, checked in this process."""
    from isoscope import kinds
    from isoscope.parameters import schema

    try:
        if kind not in kinds.REGISTRIES:
            raise PluginError(f"no kind of plug-in is called {kind!r}; {nearest(kind, kinds.REGISTRIES)}")
        factory = kinds.REGISTRIES[kind][name]
        needed = [n for n, field in schema(factory).model_fields.items() if field.is_required()]
        if needed:
            return "unchecked", f"it has no defaults for {', '.join(needed)}; call isoscope.testing with some"
        _conforms(kind, factory if kind == "tasks" else partial(factory, **_small(factory)))
    except (Exception, SystemExit) as error:  # whatever a plug-in does is the answer
        return "failed", _reason(error)
    return "ok", ""


def _small(factory: Any) -> dict[str, Any]:
    """Parameters that keep its networks small, and those of the plug-ins that it is made of."""
    from isoscope import kinds
    from isoscope.parameters import Component, Kind, schema

    given: dict[str, Any] = {}
    for name, field in schema(factory).model_fields.items():
        kind = next((m for m in field.metadata if isinstance(m, Kind)), None)
        if name == "width":
            given[name] = _WIDTH
        elif kind and isinstance(field.default, Component):
            inner = _small(kinds.REGISTRIES[kind.name][field.default.name])
            given[name] = Component.model_validate(field.default.model_dump() | inner)
    return given


def _reason(error: BaseException) -> str:
    told = isinstance(error, AssertionError | UserError) and str(error)
    return " ".join((told or f"{type(error).__name__}: {error}").split())


def _conforms(kind: str, factory: Any) -> None:
    from isoscope import testing

    if kind == "stores":
        with tempfile.TemporaryDirectory(prefix="isoscope-check-") as folder:
            testing.check_store(factory, Path(folder))
    elif kind == "methods":
        _check_method(factory)
    else:
        getattr(testing, f"check_{'loss' if kind == 'losses' else kind.removesuffix('s')}")(factory)


def _check_method(factory: Any) -> None:
    """With the first losses that it takes; methods refuse what they have no use for."""
    from isoscope.recipe import Term
    from isoscope.testing import check_method

    refusals = []
    for losses in _LOSSES:
        terms = {label: Term.model_validate(keys) for label, keys in losses.items()} if losses else None
        try:
            check_method(factory, losses=terms)
        except UserError as error:
            refusals.append(str(error))
        else:
            return
    raise AssertionError(f"it refuses all losses that methods are tried with ({'; '.join(refusals)})")

"""Load plug-ins in a process of their own, where one that hangs or crashes takes nobody along."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from typing import IO

from isoscope.errors import PluginError
from isoscope.registry import Plugin

__all__ = ["LIMIT", "answer", "tried"]

LIMIT = 30.0
"""Seconds that one plug-in may take, torch not counted."""


def tried(plugins: Sequence[Plugin], seconds: float = LIMIT) -> Iterator[str]:
    """Load installed plug-ins one after the other, elsewhere.

    Args:
        plugins: each name claimed by one distribution only.
        seconds: that each may take.

    Yields:
        Of each "ok", or what is wrong with it and the remedy.
    """
    waiting = list(plugins)
    while waiting:
        done = 0
        for verdict in _some(waiting, seconds):
            yield verdict
            done += 1
        waiting = waiting[done:]


def _some(plugins: Sequence[Plugin], seconds: float) -> Iterator[str]:
    """The verdicts of one process: on all plug-ins, or up to and with the first that ends it."""
    paths = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    with subprocess.Popen(
        [sys.executable, "-P", "-c", "from isoscope.trial import answer; answer()"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=paths,
    ) as process:  # fmt: skip
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps([[p.kind, p.name] for p in plugins]) + "\n")
        process.stdin.flush()
        try:
            process.stdout.readline()  # torch is there
            for plugin in plugins:
                line, late = _line(process, process.stdout, seconds)
                yield json.loads(line) if line else _ended(plugin, process, seconds if late else None)
                if not line:
                    return
        finally:
            process.kill()


def _line(process: subprocess.Popen[str], answers: IO[str], seconds: float) -> tuple[str, bool]:
    """The next answer and whether it came too late; a process that gives none in time is ended."""
    late = threading.Event()

    def end() -> None:
        late.set()
        process.kill()

    timer = threading.Timer(seconds, end)
    timer.start()
    try:
        return answers.readline(), late.is_set()
    finally:
        timer.cancel()


def _ended(plugin: Plugin, process: subprocess.Popen[str], seconds: float | None) -> str:
    remedy = f"repair or uninstall {plugin.distribution}"
    if seconds is not None:
        return f"hangs (was not imported within {seconds:g} s); {remedy}"
    return f"ends the process that imports it (exit code {process.wait()}); {remedy}"


def answer() -> None:
    """The other process: reads kinds and names from stdin, writes a verdict per line to stdout."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what plug-ins print is no answer
    importlib.import_module("torch")  # takes seconds that no plug-in is to blame for
    answers.write("ready\n")
    answers.flush()
    for kind, name in json.loads(sys.stdin.readline()):
        answers.write(json.dumps(_verdict(kind, name)) + "\n")
        answers.flush()
    os._exit(0)  # whatever threads and exit hooks plug-ins left behind


def _verdict(kind: str, name: str) -> str:
    from isoscope.kinds import REGISTRIES

    if kind not in REGISTRIES:
        return f"is of a kind that this isoscope does not have; known: {', '.join(sorted(REGISTRIES))}"
    registry = REGISTRIES[kind]
    try:
        registry[name]
    except PluginError as error:
        return str(error).removeprefix(f"{registry.describe(name).label} ")
    return "ok"

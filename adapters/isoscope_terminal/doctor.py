"""`isoscope doctor`."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import typer

from isoscope.registry import installed
from isoscope_terminal import options
from isoscope_terminal.plugins import listed
from isoscope_terminal.voice import Voice, complain, told

__all__ = ["doctor"]


def doctor(as_json: options.Json = False) -> None:
    """Say what this machine and installation are, and try whether they work; paste it into reports of bugs.

    Takes a few seconds: a few steps of training, and a prediction in tiles against one at once.
    """
    from isoscope.doctor import machine, versions

    facts = {
        "versions": versions(), "machine": machine(Path.cwd()), "plugins": listed(installed(), load=True),
        "self_test": _tried(),
    }  # fmt: skip
    problems = list(_problems(facts))
    for problem in problems:
        complain(f"error: {problem}")
    Voice(as_json).finish("\n".join(_lines(facts, problems)), {"ok": not problems, "problems": problems, **facts})
    if problems:
        raise typer.Exit(1)


def _tried() -> dict[str, Any]:
    """The self-test, whatever becomes of it."""
    from isoscope.doctor import self_test

    with tempfile.TemporaryDirectory(prefix="isoscope-doctor-") as scratch:
        try:
            return {**self_test(Path(scratch)), "error": None}
        except Exception as error:  # what is broken here is the answer, not a reason to fail
            text = told(error)[0].removeprefix("internal ").removeprefix("error: ")
            return {"ok": False, "difference": None, "seconds": None, "error": text}


def _problems(facts: Mapping[str, Any]) -> Iterator[str]:
    yield from (f"{name} is not installed; install isoscope again" for name, v in facts["versions"].items() if not v)
    for plugin in facts["plugins"]:
        if plugin["status"] != "ok":
            owner = f"{plugin['distribution']} {plugin['version']}"
            remedy = "" if plugin["status"] != "conflict" else " with another; uninstall one of them"
            yield f"{plugin['kind']} plug-in {plugin['name']} of {owner} is {plugin['status']}{remedy}"
    test = facts["self_test"]
    if test["error"]:
        yield f"the self-test failed: {test['error']}"
    elif not test["ok"]:
        yield f"tiles change the picture by {test['difference']:.2g} of its range; expected at most 0.001; report this"


def _lines(facts: Mapping[str, Any], problems: list[str]) -> Iterator[str]:
    host, test, found = facts["machine"], facts["self_test"], facts["plugins"]
    packages = [f"{name} {number or 'missing'}" for name, number in facts["versions"].items()]
    passed = f"passed in {test['seconds']} s; tiles change the picture by {test['difference'] or 0:.1g} of its range"
    yield from (
        f"{label:11}{text}"
        for label, text in {
            "system": host["system"],
            "devices": f"{'; '.join(host['devices'])}; used: {host['used']}",
            "processor": ", ".join(host["processor"]) or "unknown",
            "precision": "bfloat16 in training" if host["bfloat16"] else "float32",
            "threads": f"{host['threads']} on {host['processors']} processors",
            "memory": f"{_gib(host['memory'])}, of which {_gib(host['memory_free'])} free",
            "disk": f"{_gib(host['disk_free'])} free in {Path.cwd()}",
            "packages": ", ".join(packages),
            "plug-ins": f"{len(found)}, of which {sum(p['status'] == 'ok' for p in found)} work",
            "self-test": passed if test["ok"] else "failed",
        }.items()
    )
    yield "all is well" if not problems else f"not well: {len(problems)} found, see above"


def _gib(size: int | None) -> str:
    return "unknown" if size is None else f"{size / 2**30:.1f} GiB"

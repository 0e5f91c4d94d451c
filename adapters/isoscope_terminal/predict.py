"""`isoscope predict`."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from isoscope_terminal import options
from isoscope_terminal.facts import counted
from isoscope_terminal.outputs import Item, check_places, opened, place
from isoscope_terminal.progress import Live
from isoscope_terminal.stopping import stoppable
from isoscope_terminal.voice import Voice

if TYPE_CHECKING:
    from isoscope.inference import Plan, Tally
    from isoscope.kinds import Direction
    from isoscope.model import Model

__all__ = ["predict"]


@dataclass(frozen=True, slots=True)
class _Task:
    """One image, what will be done to it, and where the result goes."""

    item: Item
    plan: Plan
    out: Path


def predict(
    run: Annotated[Path, typer.Argument(help="Folder that `isoscope train --out` wrote.")],
    inputs: Annotated[list[str], typer.Argument(metavar="INPUT...", help="Files, stores, folders or quoted globs.")],
    out: Annotated[Path, typer.Option("--out", help="A file for one image; a folder for many.")],
    direction: options.Direction = "a2b",
    tile: Annotated[
        int | None, typer.Option(min=1, help="Side of a tile's kept core in px; the picture is the same.")
    ] = None,
    tiling: Annotated[str | None, typer.Option(help="How tiles meet: overlap, feathered, …")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and stop.")] = False,
    overwrite: options.Overwrite = False,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Transform images with a trained run. Same size, same pixel size, grey values on the target's scale."""
    voice = Voice(as_json, quiet)
    model, tasks = _prepared(run, inputs, out, direction, tile, tiling, overwrite)
    reports = [_facts(t) for t in tasks]
    if dry_run:
        voice.finish("\n".join(_planned(r) for r in reports), {"run": str(run), "dry_run": True, "images": reports})
        return
    for number, (task, report) in enumerate(zip(tasks, reports, strict=True), 1):
        report |= _one(task, model, f"{number}/{len(tasks)} {report['name']}", quiet)
        voice.say(_done(report))
    voice.finish(
        f"wrote {counted(len(tasks), 'image')} to {out}", {"run": str(run), "dry_run": False, "images": reports}
    )


def _prepared(
    run: Path, inputs: list[str], out: Path, direction: str, tile: int | None, tiling: str | None, overwrite: bool
) -> tuple[Model, list[_Task]]:
    """The model, and every image with its plan and its output, all checked before any is computed."""
    from isoscope import inference, kinds

    if tiling is not None:
        kinds.tilings[tiling]
    items = opened(inputs)
    model = inference.load(run, cast("Direction", direction)).model
    plans = [inference.plan(model, item.volume, tile=tile, tiling=tiling) for item in items]
    places = place(items, plans, out)
    check_places(places, items, overwrite)
    return model, [_Task(*parts) for parts in zip(items, plans, places, strict=True)]


def _facts(task: _Task) -> dict[str, Any]:
    """What the plan says of one image."""
    plan, grid = task.plan, task.plan.grid
    per_plane = [-(-n // grid.core) for n in grid.size]
    frames = len({job.frame for job in plan.jobs})
    return {
        "name": plan.header.name, "input": str(task.item.path), "output": str(task.out),
        "input_shape": list(task.item.volume.header.shape), "shape": list(plan.header.shape),
        "dtype": str(plan.header.dtype), "tiles": per_plane[0] * per_plane[1] * frames, "shards": len(plan.jobs),
        "core": grid.core, "halo": grid.halo, "tiling": plan.tiling.name,
    }  # fmt: skip


def _planned(facts: dict[str, Any]) -> str:
    shape = " x ".join(str(n) for n in facts["shape"])
    return (
        f"{facts['input']} -> {facts['output']}: {shape} (TCZYX) {facts['dtype']}, "
        f"{counted(facts['tiles'], 'tile')} of {facts['core']} px + {facts['halo']} px halo ({facts['tiling']}), "
        f"{counted(facts['shards'], 'shard')}"
    )


def _one(task: _Task, model: Model, label: str, quiet: bool) -> dict[str, Any]:
    """Predict one image; how long it took, and which fraction of its pixels did not fit the output's type.

    Raises:
        Interrupted: after Ctrl-C; nothing of this image is kept.
    """
    started = time.monotonic()
    with stoppable() as stop, Live(label, quiet) as live:
        tally = _streamed(task, model, live.update, stop)
    return {"clipped_fraction": tally.clipped / max(1, tally.pixels), "seconds": round(time.monotonic() - started, 3)}


def _streamed(task: _Task, model: Model, progress: Callable[[int, int], None], stop: Callable[[], bool]) -> Tally:
    from isoscope.inference import stream
    from isoscope.sources import store_for_writing

    sink = store_for_writing(task.out).create(task.out, task.plan.header, task.plan.layout)
    return stream(task.plan, model, task.item.volume, sink, progress=progress, stop=stop)


def _done(report: dict[str, Any]) -> str:
    clipped = report["clipped_fraction"]
    note = f", {clipped:.2%} of the values clipped to {report['dtype']}" if clipped else ""
    return f"{report['input']} -> {report['output']} in {report['seconds']:.1f} s{note}"

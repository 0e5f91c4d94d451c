"""`isoscope predict`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from isoscope_terminal import options
from isoscope_terminal.batch import Progress, Stop, Tidy, Work, run_all, summary
from isoscope_terminal.facts import counted
from isoscope_terminal.outputs import Item, check_places, finished, opened, place
from isoscope_terminal.readers import Reading, reads
from isoscope_terminal.tiles import counting
from isoscope_terminal.versions import OmeZarr, check_version, store_for
from isoscope_terminal.voice import Voice

if TYPE_CHECKING:
    from isoscope.inference import Plan
    from isoscope.kinds import Direction
    from isoscope.model import Model

__all__ = ["predict"]


@dataclass(frozen=True, slots=True)
class _Task:
    """One image, what will be done to it, and where the result goes."""

    item: Item
    plan: Plan
    out: Path
    ome_zarr: str | None


@reads()
def predict(
    run: Annotated[Path, typer.Argument(help="Folder that `isoscope train --out` wrote.")],
    inputs: Annotated[list[str], typer.Argument(metavar="INPUT...", help="Files, stores, folders or quoted globs.")],
    out: Annotated[Path, typer.Option("--out", help="A file for one image; a folder for many.")],
    reading: Reading,
    direction: options.Direction = "a2b",
    tile: Annotated[
        int | None, typer.Option(min=1, help="Side of a tile's kept core in px; the picture is the same.")
    ] = None,
    tiling: Annotated[str | None, typer.Option(help="How tiles meet: overlap, feathered, …")] = None,
    ome_zarr: OmeZarr = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and stop.")] = False,
    resume: options.Resume = False,
    overwrite: options.Overwrite = False,
    as_json: options.Json = False,
) -> None:
    """Transform images with a trained run. Same size, same pixel size, grey values on the target's scale.

    An image that fails does not stop the others; Ctrl-C stops, and the same command with --resume goes on.
    """
    voice = Voice(as_json)
    options.either(resume=resume, overwrite=overwrite)
    model, tasks = _prepared(run, inputs, out, reading, direction, tile, tiling, ome_zarr)
    check_places([t.out for t in tasks], [t.item for t in tasks], overwrite, resume)
    reports = [_facts(task) for task in tasks]
    document = {"run": str(run), "dry_run": dry_run, "images": reports}
    if dry_run:
        voice.finish("\n".join(_planned(r) for r in reports), document)
        return
    _predicted(model, tasks, reports, resume)
    for report in reports:
        voice.say(_done(report)) if len(reports) == 1 else None
    summary(voice, out, reports, document)


def _prepared(
    run: Path, inputs: list[str], out: Path, reading: Reading, direction: str, tile: int | None, tiling: str | None,
    ome_zarr: str | None,
) -> tuple[Model, list[_Task]]:  # fmt: skip
    """The model, and every image with its plan and its output."""
    from isoscope import inference, kinds

    if tiling is not None:
        kinds.tilings[tiling]
    items = opened(inputs, reading)
    model = inference.load(run, cast("Direction", direction)).model
    plans = [inference.plan(model, item.volume, tile=tile, tiling=tiling) for item in items]
    places = place(items, plans, out, ".ome.zarr" if ome_zarr else None)
    check_version(ome_zarr, places)
    return model, [_Task(*parts, ome_zarr) for parts in zip(items, plans, places, strict=True)]


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


def _predicted(model: Model, tasks: Sequence[_Task], reports: Sequence[dict[str, Any]], resume: bool) -> None:
    """Predict every image, and write into its report what became of it."""
    works = [
        Work(r["name"], t.out, r["tiles"], partial(_stream, t, model, r["tiles"], resume), finished(t.out, resume))
        for t, r in zip(tasks, reports, strict=True)
    ]
    for report, result in zip(reports, run_all(works, "predicting"), strict=True):
        report |= result


def _stream(task: _Task, model: Model, tiles: int, resume: bool, progress: Progress, stop: Stop) -> dict[str, Any]:
    """Predict one image; which fraction of its pixels did not fit the output's type.

    Raises:
        Interrupted: after Ctrl-C.
    """
    from isoscope.inference import stream

    store = store_for(task.out, task.ome_zarr)
    sink = store.create(
        task.out, task.plan.header, task.plan.layout, fingerprint=_fingerprint(task, model), resume=resume
    )
    watched, jobs = counting(model, tiles, len(task.plan.jobs), progress)
    tally = stream(task.plan, watched, task.item.volume, Tidy(sink, task.plan.jobs[0].box), progress=jobs, stop=stop)
    return {"clipped_fraction": tally.clipped / max(1, tally.pixels), "resumed_shards": tally.skipped}


def _fingerprint(task: _Task, model: Model) -> dict[str, Any]:
    """All that decides the prediction, so that what is resumed is the same."""
    from isoscope.writing.ledger import identity

    given = task.item.volume.header
    return {
        "model": model.sha256, "direction": model.direction, "core": task.plan.grid.core,
        "tiling": task.plan.tiling.model_dump(mode="json"),
        "input": {
            "content": identity(task.item.path), "name": given.name, "shape": list(given.shape),
            "read_as": given.attributes.get("read_as", {}),
        },
    }  # fmt: skip


def _done(report: dict[str, Any]) -> str:
    if report["kept"]:
        return f"kept {report['output']}: it was there, and its format does not tell what it was made from"
    clipped = report["clipped_fraction"]
    note = f", {clipped:.2%} of the values clipped to {report['dtype']}" if clipped else ""
    return f"{report['input']} -> {report['output']} in {report['seconds']:.1f} s{note}"

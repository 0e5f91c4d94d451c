"""`isoscope predict`."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from isoscope_terminal import options
from isoscope_terminal.batch import Progress, Stop, Work, run_all, summary, unfamiliar_said
from isoscope_terminal.inputs import Failed, Item, opened, planned
from isoscope_terminal.making import predicted
from isoscope_terminal.outputs import check_places, finished, place
from isoscope_terminal.plans import Task, add_costs, check_room, facts, lines
from isoscope_terminal.readers import Reading, reads
from isoscope_terminal.versions import OmeZarr, check_version
from isoscope_terminal.voice import Voice

if TYPE_CHECKING:
    from isoscope.inference import Plan
    from isoscope.model import Model

__all__ = ["predict"]


@reads()
def predict(
    run: Annotated[Path, typer.Argument(help="Folder that `isoscope train --out` wrote.")],
    inputs: Annotated[
        list[str], typer.Argument(metavar="INPUT...", help="Files, stores, folders, quoted globs or a CSV of them.")
    ],
    out: Annotated[Path, typer.Option("--out", help="A file for one image; a folder for many.")],
    reading: Reading,
    direction: options.Direction = "a2b",
    tile: Annotated[
        int | None, typer.Option(min=1, help="Side of a tile's kept core in px; the picture is the same.")
    ] = None,
    tiling: Annotated[str | None, typer.Option(help="How tiles meet: overlap, feathered, …")] = None,
    normalisation: Annotated[
        str | None,
        typer.Option(help="Statistics: frozen (of the training set), dense (of the surroundings) or tile (shows)."),
    ] = None,
    precision: Annotated[
        str | None, typer.Option(help="float32, or bfloat16: faster where the processor has it, and rougher.")
    ] = None,
    batch: Annotated[
        int | None, typer.Option(min=1, help="Tiles at a time; else measured. The picture is the same.")
    ] = None,
    skip_background: Annotated[
        bool, typer.Option("--skip-background", help="Of slides: fill tiles without tissue instead of computing them.")
    ] = False,
    ome_zarr: OmeZarr = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done and cost, and stop.")] = False,
    resume: options.Resume = False,
    overwrite: options.Overwrite = False,
    as_json: options.Json = False,
) -> None:
    """Transform images with a trained run. Same size, same pixel size, grey values on the target's scale.

    An image that fails does not stop the others; Ctrl-C stops, and the same command with --resume goes on.
    """
    voice = Voice(as_json)
    options.either(resume=resume, overwrite=overwrite)
    how = {"normalisation": normalisation, "precision": precision}
    model, tasks = _prepared(
        run, inputs, out, reading, direction, how, {"tile": tile, "tiling": tiling}, ome_zarr, skip_background
    )
    good = [task for task in tasks if isinstance(task, Task)]
    check_places([t.out for t in good], [t.item for t in good], overwrite, resume)
    reports = [task.facts() if isinstance(task, Failed) else facts(task) for task in tasks]
    document = {"run": str(run), "dry_run": dry_run, "images": reports}
    if dry_run:
        add_costs(model, good, [r for r in reports if r["output"]])
        voice.finish("\n".join(lines(tasks, reports)), document)
        return
    check_room(good)
    works = [
        task.work() if isinstance(task, Failed) else _work(task, report, model, resume, batch)
        for task, report in zip(tasks, reports, strict=True)
    ]
    for report, result in zip(reports, run_all(works, "predicting"), strict=True):
        report |= result
    for report in reports:
        voice.say(_done(report)) if len(reports) == 1 else None
    summary(voice, out, reports, document)


def _prepared(
    run: Path, inputs: list[str], out: Path, reading: Reading, direction: str, how: dict[str, str | None],
    grid: dict[str, Any], ome_zarr: str | None, skip: bool,
) -> tuple[Model, list[Task | Failed]]:  # fmt: skip
    """The model, and every image with its plan and its output."""
    from isoscope import inference, kinds

    if grid["tiling"] is not None:
        kinds.tilings[grid["tiling"]]
    items = opened(inputs, reading)
    model = inference.load(run, cast("Any", direction), **cast("Any", how)).model
    plans = planned(items, partial(_plan, model=model, grid=grid, skip=skip))
    good = [found for found in plans if not isinstance(found, Failed)]
    suffix = ".ome.zarr" if ome_zarr else None
    lost = len(plans) - len(good)
    places = place([item for item, _ in good], [plan for _, plan in good], out, suffix, unusable=lost)
    check_version(ome_zarr, places)
    left, store = iter(places), {"version": ome_zarr} if ome_zarr else None
    return model, [found if isinstance(found, Failed) else _task(*found, next(left), store) for found in plans]


def _plan(item: Item, model: Model, grid: dict[str, Any], skip: bool) -> Plan:
    from isoscope import inference

    made = inference.plan(model, item.volume, source=item.address, **grid)
    return inference.skipping(made, model, item.volume) if skip else made


def _task(item: Item, plan: Plan, out: Path, store: dict[str, Any] | None) -> Task:
    return Task(item, replace(plan, output=out, store=store), out)


def _work(task: Task, report: dict[str, Any], model: Model, resume: bool, batch: int | None) -> Work:
    """What is to be done for one image."""
    do = partial(_stream, task, model, resume, batch)
    return Work(report["name"], task.out, report["tiles"], do, finished(task.out, resume))


def _stream(
    task: Task, model: Model, resume: bool, batch: int | None, progress: Progress, stop: Stop
) -> dict[str, Any]:
    """Predict one image; which fractions of its pixels did not fit the output's type, and of the input's were unknown.

    Raises:
        Interrupted: after Ctrl-C.
    """
    tally = predicted(task.plan, model, task.item.volume, resume, progress, stop, batch)
    return {
        "clipped_fraction": tally.clipped_fraction, "unfamiliar_fraction": tally.unfamiliar_fraction,
        "resumed_shards": tally.skipped,
    }  # fmt: skip


def _done(report: dict[str, Any]) -> str:
    if report["kept"]:
        return f"kept {report['output']}: it was there, and its format does not tell what it was made from"
    clipped = report["clipped_fraction"]
    note = f", {clipped:.2%} of the values clipped to {report['dtype']}" if clipped else ""
    note += unfamiliar_said(report)
    if skipped := report["background_skipped"]:
        note += f", {skipped['fraction']:.0%} skipped as background"
    return f"{report['input']} -> {report['output']} in {report['seconds']:.1f} s{note}"

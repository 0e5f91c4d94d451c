"""`isoscope labels`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from isoscope_terminal import options
from isoscope_terminal.batch import Progress, Stop, Work, run_all, summary
from isoscope_terminal.inputs import Failed, Item, opened, planned
from isoscope_terminal.making import converted
from isoscope_terminal.outputs import check_places, finished, place
from isoscope_terminal.readers import Reading, reads
from isoscope_terminal.versions import OmeZarr, check_version, store_for
from isoscope_terminal.voice import Voice

if TYPE_CHECKING:
    from isoscope.writing.conversion import Conversion

__all__ = ["labels"]


@dataclass(frozen=True, slots=True)
class _Task:
    """One image, how its objects are found, and where they go."""

    item: Item
    conversion: Conversion
    out: Path
    ome_zarr: str | None


@reads()
def labels(
    inputs: Annotated[
        list[str], typer.Argument(metavar="INPUT...", help="What a run of `segment` predicted: files, folders, globs.")
    ],
    out: Annotated[Path, typer.Option("--out", help="A file for one image; a folder for many.")],
    reading: Reading,
    otsu: Annotated[
        float | None,
        typer.Option(metavar="SIGMA", min=0.0, help="Inputs are images: blur by so many px, Otsu's threshold."),
    ] = None,
    threshold: Annotated[
        float, typer.Option(min=0.0, help="Depth in px from which a pixel is part of an object; not with --otsu.")
    ] = 0.5,
    dip: Annotated[
        float | None,
        typer.Option(min=0.0, help="Least depth in px of a seam between two objects: 0.25, with --otsu 1."),
    ] = None,
    smallest: Annotated[int, typer.Option(min=0, help="Leave out objects of fewer pixels.")] = 16,
    to: Annotated[str | None, typer.Option("--to", metavar="SUFFIX", help="Format of files in a folder.")] = None,
    ome_zarr: OmeZarr = None,
    resume: options.Resume = False,
    overwrite: options.Overwrite = False,
    as_json: options.Json = False,
) -> None:
    """Number the objects in predicted depth maps, or in images by Otsu's threshold; touching ones by watershed.

    Writes 32-bit labels: 0 is background, each plane counts its objects from 1.
    """
    options.either(resume=resume, overwrite=overwrite)
    least = dip if dip is not None else 0.25 if otsu is None else 1.0
    how = {"dip": least, "smallest": smallest, **({"threshold": threshold} if otsu is None else {"sigma": otsu})}
    tasks = _prepared(inputs, out, to and f".{to.lstrip('.')}", reading, how, ome_zarr)
    good = [task for task in tasks if isinstance(task, _Task)]
    check_places([t.out for t in good], [t.item for t in good], overwrite, resume)
    reports = [task.facts() if isinstance(task, Failed) else _facts(task) for task in tasks]
    works = [
        t.work() if isinstance(t, Failed)
        else Work(r["name"], t.out, sum(1 for _ in t.conversion.boxes()), partial(_run, t, reading, how, resume),
                  finished(t.out, resume))
        for t, r in zip(tasks, reports, strict=True)
    ]  # fmt: skip
    for report, result in zip(reports, run_all(works, "finding objects"), strict=True):
        report |= result
    summary(Voice(as_json), out, reports, {"how": how, "images": reports})


def _prepared(
    inputs: Sequence[str], out: Path, suffix: str | None, reading: Reading, how: dict[str, Any], ome_zarr: str | None
) -> list[_Task | Failed]:
    """Every image with how its objects are found and its output."""
    plans = planned(opened(inputs, reading), partial(_plan, how=how))
    good = [found for found in plans if not isinstance(found, Failed)]
    lost = len(plans) - len(good)
    places = place([item for item, _ in good], [made for _, made in good], out, suffix, unusable=lost)
    check_version(ome_zarr, places)
    left = iter(places)
    return [found if isinstance(found, Failed) else _Task(*found, next(left), ome_zarr) for found in plans]


def _plan(item: Item, how: dict[str, Any]) -> Conversion:
    from isoscope.objects import LabelVolume, by_depth, by_otsu
    from isoscope.writing import conversion

    find = by_otsu if "sigma" in how else by_depth
    found = LabelVolume(item.volume, partial(find, **how), {"by": find.__name__.removeprefix("by_"), **how})
    return conversion.plan(found, levels=1)  # means of labels, as pyramids hold, are no labels


def _facts(task: _Task) -> dict[str, Any]:
    header = task.conversion.header
    return {
        "name": header.name, "input": str(task.item.path), "output": str(task.out), "shape": list(header.shape),
        "dtype": str(header.dtype),
    }  # fmt: skip


def _run(
    task: _Task, reading: Reading, how: dict[str, Any], resume: bool, progress: Progress, stop: Stop
) -> dict[str, Any]:
    """Write the objects of one image; one worker, as shards of a plane share its watershed.

    Raises:
        Interrupted: after Ctrl-C.
    """
    from isoscope.writing.ledger import identity

    store = store_for(task.out, task.ome_zarr)
    converted(
        task.conversion, task.out, store, resume, progress, stop, 1, content=identity(task.item.path),
        read_as=reading.facts(), labels=how,
    )  # fmt: skip
    return {}

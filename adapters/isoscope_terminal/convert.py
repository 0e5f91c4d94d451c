"""`isoscope convert`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from isoscope.errors import DataError
from isoscope_terminal import options
from isoscope_terminal.batch import Progress, Stop, Work, run_all, summary
from isoscope_terminal.crops import parsed
from isoscope_terminal.inputs import Failed, Item, opened, planned
from isoscope_terminal.making import converted
from isoscope_terminal.outputs import check_places, finished, place
from isoscope_terminal.readers import Reading, reads
from isoscope_terminal.versions import OmeZarr, check_version, store_for
from isoscope_terminal.voice import Voice

if TYPE_CHECKING:
    from isoscope.writing.conversion import Conversion

__all__ = ["convert"]

_TYPES = ("uint8", "uint16", "uint32", "int8", "int16", "int32", "float16", "float32", "float64")


@dataclass(frozen=True, slots=True)
class _Task:
    """One image, how it is converted, and where the result goes."""

    item: Item
    conversion: Conversion
    out: Path
    files: tuple[Path, ...]
    ome_zarr: str | None


@reads()
def convert(
    paths: Annotated[
        list[str],
        typer.Argument(metavar="IN... OUT", help="Files, stores, folders or quoted globs; then a file or a folder."),
    ],
    reading: Reading,
    to: Annotated[str, typer.Option("--to", metavar="SUFFIX", help="Format of files in a folder.")] = ".ome.zarr",
    stack: Annotated[
        str | None, typer.Option(metavar="T|C|Z", help="Make one image of all inputs, along this axis, in their order.")
    ] = None,
    dtype: Annotated[
        str | None, typer.Option(help="Another type, such as uint8: values are clipped and rounded, never rescaled.")
    ] = None,
    grey: Annotated[bool, typer.Option("--grey", help="Turn RGB into luminance.")] = False,
    crop: Annotated[
        str | None, typer.Option(metavar="[Z0:Z1,]Y0:Y1,X0:X1", help="Keep only this part, in pixels from 0.")
    ] = None,
    downsample: Annotated[int, typer.Option(metavar="N", min=1, help="Average squares of N x N pixels.")] = 1,
    levels: Annotated[int | None, typer.Option(metavar="N", min=1, help="Of the pyramid; 1: none.")] = None,
    codec: Annotated[str, typer.Option(help="Compression of OME-Zarr: zstd, blosc, gzip or none.")] = "zstd",
    ome_zarr: OmeZarr = None,
    workers: Annotated[int, typer.Option(min=1, help="Shards in hand at the same time.")] = 2,
    resume: options.Resume = False,
    overwrite: options.Overwrite = False,
    as_json: options.Json = False,
) -> None:
    """Write images in another format: grey values to the bit, with pixel size, axes and channel names.

    An image that fails does not stop the others; Ctrl-C stops, and the same command with --resume goes on.
    """
    options.either(resume=resume, overwrite=overwrite)
    if len(paths) < 2:
        raise DataError(f"got only {paths[0]}; expected inputs and, last, an output; add the output")
    inputs, out = paths[:-1], Path(paths[-1])
    wishes = {"dtype": _type(dtype), "grey": grey, "downsample": downsample, "levels": levels, "codec": codec}
    tasks = _prepared(inputs, out, to, reading, crop, stack, ome_zarr, wishes)
    good = [task for task in tasks if isinstance(task, _Task)]
    check_places([t.out for t in good], [t.item for t in good], overwrite, resume)
    reports = [task.facts() if isinstance(task, Failed) else _facts(task) for task in tasks]
    works = [
        t.work() if isinstance(t, Failed)
        else Work(r["name"], t.out, r["shards"], partial(_run, t, reading, workers, resume), finished(t.out, resume))
        for t, r in zip(tasks, reports, strict=True)
    ]  # fmt: skip
    for report, result in zip(reports, run_all(works, "converting"), strict=True):
        report |= result
    voice = Voice(as_json)
    for report in reports:
        voice.say(_done(report)) if len(reports) == 1 else None
    summary(voice, out, reports, {"images": reports})


def _type(name: str | None) -> str | None:
    if name is not None and name not in _TYPES:
        raise DataError(f"got --dtype {name}; expected one of {', '.join(_TYPES)}; choose one of them")
    return name


def _prepared(
    inputs: Sequence[str],
    out: Path,
    to: str,
    reading: Reading,
    crop: str | None,
    stack: str | None,
    ome_zarr: str | None,
    wishes: dict[str, Any],
) -> list[_Task | Failed]:
    """Every image with what will be done to it and its output."""
    from isoscope.writing.conversion import plan

    items = opened(inputs, reading)
    files = tuple(item.path for item in items)
    items = items if stack is None else [_stacked(items, stack)]
    plans = planned(
        items, lambda i: plan(i.volume, crop=parsed(crop, i.volume.header) if crop else None, **wishes)
    )  # fmt: skip
    good = [found for found in plans if not isinstance(found, Failed)]
    lost = len(plans) - len(good)
    places = place([item for item, _ in good], [made for _, made in good], out, f".{to.lstrip('.')}", unusable=lost)
    check_version(ome_zarr, places)
    left = iter(places)
    parts = [found if isinstance(found, Failed) else (*found, next(left)) for found in plans]
    return [p if isinstance(p, Failed) else _Task(*p, files if stack else (p[0].path,), ome_zarr) for p in parts]


def _stacked(items: Sequence[Item | Failed], axis: str) -> Item:
    from isoscope.stacking import stacked

    for item in items:
        if isinstance(item, Failed):
            raise item.error
    whole = [item for item in items if isinstance(item, Item)]
    return Item(stacked([item.volume for item in whole], axis), whole[0].address)


def _facts(task: _Task) -> dict[str, Any]:
    header = task.conversion.header
    return {
        "name": task.item.volume.header.name, "input": str(task.item.path), "output": str(task.out),
        "input_shape": list(task.item.volume.header.shape), "shape": list(header.shape), "dtype": str(header.dtype),
        "shards": sum(1 for _ in task.conversion.boxes()),
    }  # fmt: skip


def _run(task: _Task, reading: Reading, workers: int, resume: bool, progress: Progress, stop: Stop) -> dict[str, Any]:
    """Convert one image; which fractions of its values had to be clipped and rounded.

    Raises:
        Interrupted: after Ctrl-C.
    """
    from isoscope.writing.ledger import identity

    content = [identity(path) for path in task.files]
    store = store_for(task.out, task.ome_zarr)
    tally = converted(
        task.conversion, task.out, store, resume, progress, stop, workers, content=content, read_as=reading.facts()
    )  # fmt: skip
    pixels = 0 if tally.skipped else tally.pixels  # of shards made before nobody knows
    return {
        "clipped_fraction": tally.clipped / pixels if pixels else None,
        "rounded_fraction": tally.rounded / pixels if pixels else None, "resumed_shards": tally.skipped,
    }  # fmt: skip


def _done(report: dict[str, Any]) -> str:
    if report["kept"]:
        return f"kept {report['output']}: it was there, and its format does not tell what it was made from"
    changes = {"clipped": report["clipped_fraction"], "rounded": report["rounded_fraction"]}
    note = "".join(f", {share:.2%} of the values {what}" for what, share in changes.items() if share)
    return f"{report['input']} -> {report['output']} in {report['seconds']:.1f} s{note}"

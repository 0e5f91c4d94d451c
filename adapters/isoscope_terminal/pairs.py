"""`isoscope pairs`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from isoscope.errors import DataError
from isoscope_terminal import options
from isoscope_terminal.batch import Progress, Stop, Work, run_all, summary
from isoscope_terminal.inputs import Failed, Item, opened, planned
from isoscope_terminal.making import converted, predicted
from isoscope_terminal.outputs import check_places, check_writable, finished
from isoscope_terminal.readers import Reading, reads
from isoscope_terminal.voice import Voice

if TYPE_CHECKING:
    from isoscope.inference import Plan
    from isoscope.model import Model
    from isoscope.writing.conversion import Conversion

__all__ = ["pairs"]


@dataclass(frozen=True, slots=True)
class _Pair:
    """One clean image, what is made of it once, and where both go."""

    item: Item
    model: Model
    plan: Plan
    copy: Conversion
    source: Path
    target: Path


@reads()
def pairs(
    run: Annotated[Path, typer.Argument(help="Folder that `isoscope train --out` wrote.")],
    inputs: Annotated[
        list[str], typer.Argument(metavar="INPUT...", help="Images like the run's targets: files, folders, globs, CSV.")
    ],
    out: Annotated[Path, typer.Option("--out", help="Folder to write: source/ and target/ inside, equal names.")],
    reading: Reading,
    draws: Annotated[int, typer.Option(min=1, help="Sources of each image, each with noise of its own.")] = 1,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the noise.")] = 0,
    to: Annotated[str, typer.Option("--to", metavar="SUFFIX", help="Format: .ome.zarr, .tif, …")] = ".ome.zarr",
    resume: options.Resume = False,
    overwrite: options.Overwrite = False,
    as_json: options.Json = False,
) -> None:
    """Make aligned pairs for supervised training: what the run's way back makes of clean images, and these images.

    Sources have the grey values and type of the run's own sources, and say that they are synthetic. Their noise depends
    on seed, image and place alone, so that tiles do not show and --resume gives the same bytes.
    """
    voice = Voice(as_json)
    options.either(resume=resume, overwrite=overwrite)
    tasks = list(_prepared(run, inputs, out, reading, draws, seed, f".{to.lstrip('.')}"))
    good = [task for task in tasks if isinstance(task, _Pair)]
    _check_twice(good)
    for side in ("source", "target"):
        check_places([getattr(t, side) for t in good], [t.item for t in good], overwrite, resume)
    reports = [task.facts() if isinstance(task, Failed) else _facts(task) for task in tasks]
    works = [
        task.work() if isinstance(task, Failed) else _work(task, report, resume)
        for task, report in zip(tasks, reports, strict=True)
    ]
    for report, result in zip(reports, run_all(works, "making pairs"), strict=True):
        report |= result
    summary(voice, out, reports, {"run": str(run), "seed": seed, "draws": draws, "images": reports})


def _prepared(
    run: Path, inputs: Sequence[str], out: Path, reading: Reading, draws: int, seed: int, suffix: str
) -> Iterator[_Pair | Failed]:
    """Every image as often as it is drawn."""
    from isoscope import inference

    model = inference.load(run, "b2a").model
    noisy = any(getattr(model.network, name, 0) for name in ("pixel_noise", "image_noise"))
    if draws > 1 and not noisy:
        raise DataError(
            f"got --draws {draws}, but the way back of {run} draws no noise; expected 1: all would be equal"
        )
    items = opened(inputs, reading)
    for number in range(draws):
        drawn = model.drawing(seed, number) if noisy else model
        mark = f"-draw{number:0{len(str(draws - 1))}d}" if draws > 1 else ""
        for found in planned(items, partial(_pair, model=drawn, out=out, name=mark + suffix)):
            yield found if isinstance(found, Failed) else found[1]


def _pair(item: Item, model: Model, out: Path, name: str) -> _Pair:
    """What will be made of one image, refused where the format cannot hold it."""
    from isoscope import inference
    from isoscope.writing import conversion

    name = item.volume.header.name + name
    source, target = out / "source" / name, out / "target" / name
    plan = inference.plan(model, item.volume, source=item.address, output=source)
    copy = conversion.plan(item.volume)
    for made in (plan, copy):
        check_writable(made, name)
    return _Pair(item, model, plan, copy, source, target)


def _check_twice(made: Sequence[_Pair]) -> None:
    seen: dict[Path, Path] = {}
    for pair in made:
        if pair.source in seen:
            both = f"{seen[pair.source]} and {pair.item.path}"
            raise DataError(f"{both} would both become {pair.source.name}; expected other names; make them one by one")
        seen[pair.source] = pair.item.path


def _facts(pair: _Pair) -> dict[str, Any]:
    return {
        "name": pair.source.name, "input": str(pair.item.path), "output": str(pair.source), "target": str(pair.target),
        "draw": pair.model.draw.number if pair.model.draw else None, "shape": list(pair.plan.header.shape),
        "dtype": str(pair.plan.header.dtype),
    }  # fmt: skip


def _work(pair: _Pair, report: dict[str, Any], resume: bool) -> Work:
    tiles = sum(map(pair.plan.tiles, pair.plan.jobs))
    there = finished(pair.source, resume) and finished(pair.target, resume)
    return Work(report["name"], pair.source, tiles, partial(_make, pair, resume), there)


def _make(pair: _Pair, resume: bool, progress: Progress, stop: Stop) -> dict[str, Any]:
    """The clean image first: a source never stands without its target.

    Raises:
        Interrupted: after Ctrl-C.
    """
    from isoscope.sources import store_for_writing
    from isoscope.writing.ledger import identity

    if not finished(pair.target, resume):
        store = store_for_writing(pair.target)
        converted(pair.copy, pair.target, store, resume, _unsaid, stop, content=identity(pair.item.path))
    if finished(pair.source, resume):
        return {"clipped_fraction": None}
    tally = predicted(pair.plan, pair.model, pair.item.volume, resume, progress, stop)
    return {"clipped_fraction": tally.clipped_fraction}


def _unsaid(_done: int) -> None:
    """Copying is a small part of the work."""

"""A plan on disk, and its jobs one by one: whatever runs them, wherever, in any order, twice if it likes."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from isoscope import device
from isoscope import model as models
from isoscope.address import Address
from isoscope.durable import read_json, write_json
from isoscope.errors import DataError, refusal
from isoscope.frames import Frames
from isoscope.inference.fitting import frames_of
from isoscope.inference.planning import FORMAT, Job, Plan, plan
from isoscope.inference.skipping import skipping
from isoscope.inference.streaming import computed, stream, write
from isoscope.inference.tally import Tally
from isoscope.model import Model
from isoscope.reading import ReadOptions
from isoscope.sources import store_for_writing
from isoscope.volume import Sink, Volume
from isoscope.writing.fingerprint import differences

__all__ = ["create", "finish", "load_plan", "run", "save_plan"]

_log = logging.getLogger(__name__)
Document = dict[str, Any]


def create(plan: Plan, *, resume: bool = False) -> Sink:
    """Start the plan's output, or go on with it.

    Raises:
        DataError: if the plan names no output, its format cannot hold it, or what is there was begun otherwise.
    """
    if plan.output is None:
        raise DataError("the plan names no output; expected one; give `plan` an output")
    store = store_for_writing(plan.output, plan.store)
    return store.create(plan.output, plan.header, plan.layout, fingerprint=plan.fingerprint(), resume=resume)


def save_plan(plan: Plan, path: str | Path) -> None:
    """Write a plan as JSON, for other processes.

    Raises:
        DataError: if it has no model on disk, or an input or output that are not there for other processes.
    """
    write_json(Path(path), _document(plan))


def load_plan(path: str | Path) -> Plan:
    """The plan that `save_plan` wrote, made anew from model and input.

    Raises:
        DataError: if model or input are no longer what they were, naming what differs.
    """
    try:
        return _station(json.dumps(read_json(Path(path)), sort_keys=True)).plan
    except (AttributeError, KeyError, OSError, TypeError, ValueError) as error:
        raise refusal(
            path, f"no plan ({' '.join(str(error).split())})", "one that `save_plan` wrote", "plan again"
        ) from error


def run(plan: Plan, job: Job) -> Document:
    """Read, compute, and write one shard with its marker, unless it is there. Keeps only the model and open files.

    Returns:
        The job's number, whether it was there already, how many values it wrote and how many were clipped.
    """
    here = _station(json.dumps(_document(plan), sort_keys=True))
    if here.sink.written(job.box):
        return {"job": job.number, "skipped": True, "pixels": 0, "clipped": 0}
    values = computed(here.plan, job, here.model, here.frames)
    pixels, clipped = write(here.plan, here.sink, job, values)
    return {"job": job.number, "skipped": False, "pixels": pixels, "clipped": clipped}


def finish(
    plan: Plan, *, progress: Callable[[int, int], None] | None = None, stop: Callable[[], bool] | None = None
) -> Tally:
    """Run what jobs are left, make the pyramid, and give the output its name.

    Args:
        plan: whose jobs may have been run by others.
        progress: as for `stream`.
        stop: as for `stream`.
    """
    here = _station(json.dumps(_document(plan), sort_keys=True))
    _station.cache_clear()  # its sink is closed from here on
    return stream(here.plan, here.model, here.volume, here.sink, progress=progress, stop=stop)


def _document(plan: Plan) -> Document:
    if plan.model is None or plan.source is None or plan.output is None:
        raise DataError("the plan lives in memory; expected a model, an input and an output on disk; name them all")
    return {
        "format": FORMAT, "model": str(plan.model), "source": _written(plan.source),
        "output": str(plan.output.absolute()), "store": plan.store, "shape": list(plan.header.shape),
        "shard": list(plan.layout.shard),
        "jobs": len(plan.jobs), "fingerprint": json.loads(json.dumps(plan.fingerprint())),
    }  # fmt: skip


def _written(source: Address) -> Document:
    return {"path": str(source.path.absolute()), "options": asdict(source.options), "index": source.index}


def _address(document: Document) -> Address:
    options: Document = document["options"]
    given: Any = {name: tuple(value) if isinstance(value, list) else value for name, value in options.items()}
    return Address(Path(document["path"]), ReadOptions(**given), document["index"])


@dataclass(frozen=True, slots=True)
class _Station:
    """What a process keeps between the jobs of one plan."""

    plan: Plan
    model: Model
    volume: Volume
    frames: Frames
    sink: Sink


@lru_cache(maxsize=1)
def _station(document: str) -> _Station:
    facts = json.loads(document)
    if facts.get("format") != FORMAT:
        raise DataError(f"got a plan of format {facts.get('format')}; expected {FORMAT}; plan again")
    wanted = facts["fingerprint"]
    how = {key: wanted[key] for key in ("normalisation", "precision")}
    model = models.load(facts["model"], wanted["model"]["direction"], device.pick(), **how)
    if draw := wanted.get("draw"):
        model = model.drawing(draw["seed"], draw["number"])
    source = _address(facts["source"])
    volume = source.open()
    grid = {"tile": wanted["grid"]["core"], "tiling": wanted["tiling"]["name"]}
    made = plan(model, volume, **grid, source=source, output=Path(facts["output"]))
    made = replace(made, store=facts["store"])
    if "background_skipped" in wanted:
        made = skipping(made, model, volume)
    if changed := differences(wanted, json.loads(json.dumps(made.fingerprint()))):
        raise DataError(f"{made.header.name}: the plan no longer holds ({'; '.join(changed[:4])}); plan again")
    return _Station(made, model, volume, frames_of(model, volume, made.thick), create(made, resume=True))

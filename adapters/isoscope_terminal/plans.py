"""What a prediction will be and cost, in words and as data."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from isoscope_terminal.facts import counted, sized
from isoscope_terminal.inputs import Failed, Item
from isoscope_terminal.progress import duration
from isoscope_terminal.voice import complain

if TYPE_CHECKING:
    from isoscope.inference import Plan
    from isoscope.model import Model

__all__ = ["Task", "add_costs", "check_room", "facts", "lines"]


@dataclass(frozen=True, slots=True)
class Task:
    """One image, what will be done to it, and where the result goes."""

    item: Item
    plan: Plan
    out: Path


def facts(task: Task) -> dict[str, Any]:
    """What the plan says of one image."""
    plan, grid = task.plan, task.plan.grid
    return {
        "name": plan.header.name, "input": str(task.item.path), "output": str(task.out),
        "input_shape": list(task.item.volume.header.shape), "shape": list(plan.header.shape),
        "dtype": str(plan.header.dtype), "tiles": sum(map(plan.tiles, plan.jobs)), "shards": len(plan.jobs),
        "core": grid.core, "halo": grid.halo, "tiling": plan.tiling.name,
        "normalisation": plan.decides["normalisation"], "precision": plan.decides["precision"],
        "device": plan.decides["device"],
        "background_skipped": plan.blank.facts if plan.blank else None,
    }  # fmt: skip


def add_costs(model: Model, tasks: Sequence[Task], reports: Sequence[dict[str, Any]]) -> None:
    """Write into each report what the image will cost."""
    from isoscope import inference

    trials = {thick: inference.tried(model, thick) for thick in {task.plan.thick for task in tasks}}
    for task, report in zip(tasks, reports, strict=True):
        cost = inference.forecast(task.plan, model, trials[task.plan.thick])
        report |= {
            "memory_bytes": cost.memory, "disk_bytes": cost.disk, "seconds_estimated": cost.seconds,
            "computed_per_kept": cost.waste,
        }  # fmt: skip


def lines(tasks: Sequence[Task | Failed], reports: Sequence[dict[str, Any]]) -> Iterator[str]:
    """A line per image."""
    for task, said in zip(tasks, reports, strict=True):
        if isinstance(task, Failed):
            yield f"{said['input']}: cannot be predicted: {task.error}"
            continue
        skipped = said["background_skipped"]
        left_out = f"{skipped['fraction']:.0%} of it skipped as background, " if skipped else ""
        shape = " x ".join(str(n) for n in said["shape"])
        yield (
            f"{said['input']} -> {said['output']}: {shape} (TCZYX) {said['dtype']}, "
            f"{counted(said['tiles'], 'tile')} of {said['core']} px + {said['halo']} px halo ({said['tiling']}), "
            f"{left_out}{counted(said['shards'], 'shard')}; about {sized(said['memory_bytes'])} of memory, "
            f"at most {sized(said['disk_bytes'])} of disk, about {duration(said['seconds_estimated'])} "
            f"on {said['device']}"
        )


def check_room(tasks: Sequence[Task]) -> None:
    """Say if the disk may not hold the outputs; compressed they may still fit."""
    from isoscope.inference.forecast import disk

    needed = sum(disk(task.plan) for task in tasks)
    home = next((p for p in (tasks[0].out.absolute().parents if tasks else ()) if p.is_dir()), None)
    if home is not None and (free := shutil.disk_usage(home).free) < needed:
        complain(f"warning: the outputs may need {sized(needed)} of disk, and {home} has {sized(free)} free")

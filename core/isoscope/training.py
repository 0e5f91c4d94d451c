"""The training loop: it never knows how many networks there are, only a method that makes steps."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from isoscope import checkpoint, origin
from isoscope.durable import write_text
from isoscope.errors import DataError, Interrupted
from isoscope.inheriting import inherit
from isoscope.patches.sampling import prefetched
from isoscope.provenance import plugins_used
from isoscope.recipe import Recipe
from isoscope.run import Run
from isoscope.volume import Volume
from isoscope.watching import restarting
from isoscope.watching.watchdog import Failure

__all__ = ["Progress", "check_folder", "train"]

_EVERY = 10


@dataclass(frozen=True, slots=True)
class Progress:
    """What a training run reports while it goes.

    Attributes:
        step: steps done.
        total: steps planned as of now.
        u: progress in [0, 1].
        losses: the terms of this step, unweighted, by name.
        rate: steps per second of late.
        remaining: seconds to go, estimated.
        waiting: share of the time of late in which training waited for images, 0 to 1.
        waited: the same since this sitting's first step.
    """

    step: int
    total: int
    u: float
    losses: Mapping[str, float]
    rate: float
    remaining: float
    waiting: float = 0.0
    waited: float = 0.0


def check_folder(folder: Path, resume: bool = False, overwrite: bool = False) -> None:
    """Refuse a folder that a run may not be written to: with a run in it unless asked, with anything else always.

    Raises:
        DataError: if `folder` holds something, or nothing to resume.
        PluginError: if a run to resume began with plug-ins of other versions.
    """
    started = (folder / "recipe.yaml").exists()
    if resume and not started:
        raise DataError(f"no run at {folder} to resume; leave out --resume to start one")
    if resume:
        origin.check_plugins(folder)
    if not resume and folder.exists() and any(folder.iterdir()) and not (overwrite and started):
        hint = "choose another --out, --resume it, or --overwrite it" if started else "choose another --out"
        raise DataError(f"{folder} exists and is not empty; {hint}")


def _prepare(folder: Path, recipe: Recipe, facts: origin.Facts) -> None:
    """Make the run's folder, in place of the run that is there."""
    if (folder / "recipe.yaml").exists():
        for name in ("checkpoints", "model", "previews"):
            shutil.rmtree(folder / name, ignore_errors=True)
        for name in ("history.csv", "diagnostics.csv"):
            (folder / name).unlink(missing_ok=True)
    folder.mkdir(parents=True, exist_ok=True)
    origin.write(folder, facts)
    write_text(folder / "recipe.yaml", recipe.to_yaml())


def train(
    recipe: Recipe, source: Sequence[Volume], target: Sequence[Volume], folder: str | Path, *,
    report: Callable[[Progress], None] | None = None, stop: Callable[[], bool] | None = None,
    preview: Callable[[Run, int], None] | None = None, resume: bool = False, overwrite: bool = False,
    weights: str | Path | None = None, ready: Callable[[Run], None] | None = None,
) -> Path:  # fmt: skip
    """Train as the recipe says and leave a model in the run's folder.

    An inverted run is recorded, stopped, or begun again with the next seed, as `training.watchdog` says.

    Args:
        recipe: resolved, as from `proposal.propose`.
        source: images of domain A.
        target: images of domain B; unpaired unless the method asks for matched pairs.
        folder: where the run is written: recipe.yaml, history.csv, diagnostics.csv, checkpoints/, model/, previews/.
        report: called every ten steps.
        stop: asked after every step; true saves and raises Interrupted.
        preview: called with the run and the step whenever a checkpoint is written.
        resume: go on from the newest checkpoint.
        overwrite: replace a run that is there.
        weights: an old run or model, whose generators a new run begins with.
        ready: called with the run before its first step, and again with each that begins in its place.

    Returns:
        The run's folder.

    Raises:
        DataError: for images or a folder that cannot be used, or other images than the run to resume learned from.
        RecipeError: if the old model's networks are not the recipe's.
        TrainingError: if a loss becomes NaN, or the watchdog stops an inverted run; the last checkpoint stays.
        Interrupted: if asked to stop; everything so far is saved.
    """
    folder = Path(folder)
    check_folder(folder, resume, overwrite)
    if resume and weights is not None:
        raise DataError(f"got weights of {weights} for a run to resume; expected them for a new one; leave out either")
    with torch.random.fork_rng():
        run, start = _opened(recipe, source, target, folder, resume, weights)
        while True:
            run.clock.before = run.clock.before if start else restarting.spent(folder)
            if ready:
                ready(run)
            try:
                _loop(run, start, report, stop, preview)
                return folder
            except Failure as seen:
                recipe = restarting.next_recipe(run, seen)
            del run  # and the images it holds, before the next decodes its own
            run, start = Run(recipe, source, target, folder), 0
            _begin(run, source, target, weights)


def _opened(
    recipe: Recipe, source: Sequence[Volume], target: Sequence[Volume], folder: Path, resume: bool,
    weights: str | Path | None,
) -> tuple[Run, int]:  # fmt: skip
    """A new run, or one to go on with, and the steps it has done."""
    recipe = restarting.as_restarted(recipe, folder) if resume else recipe
    run = Run(recipe, source, target, folder)
    if resume:
        origin.check(folder, source, target, begun=checkpoint.latest(folder / "checkpoints") is not None)
        return run, run.restore()
    _begin(run, source, target, weights)
    restarting.forget(folder)
    return run, 0


def _begin(run: Run, source: Sequence[Volume], target: Sequence[Volume], weights: str | Path | None) -> None:
    """Write what a new run starts with; only now, so that one that cannot start leaves and replaces nothing."""
    given = inherit(Path(weights), run) if weights is not None else None
    _prepare(run.folder, run.recipe, origin.describe(source, target, given, plugins_used(run.recipe)))
    if given:
        run.save(0)  # whoever resumes needs the inherited weights, and the old model may be gone by then


def _progress(run: Run, done: int, losses: Mapping[str, Tensor]) -> Progress:
    """Record a step and look at the clock."""
    values, rate = run.record(done, losses), run.clock.rate(done)
    run.replan(done, rate)
    remaining = (run.pace.total - done) / rate if rate else float("nan")
    waits = run.clock.waiting, run.clock.waited_share
    return Progress(done, run.pace.total, run.pace.u(done), values, rate, remaining, *waits)


def _loop(
    run: Run, start: int, report: Callable[[Progress], None] | None, stop: Callable[[], bool] | None,
    preview: Callable[[Run, int], None] | None,
) -> None:  # fmt: skip
    finish, every = run.recipe.training.finish, run.recipe.training.checkpoint_every
    losses: Mapping[str, Tensor] = {}
    pin = run.device.type == "cuda"
    for step, batches in run.clock.watched(prefetched(run.samplers, start, lambda k: k < run.pace.total, pin)):
        if finish and run.pace.u(step) >= 1 - finish and not run.frozen:
            run.freeze()
        losses = run.step(step, batches)
        done = step + 1
        run.watch(done)
        due, last, asked = done % every == 0, done >= run.pace.total, bool(stop and stop())
        # a stop between reports writes no row: the history of a resumed run is that of one nobody stopped
        if done % _EVERY == 0 or due or last:
            progress = _progress(run, done, losses)
            if report:
                report(progress)
        if due or last or asked:
            run.save(done)
            if preview:
                preview(run, done)
        if asked and not last:
            raise Interrupted(f"stopped at step {done} of {run.pace.total}, saved in {run.folder}; go on with --resume")

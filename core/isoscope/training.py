"""The training loop: it never knows how many networks there are, only a method that makes steps."""

from __future__ import annotations

import copy
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from isoscope import checkpoint, device, kinds, model
from isoscope.average import Average
from isoscope.durable import write_text
from isoscope.errors import DataError, Interrupted, TrainingError
from isoscope.history import HistoryFile
from isoscope.normalisation import calibrate, layers
from isoscope.pace import Pace
from isoscope.parameters import build
from isoscope.recipe import Recipe
from isoscope.sampling import Sampler, held_in_memory, prefetched
from isoscope.survey import survey
from isoscope.terms import Terms
from isoscope.volume import Volume

__all__ = ["Progress", "Run", "check_folder", "train"]

_log = logging.getLogger(__name__)

_EVERY = 10
_CALIBRATION_SIDE = 10
"""Added to a sampler's side, so that calibration patches are a stream of their own."""


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
    """

    step: int
    total: int
    u: float
    losses: Mapping[str, float]
    rate: float
    remaining: float


@dataclass
class _Clock:
    """Wall time of a run over all its sittings, and its recent speed."""

    before: float = 0.0
    started: float = field(default_factory=time.monotonic)
    marks: list[tuple[int, float]] = field(default_factory=list)

    @property
    def elapsed(self) -> float:
        """Seconds since the run began, earlier sittings included."""
        return self.before + time.monotonic() - self.started

    def rate(self, step: int) -> float:
        """Steps per second over about the last ten reports."""
        self.marks = [*self.marks[-10:], (step, time.monotonic())]
        (s0, t0), (s1, t1) = self.marks[0], self.marks[-1]
        return (s1 - s0) / (t1 - t0) if t1 > t0 else 0.0


class Run:
    """One training run: its parts, where they are saved, and how they are restored.

    Args:
        recipe: the resolved recipe.
        source: images of domain A.
        target: images of domain B.
        folder: the run's folder.
    """

    def __init__(self, recipe: Recipe, source: Sequence[Volume], target: Sequence[Volume], folder: Path) -> None:
        self.recipe, self.folder = recipe, folder
        self.domains = (
            survey(source, recipe.source, "source", recipe.output.planes, strict=True),
            survey(target, recipe.target, "target", "xy", strict=True),
        )
        t = recipe.training
        torch.manual_seed(t.seed)
        patch = (t.patch, t.patch)
        self.method = cast("Any", build(kinds.methods, recipe.method, *self.domains, Terms(recipe.losses), patch))
        self.device = device.pick()
        self.method.to(self.device, memory_format=torch.channels_last)
        self.average = Average({d: self.method.generator(d) for d in self.method.directions}, t.average)
        self.samplers, self.calibration = self._samplers(source, target)
        self.pace = Pace.fixed(t.steps)
        self.clock = _Clock()
        self.history = HistoryFile(folder / "history.csv", ["step", "u", *recipe.losses, "discriminators"])

    def _samplers(self, source: Sequence[Volume], target: Sequence[Volume]) -> tuple[list[Sampler], list[Sampler]]:
        t = self.recipe.training
        half = t.ram_gib / 2
        held = [held_in_memory(source, half), held_in_memory(target, half)]
        planes = [self.recipe.output.planes, "xy"]
        grey = [self.recipe.source.grey, self.recipe.target.grey]
        matched = self.method.pairing == "matched"

        def sampler(side: int, offset: int, batch: int) -> Sampler:
            return Sampler(
                held[side], self.domains[side], patch=t.patch, batch=batch, seed=t.seed, planes=planes[side],
                side=offset if matched else offset + side, grey=grey[side], augmentation=t.augmentation,
            )  # fmt: skip

        return (
            [sampler(side, 0, t.batch) for side in (0, 1)],
            [sampler(side, _CALIBRATION_SIDE, t.calibration) for side in (0, 1)],
        )

    def generators(self) -> Iterator[tuple[nn.Module, Tensor]]:
        """Each live generator with its calibration patches."""
        for direction in self.method.directions:
            yield self.method.generator(direction), self._calibration_patches(direction)

    def _calibration_patches(self, direction: str) -> Tensor:
        patches = self.calibration[0 if direction == "a2b" else 1](0)
        return patches.to(self.device, memory_format=torch.channels_last)

    def freeze(self) -> None:
        """From here on train with the statistics that prediction will use."""
        for network, patches in self.generators():
            calibrate(network, [patches])
        self.average.synchronise()

    @property
    def frozen(self) -> bool:
        """Whether every generator that has statistics has frozen ones."""
        return all(layer.mode == "frozen" for d in self.method.directions for layer in layers(self.method.generator(d)))

    def save(self, step: int) -> None:
        """The model as of now, then a checkpoint to go on from: killed in between, a resumed run writes both again."""
        facts = {"elapsed": self.clock.elapsed, "pieces": self.pace.pieces}
        parts = {"method": self.method, "average": self.average}
        if not all(torch.isfinite(v).all() for v in self.method.state_dict().values() if v.is_floating_point()):
            raise TrainingError(f"weights became NaN by step {step}; {self._good()}")
        self.export()
        checkpoint.save(self.folder / "checkpoints", step, parts, self.method.optimisers(), facts)

    def _good(self) -> str:
        home = checkpoint.latest(self.folder / "checkpoints")
        kept = f"the last good checkpoint is {home.name}" if home else "there is no checkpoint yet"
        return f"{kept}; try a lower --set method.rate, or --set training.precision=float32"

    def export(self) -> None:
        """Write the averaged generators as a model, statistics frozen."""
        networks = {}
        for direction, mine in self.average.networks.items():
            network = copy.deepcopy(mine)
            if not self.frozen:
                calibrate(network, [self._calibration_patches(direction)])
            networks[direction] = network
        model.save(self.folder / "model", self.recipe, *self.domains, networks)

    def restore(self) -> int:
        """Go back to the newest checkpoint; the step it was taken at, or 0."""
        home = checkpoint.latest(self.folder / "checkpoints")
        if home is None:
            return 0
        parts = {"method": self.method, "average": self.average}
        facts = checkpoint.load(home, parts, self.method.optimisers())
        self.pace = Pace([(s, u, n) for s, u, n in facts["pieces"]])
        self.clock = _Clock(before=facts["elapsed"])
        self.history.cut(facts["step"])
        return int(facts["step"])

    def step(self, step: int, batches: list[Tensor]) -> dict[str, Tensor]:
        """One optimisation step; everything random in it is a function of seed and step."""
        key = np.random.SeedSequence([self.recipe.training.seed, 2, step])
        torch.manual_seed(int(key.generate_state(1, np.uint64)[0] >> 1))
        real = [b.to(self.device, non_blocking=True, memory_format=torch.channels_last) for b in batches]
        kind = device.dtype(self.recipe.training.precision, self.device)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=kind == torch.bfloat16):
            losses: dict[str, Tensor] = self.method.step(real[0], real[1], self.pace.u(step))
        self.average.update(step)
        return losses

    def report(self, done: int, losses: Mapping[str, Tensor]) -> Progress:
        """Fetch the losses, refuse NaN, write history, re-plan a time budget."""
        values = {k: float(v) for k, v in losses.items()}
        bad = [k for k, v in values.items() if not np.isfinite(v)]
        if bad:
            raise TrainingError(f"loss {bad[0]} became {values[bad[0]]} at step {done}; {self._good()}")
        u = self.pace.u(done)
        self.history.write({"step": done, "u": round(u, 6), **values})
        rate = self.clock.rate(done)
        self._replan(done, rate)
        remaining = (self.pace.total - done) / rate if rate else float("nan")
        return Progress(done, self.pace.total, u, values, rate, remaining)

    def _replan(self, done: int, rate: float) -> None:
        minutes = self.recipe.training.minutes
        if minutes and rate:
            left = minutes * 60 - self.clock.elapsed
            total = done + max(1, int(left * rate))
            if abs(total - self.pace.total) > 0.02 * self.pace.total:
                self.pace.replan(done, total)


def check_folder(folder: Path, resume: bool = False, overwrite: bool = False) -> None:
    """Refuse a folder that a run may not be written to: with a run in it unless asked, with anything else always.

    Raises:
        DataError: if `folder` holds something, or nothing to resume.
    """
    started = (folder / "recipe.yaml").exists()
    if resume and not started:
        raise DataError(f"no run at {folder} to resume; leave out --resume to start one")
    if not resume and folder.exists() and any(folder.iterdir()) and not (overwrite and started):
        hint = "choose another --out, --resume it, or --overwrite it" if started else "choose another --out"
        raise DataError(f"{folder} exists and is not empty; {hint}")


def _prepare(folder: Path, recipe: Recipe) -> None:
    """Make the run's folder, in place of the run that is there."""
    if (folder / "recipe.yaml").exists():
        import shutil

        for name in ("checkpoints", "model", "previews"):
            shutil.rmtree(folder / name, ignore_errors=True)
        (folder / "history.csv").unlink(missing_ok=True)
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / "recipe.yaml", recipe.to_yaml())


def train(
    recipe: Recipe, source: Sequence[Volume], target: Sequence[Volume], folder: str | Path, *,
    report: Callable[[Progress], None] | None = None, stop: Callable[[], bool] | None = None,
    preview: Callable[[Run, int], None] | None = None, resume: bool = False, overwrite: bool = False,
) -> Path:  # fmt: skip
    """Train as the recipe says and leave a model in the run's folder.

    Args:
        recipe: resolved, as from `proposal.propose`.
        source: images of domain A.
        target: images of domain B; unpaired unless the method asks for matched pairs.
        folder: where the run is written: recipe.yaml, history.csv, checkpoints/, model/, previews/.
        report: called every ten steps.
        stop: asked after every step; true saves and raises Interrupted.
        preview: called with the run and the step whenever a checkpoint is written.
        resume: go on from the newest checkpoint.
        overwrite: replace a run that is there.

    Returns:
        The run's folder.

    Raises:
        DataError: for images or a folder that cannot be used.
        TrainingError: if a loss becomes NaN; the last good checkpoint stays.
        Interrupted: if asked to stop; everything so far is saved.
    """
    folder = Path(folder)
    check_folder(folder, resume, overwrite)
    with torch.random.fork_rng():
        run = Run(recipe, source, target, folder)
        if not resume:  # only now, so that a run that cannot start leaves nothing and replaces nothing
            _prepare(folder, recipe)
        _loop(run, run.restore() if resume else 0, report, stop, preview)
    return folder


def _loop(
    run: Run, start: int, report: Callable[[Progress], None] | None, stop: Callable[[], bool] | None,
    preview: Callable[[Run, int], None] | None,
) -> None:  # fmt: skip
    finish, every = run.recipe.training.finish, run.recipe.training.checkpoint_every
    losses: Mapping[str, Tensor] = {}
    for step, batches in prefetched(run.samplers, start, lambda k: k < run.pace.total):
        if finish and run.pace.u(step) >= 1 - finish and not run.frozen:
            run.freeze()
        losses = run.step(step, batches)
        done = step + 1
        due, last, asked = done % every == 0, done >= run.pace.total, bool(stop and stop())
        # a stop between reports writes no row: the history of a resumed run is that of one nobody stopped
        if done % _EVERY == 0 or due or last:
            progress = run.report(done, losses)
            if report:
                report(progress)
        if due or last or asked:
            run.save(done)
            if preview:
                preview(run, done)
        if asked and not last:
            raise Interrupted(f"stopped at step {done} of {run.pace.total}, saved in {run.folder}; go on with --resume")

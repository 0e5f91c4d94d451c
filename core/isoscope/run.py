"""One training run: its networks, data and history, and how they are saved and restored."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from isoscope import checkpoint, device, kinds, model
from isoscope.average import Average
from isoscope.clock import Clock
from isoscope.errors import DataError, TrainingError
from isoscope.history import HistoryFile
from isoscope.normalisation import calibrate, layers
from isoscope.pace import Pace
from isoscope.parameters import build
from isoscope.patches.supply import supply
from isoscope.preparation.settling import settled
from isoscope.recipe import Recipe
from isoscope.survey import survey
from isoscope.terms import Terms
from isoscope.volume import Volume
from isoscope.watching.vigil import Vigil
from isoscope.watching.witness import Witness

__all__ = ["Run"]

_PIXELS, _AGAIN, _FEWEST = 2**21, 4, 4
"""Pixels of each set from which generators are estimated, how often a small set may be drawn from, least batches."""


class Run:
    """One training run: its parts, where they are saved, and how they are restored.

    Args:
        recipe: the resolved recipe.
        source: images of domain A.
        target: images of domain B.
        folder: the run's folder.
    """

    def __init__(self, recipe: Recipe, source: Sequence[Volume], target: Sequence[Volume], folder: Path) -> None:
        recipe = settled(recipe, source, target)
        self.recipe, self.folder = recipe, folder
        self.domains = (
            survey(source, recipe.source, "source", recipe.output.planes, strict=True, context=recipe.output.context),
            survey(target, recipe.target, "target", "xy", strict=True, context=recipe.output.context),
        )
        t = recipe.training
        torch.manual_seed(t.seed)
        patch = (t.patch, t.patch)
        self.method = cast("Any", build(kinds.methods, recipe.method, *self.domains, Terms(recipe.losses), patch))
        self.device = device.pick()
        device.arranged(self.method.to(self.device), torch.channels_last)
        self.supply = supply(recipe, self.domains, source, target, self.method.pairing == "matched")
        self.samplers, self.calibration = self.supply.training, self.supply.calibration
        if hasattr(self.method, "prepare"):
            self.method.prepare(*(self._many_patches(d) for d in ("a2b", "b2a")))
        self.average = Average({d: self.method.generator(d) for d in self.method.directions}, t.average)
        patches = [self._to_device(sampler(0)) for sampler in self.supply.watched]
        networks = dict(self.average.networks.items())
        self.vigil = Vigil(Witness(patches, self.domains, self.method), networks, t, folder)
        self.pace = Pace.fixed(t.steps)
        self.clock = Clock()
        self.history = HistoryFile(folder / "history.csv", ["step", "u", *recipe.losses, "discriminators"])

    def generators(self) -> Iterator[tuple[nn.Module, Tensor]]:
        """Each live generator with its calibration patches."""
        for direction in self.method.directions:
            yield self.method.generator(direction), self._calibration_patches(direction)

    def _many_patches(self, direction: str) -> Tensor:
        """For what needs more patches than statistics of activations do; those of one image follow each other."""
        sampler = self.calibration[0 if direction == "a2b" else 1]
        pixels = min(_PIXELS, _AGAIN * sum(len(f) * f.size[0] * f.size[1] for f in sampler.frames))
        steps = range(max(_FEWEST, pixels // (sampler.batch * sampler.patch**2)))
        images = torch.tensor([sampler.place(k, i)[0] for k in steps for i in range(sampler.batch)])
        return torch.cat([sampler(k) for k in steps])[images.argsort(stable=True)].to(self.device)

    def _calibration_patches(self, direction: str) -> Tensor:
        return self._to_device(self.calibration[0 if direction == "a2b" else 1](0))

    def _to_device(self, patches: Tensor) -> Tensor:
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
        facts = {"elapsed": self.clock.elapsed, "pieces": self.pace.pieces, "order": self.supply.order}
        if not all(torch.isfinite(v).all() for v in self.method.state_dict().values() if v.is_floating_point()):
            raise TrainingError(f"weights became NaN by step {step}; {self._good()}")
        self.export()
        home, facts = self.folder / "checkpoints", facts | self.vigil.facts()
        checkpoint.save(home, step, self._parts(), self.method.optimisers(), facts)

    def _parts(self) -> dict[str, nn.Module]:
        return {"method": self.method, "average": self.average, **self.vigil.parts()}

    def _good(self) -> str:
        home = checkpoint.latest(self.folder / "checkpoints")
        kept = f"the last good checkpoint is {home.name}" if home else "there is no checkpoint yet"
        return f"{kept}; try a lower --set method.rate, or --set training.precision=float32"

    def ready(self) -> dict[str, nn.Module]:
        """The averaged generators as prediction would use them now: copies, statistics frozen."""
        networks = {}
        for direction, mine in self.average.networks.items():
            networks[direction] = network = copy.deepcopy(mine).eval()
            if not self.frozen:
                calibrate(network, [self._calibration_patches(direction)])
        return networks

    def watch(self, done: int) -> None:
        """Look at what the run has come to, if it is time to.

        Raises:
            Failure: as the recipe's watchdog says.
        """
        self.vigil.attend(done, self.pace.u(done), self.pace.total, self.ready)

    def export(self) -> None:
        """Write the best averaged generators so far, or where none are kept the newest, as a model."""
        look, networks = self.vigil.chosen or (None, self.ready())
        model.save(self.folder / "model", self.recipe, *self.domains, networks, look.facts() if look else None)

    def restore(self) -> int:
        """Go back to the newest checkpoint; the step it was taken at, or 0."""
        home = checkpoint.latest(self.folder / "checkpoints")
        if home is None:
            self._cut(0)  # rows written before the first checkpoint was
            return 0
        facts = checkpoint.load(home, self._parts(), self.method.optimisers())
        self._check_order(facts.get("order", self.supply.order))
        self.pace = Pace([(s, u, n) for s, u, n in facts["pieces"]])
        self.clock = Clock(before=facts["elapsed"])
        self.vigil.restore(facts)
        self._cut(facts["step"])
        return int(facts["step"])

    def _cut(self, step: int) -> None:
        for file in (self.history, self.vigil.file):
            file.cut(step)

    def _check_order(self, before: Sequence[Any]) -> None:
        if list(before) != list(self.supply.order):
            raise DataError(
                f"got images that lie otherwise on disk, to be read as {self.supply.order}; expected {list(before)}, "
                f"as {self.folder} began, or patches come in another order; give the same stores, or another --out"
            )

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

    def record(self, done: int, losses: Mapping[str, Tensor]) -> dict[str, float]:
        """Fetch the losses of a step, refuse NaN, write a row of history."""
        values = {k: float(v) for k, v in losses.items()}
        bad = [k for k, v in values.items() if not np.isfinite(v)]
        if bad:
            raise TrainingError(f"loss {bad[0]} became {values[bad[0]]} at step {done}; {self._good()}")
        self.history.write({"step": done, "u": round(self.pace.u(done), 6), **values})
        return values

    def replan(self, done: int, rate: float) -> None:
        """Fit the rest of the run into the time budget, if there is one, at `rate` steps per second."""
        t = self.recipe.training
        if t.minutes and rate:
            left = t.minutes * 60 - self.clock.elapsed
            total = done + max(1, int(left * rate))
            if t.passes is not None:  # then `steps` says what they allow
                total = min(total, t.steps)
            if abs(total - self.pace.total) > 0.02 * self.pace.total:
                self.pace.replan(done, total)

"""One run of the experiment: trained, watched, scored, remembered."""

from __future__ import annotations

import hashlib
import json
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from inverting import wrong
from inverting.arms import keys, recipe
from inverting.fields import Fields, fields
from inverting.scoring import score
from isoscope import training
from isoscope.run import Run
from isoscope.watching.diagnostics import agreement

MOMENTS = (0.02, 0.06, 0.1, 0.2, 0.4, 0.7, 1.0)
"""Progress u at which content is looked at during training; reports come every ten steps."""


@dataclass(frozen=True)
class Setting:
    """What decides one run."""

    arm: str
    polarity: str
    fraction: float
    seed: int
    steps: int
    precision: str


def cached(setting: Setting, out: Path) -> dict[str, Any]:
    """The outcome of a run, from an earlier time or made now."""
    wrong.register()
    made = keys(setting.arm, setting.polarity, setting.seed, setting.steps, setting.precision)
    settings = {"keys": made, "fraction": setting.fraction, "polarity": setting.polarity}
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:12]
    path = out / f"arm{setting.arm}-{setting.polarity}-{setting.fraction:g}-seed{setting.seed}-{digest}.json"
    if path.exists():
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return found
    outcome = {**vars(setting), **_outcome(setting, made)}
    out.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(outcome, indent=1), encoding="utf-8")
    partial.replace(path)
    return outcome


def _outcome(setting: Setting, decided: dict[str, Any]) -> dict[str, Any]:
    data = fields(setting.fraction, setting.polarity, setting.seed)
    witness, began = Witness(data), time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        run = training.train(
            recipe(decided), data.source, data.target, Path(folder) / "run", report=witness.report, ready=witness.begin
        )
        minutes = (time.monotonic() - began) / 60
        return {**score(run, data), "early": witness.seen, "minutes": minutes}


class Witness:
    """Looks at content during training, and only looks: D1 and D2 of the averaged network on fixed patches."""

    def __init__(self, data: Fields) -> None:
        self.data, self.seen = data, list[dict[str, float]]()

    def begin(self, run: Run) -> None:
        """Take fixed patches: a corner of each test image."""
        self.run, self.ahead = run, list(MOMENTS)
        corners = torch.stack([torch.from_numpy(x[:64, :64]) for x in self.data.test])[:, None]
        self.patches = run.samplers[0].intensity.normalise(corners).to(run.device)

    @torch.no_grad()
    def report(self, progress: training.Progress) -> None:
        """Look when the next moment has come."""
        if not self.ahead or progress.u < self.ahead[0]:
            return
        self.ahead = [u for u in self.ahead if u > progress.u]
        network = self.run.average.networks["a2b"]
        with torch.random.fork_rng():
            fake = network(self.patches).float()
        found = agreement(self.patches, fake, *self.run.domains)
        self.seen.append({"step": progress.step, "u": progress.u, "d1": found.rank, "d2": found.kappa})

"""What is known of an arm once it was scored, on disk, and never made twice."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from isoscope.durable import read_json, write_json

__all__ = ["Scored", "digest", "folder_name"]

_FORMAT = 1
"""Raised when scores or predictions would come out otherwise."""


@dataclass(frozen=True, slots=True)
class Scored:
    """One arm, trained from one seed.

    Attributes:
        name: of the recipe or baseline.
        kind: "recipe" or "baseline".
        predictions: files of its outputs, in the order of the test images.
        images: scores of each, as `evaluation.evaluate` gives them.
        data_range: of PSNR and SSIM, grey values.
        seed: of a recipe.
        parameters: of a baseline.
        note: in words.
        minutes: of training.
        steps: of training.
        run: the folder of the run.
        failed: why there are no scores, in one line.
    """

    name: str
    kind: str
    predictions: tuple[str, ...] = ()
    images: tuple[dict[str, Any], ...] = ()
    data_range: tuple[float, ...] = ()
    seed: int | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    note: str = ""
    minutes: float | None = None
    steps: int | None = None
    run: str | None = None
    failed: str | None = None

    def write(self, path: Path) -> None:
        """Keep it, beside what it names: the folder can be moved."""
        home = path.parent
        predictions = [str(Path(p).relative_to(home)) for p in self.predictions]
        run = self.run and str(Path(self.run).relative_to(home))
        write_json(path, {"format": _FORMAT, **asdict(self), "predictions": predictions, "run": run})

    @classmethod
    def read(cls, path: Path) -> Scored | None:
        """What was kept, or none where there is nothing whole."""
        try:
            facts = read_json(path)
            predictions = [path.parent / name for name in facts["predictions"]]
            if facts.pop("format") != _FORMAT or not all(p.exists() for p in predictions):
                return None
            facts |= {name: tuple(facts[name]) for name in ("images", "data_range")}
            facts["run"] = facts["run"] and str(path.parent / facts["run"])
            return cls(**facts | {"predictions": tuple(map(str, predictions))})
        except (OSError, ValueError, KeyError, TypeError):
            return None


def digest(settings: Mapping[str, Any]) -> str:
    """A short hash of settings: whatever has other ones is another arm."""
    text = json.dumps({"format": _FORMAT, **settings}, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:10]


def folder_name(name: str, settings: Mapping[str, Any]) -> str:
    """A folder for an arm, readable and unmistakable."""
    return f"{re.sub(r'[^A-Za-z0-9]+', '-', name).strip('-').lower() or 'arm'}-{digest(settings)}"

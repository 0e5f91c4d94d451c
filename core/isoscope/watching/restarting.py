"""Begin a failed run again with the next seed, so often and no more, and leave a note of each."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from isoscope.durable import read_json, write_json
from isoscope.overrides import read
from isoscope.recipe import Recipe, parse

if TYPE_CHECKING:
    from isoscope.run import Run
    from isoscope.watching.watchdog import Failure

__all__ = ["as_restarted", "forget", "next_recipe", "notes", "spent"]

_FILE = "restarts.json"
_LATE = 0.5
"""Progress after which a run that must end in time is not begun again: too little would be left of it."""
_log = logging.getLogger(__name__)


def notes(folder: Path) -> list[dict[str, Any]]:
    """The attempts that were given up in this run's folder: seed, step, seconds until then, and why."""
    path = folder / _FILE
    return list(read_json(path)["attempts"]) if path.exists() else []


def spent(folder: Path) -> float:
    """Seconds that went into them, which a run of so many minutes has less."""
    return float(max((note["elapsed"] for note in notes(folder)), default=0.0))


def forget(folder: Path) -> None:
    """A new run has no attempts behind it."""
    (folder / _FILE).unlink(missing_ok=True)


def as_restarted(recipe: Recipe, folder: Path) -> Recipe:
    """The recipe with the seed that the run in this folder has come to."""
    if not notes(folder):
        return recipe
    seed = parse(read(folder / "recipe.yaml")).training.seed
    return recipe.replaced(training={"seed": seed})


def next_recipe(run: Run, seen: Failure) -> Recipe:
    """The recipe of the next attempt.

    Raises:
        Failure: `seen`, if there is to be none; what there is so far is saved.
    """
    training, look = run.recipe.training, run.vigil.watchdog.looks[-1]
    # by seed, because a kill between this note and the new recipe lets the same attempt fail twice
    before = [note for note in notes(run.folder) if note["seed"] != training.seed]
    late = bool(training.minutes) and look.u > _LATE
    if training.watchdog == "stop" or len(before) >= training.restarts or late:
        run.save(look.step)
        raise seen
    note = {"seed": training.seed, "step": look.step, "elapsed": run.clock.elapsed, "why": str(seen)}
    write_json(run.folder / _FILE, {"attempts": [*before, note]})
    _log.warning("%s; beginning again with seed %d", seen, training.seed + 1)
    return run.recipe.replaced(training={"seed": training.seed + 1})

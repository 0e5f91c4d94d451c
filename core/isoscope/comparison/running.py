"""Train, predict and score what is not there yet, every arm in a folder of its own."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from isoscope import __version__, checkpoint, inference, origin, training
from isoscope.baselines import Baseline
from isoscope.comparison.entrants import Entrant, ImageSets, scale_of
from isoscope.comparison.scored import Scored, digest, folder_name
from isoscope.durable import read_json
from isoscope.errors import DataError, Interrupted, IsoscopeError
from isoscope.evaluation import evaluate
from isoscope.provenance import plugins_used
from isoscope.recipe import Recipe
from isoscope.sources import open_one, store_for_writing
from isoscope.volume import Volume
from isoscope.writing import conversion

__all__ = ["Watch", "run"]

_log = logging.getLogger(__name__)
_SHARD = 512

Offers = Mapping[str, Callable[[], Baseline]]


@dataclass(frozen=True, slots=True)
class Watch:
    """What a comparison tells on its way, and asks.

    Attributes:
        arm: called with the name of the arm that begins, what is done to it, its number and the number of arms.
        training: called with reports of training.
        stop: whether somebody asked to stop.
    """

    arm: Callable[[str, str, int, int], None] = lambda *_: None
    training: Callable[[training.Progress], None] = lambda _: None
    stop: Callable[[], bool] = lambda: False


@dataclass(frozen=True, slots=True)
class _Course:
    """What all arms share."""

    sets: ImageSets
    folder: Path
    data_range: tuple[float, float] | None
    grey: bool
    watch: Watch
    test: str
    seen: Sequence[Volume]
    """The test as baselines are given it: on the grid that recipes read."""

    def arm(self, name: str, settings: Mapping[str, Any]) -> Path:
        return self.folder / "arms" / folder_name(name, settings)


def run(
    entrants: Sequence[Entrant], offers: Offers, sets: ImageSets, folder: Path, *,
    data_range: tuple[float, float] | None = None, grey: bool = False, watch: Watch = Watch(),
) -> list[Scored]:  # fmt: skip
    """Score every baseline and every recipe; those that were scored before with the same settings are not touched.

    Args:
        entrants: from `enter`.
        offers: from `baselines.offers`.
        sets: the images.
        folder: where runs, predictions and scores are kept.
        data_range: for PSNR and SSIM; none: as `evaluate` chooses.
        grey: baselines read RGB sources as luminance, as the models do.
        watch: what is told and asked on the way.

    Raises:
        Interrupted: if asked to stop; everything so far is kept, and the same call goes on.
        UserError: for what only the user can mend. A training that fails otherwise is noted, and the others go on.
    """
    test = digest({"test": origin.describe(sets.test_source, sets.test_truth), "data_range": data_range})
    seen = sets.on_grid(scale_of(entrants)).test_source
    course = _Course(sets, folder, data_range, grey, watch, test, seen)
    steps: list[Callable[[int, int], Scored]] = [
        *(lambda n, of, name=name, settle=settle: _baseline(course, name, settle, n, of)
          for name, settle in offers.items()),
        *(lambda n, of, entrant=entrant: _recipe(course, entrant, n, of) for entrant in entrants),
    ]  # fmt: skip
    try:
        return [step(number, len(steps)) for number, step in enumerate(steps, 1)]
    except Interrupted:
        raise Interrupted(f"stopped; what is done is kept in {folder}; the same command goes on") from None


def _baseline(course: _Course, name: str, settle: Callable[[], Baseline], number: int, of: int) -> Scored:
    sets = course.sets
    learned = [origin.describe(*sets.learned_from(False)), sets.pairs and origin.describe(*sets.pairs)]
    shapes = [v.header.shape for v in course.seen]
    settings = {"baseline": name, "grey": course.grey, "learned": learned, "isoscope": __version__, "shapes": shapes}
    home = course.arm(name, settings)
    if found := _kept(course, home):
        return found
    course.watch.arm(name, "baseline", number, of)
    baseline = settle()
    made = [_written(course, home, n, v) for n, v in enumerate(baseline.apply(course.seen))]
    facts = Scored(name, "baseline", parameters=dict(baseline.parameters), note=baseline.note)
    return _score(course, home, facts, made)


def _recipe(course: _Course, entrant: Entrant, number: int, of: int) -> Scored:
    images = course.sets.learned_from(entrant.matched)
    settings = {
        "recipe": _decisive(entrant.recipe), "plugins": plugins_used(entrant.recipe),
        "learned": origin.describe(*images), "isoscope": __version__,
    }  # fmt: skip
    home = course.arm(f"{entrant.name}-s{entrant.seed}", settings)
    if found := _kept(course, home):
        return found
    facts = Scored(entrant.name, "recipe", seed=entrant.seed, run=str(home / "run"))
    course.watch.arm(entrant.name, f"training, seed {entrant.seed}", number, of)
    try:
        trained = _trained(course, entrant, home / "run", images)
    except IsoscopeError as error:
        if isinstance(error, Interrupted) or error.exit_code == DataError.exit_code:
            raise
        _log.warning("%s, seed %d: %s", entrant.name, entrant.seed, error)
        return replace(facts, failed=str(error))
    course.watch.arm(entrant.name, "predicting", number, of)
    made = [_predicted(course, home, n, v) for n, v in enumerate(course.sets.test_source)]
    return _score(course, home, replace(facts, **trained), made)


def _decisive(recipe: Recipe) -> dict[str, Any]:
    """The recipe as arms are known by it; they keep their names when a key is new that leaves all as it was."""
    unset = {key for key in ("patches", "passes") if getattr(recipe.training, key) is None}
    return recipe.model_dump(mode="json", exclude={"training": unset})


def _kept(course: _Course, home: Path) -> Scored | None:
    """What an earlier call left; the moment to stop, if somebody asked."""
    if course.watch.stop():
        raise Interrupted("stopped between two arms")
    return Scored.read(home / f"scores-{course.test}.json")


def _trained(
    course: _Course, entrant: Entrant, home: Path, images: tuple[Sequence[Volume], Sequence[Volume]]
) -> dict[str, Any]:
    """Train, or go on; how long it took."""
    begun = (home / "recipe.yaml").exists()
    training.train(
        entrant.recipe, *images, home, report=course.watch.training, stop=course.watch.stop, resume=begun
    )  # fmt: skip
    latest = checkpoint.latest(home / "checkpoints")
    facts = read_json(latest / "state.json") if latest else {"elapsed": 0.0, "step": 0}
    return {"minutes": round(facts["elapsed"] / 60, 2), "steps": facts["step"]}


def _output(course: _Course, home: Path, number: int, volume: Volume) -> Path:
    place = home / f"predictions-{course.test}" / f"{number:03d}-{volume.header.name}.ome.zarr"
    place.parent.mkdir(parents=True, exist_ok=True)
    return place


def _predicted(course: _Course, home: Path, number: int, volume: Volume) -> Path:
    out = _output(course, home, number, volume)
    model = inference.load(home / "run").model
    plan = inference.plan(model, volume, output=out)
    inference.stream(plan, model, volume, inference.create(plan, resume=True), stop=course.watch.stop)
    return out


def _written(course: _Course, home: Path, number: int, volume: Volume) -> Path:
    """A computed volume as a file, a plane at a time."""
    out = _output(course, home, number, volume)
    whole = -(-max(volume.header.shape[3:]) // _SHARD) * _SHARD
    plan = conversion.plan(volume, shard=whole)
    sink = store_for_writing(out).create(out, plan.header, plan.layout, fingerprint=plan.fingerprint(), resume=True)
    conversion.run(plan, sink, workers=1, stop=course.watch.stop)
    return out


def _score(course: _Course, home: Path, facts: Scored, made: Sequence[Path]) -> Scored:
    volumes = [volume for path in made for volume in open_one(path)]
    report = evaluate(volumes, course.sets.test_truth, data_range=course.data_range)
    names = [v.header.name for v in course.sets.test_source]
    images = tuple(
        {"name": name, **{k: v for k, v in image["prediction"].items() if np.isscalar(v) or v is None}}
        for name, image in zip(names, report["images"], strict=True)
    )
    found = replace(
        facts, predictions=tuple(str(p) for p in made), images=images, data_range=tuple(report["data_range"])
    )
    found.write(home / f"scores-{course.test}.json")
    return found

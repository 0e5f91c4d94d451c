"""What a sweep found: means, spreads and intervals along the number of patches, and where a curve levels off."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from isoscope.comparison.scored import Scored
from isoscope.comparison.sweeping import Sized
from isoscope.durable import write_text

__all__ = ["curves", "plateau", "write_curves"]

Document = dict[str, Any]

_LOW_IS_GOOD = frozenset({"nrmse", "chroma_rmse"})


def curves(sized: Sequence[Sized], document: Mapping[str, Any]) -> list[Document]:
    """Every recipe along the sizes.

    Args:
        sized: what was trained.
        document: from `comparison.document`, of the scores of all these arms.

    Returns:
        [{"name", "method", "matched", "points": [{"patches", "arm", "mean", "interval", "sd", "seeds", "failed"}],
        "plateau": {metric: patches or null}}], where `sd` is the standard deviation over seeds of each metric, null
        for a single one, and `failed` the number of seeds without scores.
    """
    arms = {arm["name"]: arm for arm in document["arms"]}
    made = []
    for name in dict.fromkeys(s.curve for s in sized):
        mine = [s for s in sized if s.curve == name]
        points = [_point(s, arms[s.entrants[0].name]) for s in mine]
        first = mine[0].entrants[0]
        made.append({
            "name": name, "method": first.recipe.method.name, "matched": first.matched, "points": points,
            "plateau": {key: plateau(points, key) for key in _metrics(points)},
        })  # fmt: skip
    return made


def _metrics(points: Sequence[Document]) -> list[str]:
    return list(dict.fromkeys(key for point in points for key in point["mean"]))


def _point(s: Sized, arm: Mapping[str, Any]) -> Document:
    whole = [run for run in arm["seeds"] if run["images"]]
    return {
        "patches": s.patches, "arm": arm["name"], "mean": arm["mean"], "interval": arm["interval"],
        "sd": {key: _spread([_mean(run["images"], key) for run in whole]) for key in arm["mean"]},
        "seeds": len(whole), "failed": len(arm["seeds"]) - len(whole),
    }  # fmt: skip


def _mean(images: Sequence[Mapping[str, Any]], key: str) -> float:
    known = [image[key] for image in images if image.get(key) is not None]
    return float(np.mean(known)) if known else float("nan")


def _spread(means: Sequence[float]) -> float | None:
    """The sample standard deviation over seeds."""
    known = [m for m in means if np.isfinite(m)]
    return float(np.std(known, ddof=1)) if len(known) > 1 else None


def plateau(points: Sequence[Mapping[str, Any]], key: str) -> int | None:
    """The first number of patches whose mean lies within one standard deviation of the best one's.

    Args:
        points: of one curve, in order.
        key: the metric.

    Returns:
        None where nothing was scored, or from a single seed, so that no deviation is known.
    """
    sign = -1.0 if key in _LOW_IS_GOOD else 1.0
    known = [(p["patches"], sign * p["mean"][key], p["sd"][key]) for p in points if p["mean"].get(key) is not None]
    if not known:
        return None
    _, best, spread = max(known, key=lambda point: point[1])
    if spread is None:
        return None
    return int(next(patches for patches, mean, _ in known if mean >= best - spread))


def write_curves(path: Path, sized: Sequence[Sized], scored: Sequence[Scored]) -> None:
    """A row for every recipe, size and seed, with means over the test images; baselines have no size."""
    places = {entrant.name: s for s in sized for entrant in s.entrants}
    keys = list(dict.fromkeys(key for s in scored for image in s.images for key in image if key != "name"))
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(["curve", "method", "patches", "seed", "steps", "minutes", *keys])
    for s in scored:
        place = places.get(s.name)
        known = (place.curve, place.entrants[0].recipe.method.name, place.patches) if place else (s.name, s.kind, "")
        if s.images:
            writer.writerow([*known, s.seed, s.steps, s.minutes, *(_cell(_mean(s.images, key)) for key in keys)])
    write_text(path, text.getvalue())


def _cell(value: float) -> float | str:
    return value if np.isfinite(value) else ""

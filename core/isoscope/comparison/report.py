"""What came out, as one JSON-ready document and as CSV."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isoscope.comparison.scored import Scored
from isoscope.comparison.statistics import RESAMPLES, Bootstrap
from isoscope.durable import write_text
from isoscope.errors import DataError, nearest

__all__ = ["document", "write_csv"]

Document = dict[str, Any]


def document(scored: Sequence[Scored], reference: str | None = None) -> Document:
    """Every arm with its scores per seed and image, its means, their 95 % intervals, and differences to a reference.

    Args:
        scored: from `run`.
        reference: the arm that differences are taken to; none: the first recipe, else the first arm.

    Returns:
        {"reference", "resamples", "images": names, "data_range", "arms": [{"name", "kind", "parameters", "note",
        "seeds": [{"seed", "minutes", "steps", "run", "failed", "images": [scores]}], "mean": {metric: value},
        "interval": {metric: [low, high] or null}, "difference": {metric: {"mean", "interval"}}}]}. An interval is null
        where a single image and seed leave nothing to resample.

    Raises:
        DataError: if no arm was scored, or none has the reference's name.
    """
    names = list(dict.fromkeys(s.name for s in scored))
    arms = {name: [s for s in scored if s.name == name] for name in names}
    tables = {name: _table(runs) for name, runs in arms.items()}
    known = [name for name in names if tables[name]]
    if not known:
        raise DataError(f"none of {', '.join(names)} could be scored ({scored[0].failed}); mend that and try again")
    chosen = reference or next((n for n in known if arms[n][0].kind == "recipe"), known[0])
    if chosen not in known:
        raise DataError(f"no arm that was scored is called {chosen!r}; {nearest(chosen, known)}")
    first = next(s for s in scored if s.images)
    seeds = max(len(next(iter(tables[n].values()))) for n in known)
    bootstrap = Bootstrap(len(first.images), seeds)
    return {
        "reference": chosen, "resamples": RESAMPLES, "images": [i["name"] for i in first.images],
        "data_range": list(first.data_range),
        "arms": [_arm(arms[n], tables[n], tables[chosen], bootstrap) for n in names],
    }  # fmt: skip


def _table(runs: Sequence[Scored]) -> dict[str, NDArray[np.float64]]:
    """Each metric as [seeds, images], NaN where there is no value; seeds that failed are left out."""
    whole = [run for run in runs if run.images]
    if not whole:
        return {}
    keys = [key for key in whole[0].images[0] if key != "name"]
    return {
        key: np.array([[math.nan if i[key] is None else i[key] for i in run.images] for run in whole], np.float64)
        for key in keys
    }


def _arm(
    runs: Sequence[Scored], table: dict[str, NDArray[np.float64]], reference: dict[str, NDArray[np.float64]],
    bootstrap: Bootstrap,
) -> Document:  # fmt: skip
    first = runs[0]
    return {
        "name": first.name, "kind": first.kind, "parameters": dict(first.parameters), "note": first.note,
        "seeds": [_run(run) for run in runs],
        "mean": {key: _mean(values) for key, values in table.items()},
        "interval": {key: _ends(bootstrap.interval(values)) for key, values in table.items()},
        "difference": {
            key: {"mean": _mean(values.mean(0) - reference[key].mean(0)),
                  "interval": _ends(bootstrap.difference(values, reference[key]))}
            for key, values in table.items() if table is not reference and key in reference
        },
    }  # fmt: skip


def _run(run: Scored) -> Document:
    return {
        "seed": run.seed, "minutes": run.minutes, "steps": run.steps, "run": run.run, "failed": run.failed,
        "predictions": list(run.predictions), "images": [dict(image) for image in run.images],
    }  # fmt: skip


def _ends(interval: tuple[float, float] | None) -> list[float] | None:
    return None if interval is None else list(interval)


def _mean(values: NDArray[np.float64]) -> float | None:
    known = values[np.isfinite(values)]
    return float(known.mean()) if known.size else None


def write_csv(path: Path, scored: Sequence[Scored]) -> None:
    """A row for every arm, seed and test image."""
    keys = list(dict.fromkeys(key for s in scored for image in s.images for key in image if key != "name"))
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(["arm", "kind", "seed", "image", *keys])
    for s in scored:
        for image in s.images:
            writer.writerow([s.name, s.kind, s.seed, image["name"], *(image.get(key) for key in keys)])
    write_text(path, text.getvalue())

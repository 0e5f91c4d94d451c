"""Many outcomes in one table: counts with intervals, and whether the watchdog agrees with the truth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from inverting.arms import ARMS

Outcome = dict[str, Any]


def wilson(count: int, total: int) -> tuple[float, float]:
    """95 % interval of a rate (Wilson 1927)."""
    from scipy.stats import binomtest

    if not total:
        return 0.0, 1.0
    interval = binomtest(count, total).proportion_ci(method="wilson")
    return float(interval.low), float(interval.high)


def fisher(more: int, of_more: int, fewer: int, of_fewer: int) -> float:
    """One-sided exact p that the first rate is no higher than the second (Fisher 1935)."""
    from scipy.stats import fisher_exact

    counts = [[more, of_more - more], [fewer, of_fewer - fewer]]
    return float(fisher_exact(counts, alternative="greater").pvalue)


def watched(outcome: Outcome, moment: int = -1) -> str:
    """What D1 and D2 say without the truth, at the end or at an earlier moment."""
    seen = outcome if moment == -1 else outcome["early"][moment]
    return "INVERTED" if seen["d1"] < 0 and seen["d2"] < 0 else "CORRECT"


def _agreeing(runs: Sequence[Outcome]) -> list[int]:
    told = [r for r in runs if r["verdict"] != "FAILED"]
    return [sum(watched(r) == r["verdict"] for r in told), len(told)]


def _mean(runs: Sequence[Outcome], key: str, verdict: str = "") -> float | None:
    values = [r[key] for r in runs if not verdict or r["verdict"] == verdict]
    return float(np.mean(values)) if values else None


def _told_apart(runs: Sequence[Outcome], key: str) -> float | None:
    """How well a measure ranks inverted above correct runs, 0.5 by chance (area under the ROC curve)."""
    from scipy.stats import mannwhitneyu

    bad, good = ([r[key] for r in runs if r["verdict"] == v and r[key] is not None] for v in ("INVERTED", "CORRECT"))
    return float(mannwhitneyu(bad, good).statistic) / (len(bad) * len(good)) if bad and good else None


def _decided(runs: Sequence[Outcome]) -> list[float]:
    """At each moment during training, the share of runs whose D1 and D2 then already said what came out."""
    told = [r for r in runs if r["verdict"] != "FAILED" and r["early"]]
    moments = min((len(r["early"]) for r in told), default=0)
    return [float(np.mean([watched(r, k) == r["verdict"] for r in told])) for k in range(moments)]


def _row(key: tuple[str, str, float, int, str], runs: Sequence[Outcome]) -> dict[str, Any]:
    arm, polarity, fraction, steps, precision = key
    count = {v: sum(r["verdict"] == v for r in runs) for v in ("INVERTED", "CORRECT", "FAILED")}
    return {
        "arm": arm, "name": ARMS[arm][0], "polarity": polarity, "fraction": fraction, "steps": steps,
        "precision": precision, "runs": len(runs), "seeds": sorted(r["seed"] for r in runs), **count,
        "interval": wilson(count["INVERTED"], len(runs)), "pearson": _mean(runs, "pearson"),
        "psnr_correct": _mean(runs, "psnr", "CORRECT"), "cycle": _mean(runs, "cycle"),
        "cycle_correct": _mean(runs, "cycle", "CORRECT"), "cycle_inverted": _mean(runs, "cycle", "INVERTED"),
        "watchdog_agrees": _agreeing(runs), "decided": _decided(runs), "minutes": _mean(runs, "minutes"),
        "told_apart": {key: _told_apart(runs, key) for key in ("w1", "spectrum", "kid", "cycle")},
    }  # fmt: skip


def summary(found: Sequence[Outcome]) -> list[dict[str, Any]]:
    """A row for each arm, polarity, fraction and length, and against arm 1 a one-sided Fisher test."""
    groups: dict[Any, list[Outcome]] = {}
    for o in found:
        groups.setdefault((o["arm"], o["polarity"], o["fraction"], o["steps"], o["precision"]), []).append(o)
    rows = [_row(key, runs) for key, runs in sorted(groups.items(), key=lambda item: _order(item[0]))]
    for row in rows:
        plain = [r for r in rows if r["arm"] == "1" and all(r[k] == row[k] for k in ("polarity", "fraction", "steps"))]
        if plain and row["arm"] != "1":
            row["fisher"] = fisher(plain[0]["INVERTED"], plain[0]["runs"], row["INVERTED"], row["runs"])
    return rows


def _order(key: tuple[str, str, float, int, str]) -> tuple[Any, ...]:
    return (key[1] != "same", -key[2], key[3], key[4], list(ARMS).index(key[0]))


def _short(value: float | None, digits: int = 3) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


def table(rows: Sequence[dict[str, Any]]) -> str:
    """For a terminal, and as it stands in RESULTS.md."""
    lines = [
        "| arm | polarity, area | inverted | 95 % | correct | failed | Pearson | cycle L1, correct / inverted | "
        "watchdog agrees | p |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for r in rows:
        low, high = r["interval"]
        lines.append(
            f"| {r['arm']} {r['name']} | {r['polarity']}, {r['fraction']:g} | {r['INVERTED']} of {r['runs']} | "
            f"{low:.0%}–{high:.0%} | {r['CORRECT']} | {r['FAILED']} | {_short(r['pearson'], 2)} | "
            f"{_short(r['cycle_correct'])} / {_short(r['cycle_inverted'])} | "
            f"{r['watchdog_agrees'][0]} of {r['watchdog_agrees'][1]} | {_short(r.get('fisher'))} |"
        )
    return "\n".join(lines)

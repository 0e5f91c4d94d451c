"""What became of a run, without the truth: which networks were kept and why, and what the watchdog saw."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from isoscope.run import Run

__all__ = ["attempts_said", "inversion_said", "verdict_facts", "verdicts_said"]

_MEASURED = {
    "pairs": "the least error on the fixed pairs",
    "synthetic pairs": "the least error on synthetic pairs (F(b), b)",
    "cycle": "the least error of both cycles",
    "none": "the newest whose content is in place",
}


def attempts_said(run: Run) -> list[str]:
    """Which attempts were given up before this one."""
    from isoscope.watching.restarting import notes

    return [
        f"seed {note['seed']} was inverted by step {note['step']}; this is seed {run.recipe.training.seed}"
        for note in notes(run.folder)[-1:]
    ]


def verdicts_said(run: Run) -> list[str]:
    """A line on what was kept, and one on what the watchdog saw."""
    from isoscope.watching.vigil import seen

    looks = run.vigil.watchdog.looks
    if not looks:
        return []
    bad = run.vigil.watchdog.inverted_looks
    saw = f"inverted at {bad} of {len(looks)} looks" if bad else f"content in its place at all {len(looks)} looks"
    return [_kept_said(run), f"watchdog: {saw}; in the end {seen(looks[-1])}"]


def _kept_said(run: Run) -> str:
    chosen, last = run.vigil.chosen, run.vigil.watchdog.looks[-1]
    if chosen is None:
        return f"the model: the networks after step {last.step}, the newest (training.keep={run.recipe.training.keep})"
    look = chosen[0]
    compared = f", {look.error:.4f}" if look.known else ""
    if look.known and look.step != last.step:
        compared += f" (after step {last.step}: {last.error:.4f})"
    return f"the model: the networks after step {look.step}, {_MEASURED[run.vigil.witness.criterion]}{compared}"


def inversion_said(run: Run) -> str:
    """The loud line for a finished run whose model must not be used."""
    return (
        f"INVERTED: the model in {run.folder} exchanges content and background; do not use it; train with another "
        f"--seed, declare the polarity, or raise losses.saliency.weight"
    )


def verdict_facts(run: Run | None) -> dict[str, Any]:
    """The same for --json."""
    from isoscope.watching.restarting import notes

    if run is None:
        return {"kept": None, "watchdog": None}
    chosen, vigil = run.vigil.chosen, run.vigil
    kept = {**chosen[0].facts(), "criterion": vigil.witness.criterion} if chosen else None
    saw = {"inverted": vigil.inverted, "looks": vigil.watchdog.facts(), "restarts": notes(run.folder)}
    return {"kept": kept, "watchdog": saw}

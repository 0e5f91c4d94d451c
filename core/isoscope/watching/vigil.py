"""A run's own witness, watchdog and choice of networks, and how they are saved and restored with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import nn

from isoscope.history import HistoryFile
from isoscope.watching.watchdog import Collapse, Inversion, Kept, Watchdog
from isoscope.watching.witness import Look, Witness

if TYPE_CHECKING:
    from isoscope.recipe import Training

__all__ = ["Vigil", "seen"]

_MEASURES = ("rank", "kappa")

Networks = Mapping[str, nn.Module]


class Vigil:
    """Looks at a run at few moments, writes down what it saw, and keeps the best networks so far.

    Args:
        witness: who looks.
        generators: networks of the shape that is to be kept.
        training: what the recipe says of watching and keeping.
        folder: the run's; rows go to diagnostics.csv there.
    """

    def __init__(self, witness: Witness, generators: Networks, training: Training, folder: Path) -> None:
        self.witness, self.training = witness, training
        self.watchdog = Watchdog()
        self.kept = Kept(generators) if training.keep == "best" else None
        found = [f"{what}_{direction}" for direction in generators for what in _MEASURES]
        self.file = HistoryFile(folder / "diagnostics.csv", ["step", "u", *found, "error", "inverted", "kept"])

    def attend(self, step: int, u: float, total: int, networks: Callable[[], Networks]) -> None:
        """Look, if it is time to, at the networks as prediction would use them.

        Raises:
            Failure: if the recipe wants to know, and content and background have changed places, or content is gone.
        """
        if not self.watchdog.due(step, u, total):
            return
        made, judged = networks(), self.watchdog.judged(u)
        look = self.witness.look(step, u, made, judged)
        self.watchdog.looks.append(look)
        kept = self.kept is not None and judged and self.kept.offer(look, made)
        self.file.write(_row(look, kept))
        if self.training.watchdog != "record":
            self._judge(look)

    def _judge(self, look: Look) -> None:
        where = f"by step {look.step} (seed {self.training.seed}; {seen(look)})"
        if flat := self.watchdog.collapsed:
            raise Collapse(
                f"{' and '.join(sorted(flat))} makes the same of every image {where}; lower method.rate, or try "
                "another --seed"
            )
        if self.watchdog.barks:
            raise Inversion(
                f"content and background have changed places {where}; declare other polarities or thresholds, raise "
                "losses.saliency.weight, or try another --seed"
            )

    @property
    def chosen(self) -> tuple[Look, Networks] | None:
        """What is kept so far and what was seen of it; none where the newest networks are the model."""
        if self.kept is None or self.kept.look is None:
            return None
        return self.kept.look, dict(self.kept.networks.items())

    @property
    def inverted(self) -> bool:
        """Whether the model as of now has content and background exchanged, as more than one look saw."""
        looks = [self.chosen[0]] if self.chosen else self.watchdog.looks[-1:]
        return any(look.inverted for look in looks) and self.watchdog.inverted_looks > 1

    def parts(self) -> dict[str, nn.Module]:
        """Modules to be saved with a checkpoint."""
        return {} if self.kept is None else {"kept": self.kept}

    def facts(self) -> dict[str, Any]:
        """Everything else, JSON-serialisable."""
        return {"looks": self.watchdog.facts(), "kept": self.kept.facts() if self.kept is not None else None}

    def restore(self, facts: Mapping[str, Any]) -> None:
        """The inverse of `facts`."""
        self.watchdog = Watchdog.remembered(facts["looks"])
        if self.kept is not None:
            self.kept.remember(facts["kept"])


def seen(look: Look) -> str:
    """The diagnostics of a look in words."""
    return "; ".join(f"{d}: D1 {found.rank:.2f}, D2 {found.kappa:.2f}" for d, found in look.agreements.items())


def _row(look: Look, kept: bool) -> dict[str, Any]:
    numbers = {
        f"{what}_{d}": round(getattr(found, what), 4) for d, found in look.agreements.items() for what in _MEASURES
    }
    error = round(look.error, 6) if look.known else ""
    return {
        "step": look.step, "u": round(look.u, 6), **numbers, "error": error,
        "inverted": int(look.inverted), "kept": int(kept),
    }  # fmt: skip

"""Progress u as a function of the step, re-planned while a time budget runs, so that a run ends well in time."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["Pace"]


@dataclass
class Pace:
    """u(step), piecewise linear from 0 to 1.

    Each piece (step, u, total) says: from this step, at this u, on towards u = 1 at `total`. The pieces are saved in
    checkpoints, so a resumed run meets the same u at the same step whatever the clock says.
    """

    pieces: list[tuple[int, float, int]] = field(default_factory=list)

    @classmethod
    def fixed(cls, steps: int) -> Pace:
        """A run of known length."""
        return cls([(0, 0.0, steps)])

    @property
    def total(self) -> int:
        """Steps planned as of now."""
        return self.pieces[-1][2]

    def u(self, step: int) -> float:
        """Progress at a step: below 1 before the last, exactly 1 there."""
        start, base, total = next(p for p in reversed(self.pieces) if p[0] <= step)
        return 1.0 if step >= total else base + (1.0 - base) * (step - start) / (total - start)

    def replan(self, step: int, total: int) -> None:
        """From this step on, end at `total` instead (at the earliest one step from now)."""
        self.pieces.append((step, self.u(step), max(step + 1, total)))

"""Wall time of a training run."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

__all__ = ["Clock"]


@dataclass
class Clock:
    """Wall time of a run over all its sittings, and its recent speed."""

    before: float = 0.0
    started: float = field(default_factory=time.monotonic)
    marks: list[tuple[int, float]] = field(default_factory=list)

    @property
    def elapsed(self) -> float:
        """Seconds since the run began, earlier sittings included."""
        return self.before + time.monotonic() - self.started

    def rate(self, step: int) -> float:
        """Steps per second over about the last thirty reports."""
        self.marks = [*self.marks[-30:], (step, time.monotonic())]
        (s0, t0), (s1, t1) = self.marks[0], self.marks[-1]
        return (s1 - s0) / (t1 - t0) if t1 > t0 else 0.0

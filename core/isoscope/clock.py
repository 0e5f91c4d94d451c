"""Wall time of a training run."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar

__all__ = ["Clock"]

T = TypeVar("T")


@dataclass
class Clock:
    """Wall time of a run over all its sittings, its recent speed, and how long it waited for images.

    Attributes:
        before: seconds of earlier sittings.
        started: when this one began.
        fed: when its first batch was there; from then on waiting counts.
        waited: seconds of waiting since.
        marks: step, time and `waited` at the latest reports.
    """

    before: float = 0.0
    started: float = field(default_factory=time.monotonic)
    fed: float | None = None
    waited: float = 0.0
    marks: list[tuple[int, float, float]] = field(default_factory=list)

    @property
    def elapsed(self) -> float:
        """Seconds since the run began, earlier sittings included."""
        return self.before + time.monotonic() - self.started

    def rate(self, step: int) -> float:
        """Steps per second over about the last thirty reports."""
        self.marks = [*self.marks[-30:], (step, time.monotonic(), self.waited)]
        (s0, t0, _), (s1, t1, _) = self.marks[0], self.marks[-1]
        return (s1 - s0) / (t1 - t0) if t1 > t0 else 0.0

    @property
    def waiting(self) -> float:
        """Share of the time between those reports that was spent waiting."""
        if not self.marks:
            return 0.0
        (_, t0, w0), (_, t1, w1) = self.marks[0], self.marks[-1]
        return (w1 - w0) / (t1 - t0) if t1 > t0 else 0.0

    @property
    def waited_share(self) -> float:
        """Share of this sitting, from the first batch on, that was spent waiting."""
        passed = 0.0 if self.fed is None else time.monotonic() - self.fed
        return self.waited / passed if passed > 0 else 0.0

    def watched(self, batches: Iterable[T]) -> Iterator[T]:
        """The same batches; how long each but the first keeps its user waiting is counted.

        On a GPU this is an upper bound: it may still be busy with the step before.
        """
        source = iter(batches)
        while True:
            asked = time.monotonic()
            try:
                batch = next(source)
            except StopIteration:
                return
            if self.fed is None:
                self.fed = time.monotonic()
            else:
                self.waited += time.monotonic() - asked
            yield batch

"""Live progress on a terminal, a plain line every ten seconds elsewhere; always on stderr."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from isoscope_terminal.manners import manners, write_down
from isoscope_terminal.voice import console

if TYPE_CHECKING:
    from rich.progress import Progress as Bar
    from rich.progress import TaskID

    from isoscope.training import Progress

__all__ = ["Live", "duration", "training_line"]

_EVERY = 10.0


def duration(seconds: float) -> str:
    """Seconds as 0:42, 12:05 or 3:02:10; "-:--" while unknown."""
    if seconds != seconds:
        return "-:--"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def _losses(losses: Mapping[str, float]) -> str:
    return " ".join(f"{name} {value:.3g}" for name, value in losses.items())


def training_line(p: Progress) -> str:
    """Speed, time to go, the share of time spent waiting for images and every loss, in one line."""
    speed, wait = (f"{p.rate:.1f}", f"{p.waiting:.0%}") if p.rate else ("-", "-")  # not known at the first report
    return f"{speed} steps/s  ETA {duration(p.remaining)}  waits {wait}  {_losses(p.losses)}"


class Live:
    """A counter that people can watch: `with Live("training") as live: live.update(done, total, detail)`.

    Args:
        label: what is being done.
    """

    def __init__(self, label: str) -> None:
        self._label = label
        self._console = console(stderr=True)
        self._bar: Bar | None = None
        self._task: TaskID | None = None
        self._last = time.monotonic() - _EVERY + 1.0  # the first plain line after a second, then every ten
        self._finished = False

    def __enter__(self) -> Self:
        if self._console.is_terminal and not self._console.is_dumb_terminal and not manners.quiet:
            self._bar = _bar(self._console)
            self._task = self._bar.add_task(self._label, total=None, detail="")
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def update(self, done: int, total: int, detail: str = "") -> None:
        """Say how far it is; cheap enough to be called at every step."""
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=done, total=total, detail=detail)
        ended = done >= total and not self._finished
        if ended or time.monotonic() - self._last >= _EVERY:
            self._last, self._finished = time.monotonic(), done >= total
            self._line(f"{self._label} {done}/{total}  {detail}".rstrip())

    def _line(self, text: str) -> None:
        """A line for the log file, and for whoever reads stderr without a bar; nobody has to."""
        write_down(text)
        if self._bar is None and not manners.quiet:
            with contextlib.suppress(OSError):
                self._console.print(text, soft_wrap=True)

    def training(self, p: Progress) -> None:
        """Say how far a training run is."""
        self.update(p.step, p.total, training_line(p))


def _bar(target: Any) -> Bar:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.table import Column

    whole = Column(overflow="fold")  # a narrow terminal wraps the losses instead of cutting them off

    columns = [
        TextColumn("{task.description}", markup=False), BarColumn(bar_width=24), MofNCompleteColumn(),
        TextColumn("{task.fields[detail]}", markup=False, table_column=whole),
    ]  # fmt: skip
    return Progress(*columns, console=target, refresh_per_second=4)

"""One output made: predicted or converted, resumed where asked, and given up tidily."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from isoscope_terminal.batch import Progress, Stop, Tidy

if TYPE_CHECKING:
    from isoscope.inference import Plan, Tally
    from isoscope.kinds import Store
    from isoscope.model import Model
    from isoscope.volume import Volume
    from isoscope.writing.carrying import Tally as Carried
    from isoscope.writing.conversion import Conversion

__all__ = ["converted", "predicted"]


def predicted(
    plan: Plan, model: Model, volume: Volume, resume: bool, progress: Progress, stop: Stop, batch: int | None = None
) -> Tally:
    """Predict an image into the plan's output.

    Raises:
        Interrupted: after Ctrl-C.
    """
    from isoscope.inference import create, stream

    sink = Tidy(create(plan, resume=resume), lambda: (job.box for job in plan.jobs))
    return stream(plan, model, volume, sink, progress=lambda done, _: progress(done), stop=stop, batch=batch)


def converted(
    made: Conversion,
    out: Path,
    store: Store,
    resume: bool,
    progress: Progress,
    stop: Stop,
    workers: int = 2,
    **identity: Any,
) -> Carried:
    """Convert an image into a file; `identity` tells the input's content.

    Raises:
        Interrupted: after Ctrl-C.
    """
    from isoscope.writing.conversion import run

    fingerprint = made.fingerprint(**identity)
    sink = store.create(out, made.header, made.layout, fingerprint=fingerprint, resume=resume)
    return run(made, Tidy(sink, made.boxes), workers=workers, progress=lambda done, _: progress(done), stop=stop)

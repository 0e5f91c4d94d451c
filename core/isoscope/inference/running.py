"""The loop that runs a plan's jobs and hands their shards to a sink."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from isoscope import kinds
from isoscope.errors import DataError, Interrupted
from isoscope.frames import Frames
from isoscope.inference.planning import Job, Plan, frames_of
from isoscope.intensity import encode
from isoscope.model import Model
from isoscope.parameters import build
from isoscope.tiling import Tile
from isoscope.volume import Sink, Volume

__all__ = ["Tally", "run", "stream"]


@dataclass(slots=True)
class Tally:
    """What a prediction counted on its way: pixels made and clipped, and the shards that were there already."""

    pixels: int = 0
    clipped: int = 0
    skipped: int = 0


def _read(frames: Frames, frame: int, tiles: Sequence[Tile]) -> tuple[NDArray[Any], tuple[int, int]]:
    """The pixels that all tiles need, reflected past the plane's end, and the plane position of their first pixel."""
    spans, pads = [], []
    for axis, limit in enumerate(frames.size):
        start = min(t.read[axis].start for t in tiles)
        stop = max(t.read[axis].stop for t in tiles)
        short = max(0, stop - limit)
        # reflection needs `short` pixels before the edge, whatever the tile: else thin tiles would reflect differently
        spans.append(slice(min(start, max(0, limit - 1 - short)), min(stop, limit)))
        pads.append((0, short))
    values = frames.read(frame, spans[0], spans[1])
    return np.pad(values, ((0, 0), *pads), mode="reflect"), (spans[0].start, spans[1].start)


def _shifted(span: slice, by: int) -> slice:
    return slice(span.start - by, span.stop - by)


def run(plan: Plan, job: Job, model: Model, frames: Frames) -> NDArray[Any]:
    """The grey values of one shard, float32 [C, h, w], not yet rounded. Reads only the plan and the input."""
    tiles = list(build(kinds.tilings, plan.tiling)(job.region, plan.grid))
    values, (y0, x0) = _read(frames, job.frame, tiles)
    source = torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32))
    rows, columns = job.region
    out = np.zeros((model.outputs.channels, rows.stop - rows.start, columns.stop - columns.start), np.float32)
    for tile in tiles:
        ys, xs = tile.read
        part = model(source[:, _shifted(ys, y0), _shifted(xs, x0)]).numpy()
        kept = part[:, tile.keep[0], tile.keep[1]]
        place = (slice(None), _shifted(tile.write[0], rows.start), _shifted(tile.write[1], columns.start))
        if tile.weight is None:
            out[place] = kept
        else:
            out[place] += kept * tile.weight
    if not np.isfinite(out).all():
        raise DataError(f"{frames.name}: the network returned NaN; its weights are damaged; retrain or restore it")
    # what was subtracted from the images it learned to write
    offset = model.writes.prepare.offset
    return out + np.float32(offset) if offset else out


def stream(
    plan: Plan, model: Model, volume: Volume, sink: Sink, *,
    progress: Callable[[int, int], None] | None = None, stop: Callable[[], bool] | None = None,
) -> Tally:  # fmt: skip
    """Run every job and write its shard, but for those that are there; closes the sink, aborts it on any failure.

    Args:
        plan: from `plan`.
        model: the same model.
        volume: the same volume.
        sink: made for `plan.header` and `plan.layout`.
        progress: called with (jobs done, jobs).
        stop: asked after each job; true raises Interrupted.
    """
    frames, tally = frames_of(model, volume), Tally()
    try:
        with ThreadPoolExecutor(1, "isoscope-writing") as writer:
            pending: Future[None] | None = None
            for done, job in enumerate(plan.jobs, 1):
                if sink.written(job.box):
                    tally.skipped += 1
                else:
                    values = _encoded(run(plan, job, model, frames), plan.header.dtype, tally)
                    _wait(pending)
                    pending = writer.submit(sink.write, job.box, values)
                if progress:
                    progress(done, len(plan.jobs))
                if stop and stop():
                    _wait(pending)
                    kept = "--resume goes on from there" if sink.written(job.box) else "nothing kept"
                    raise Interrupted(f"stopped {frames.name} after {done} of {len(plan.jobs)} shards; {kept}")
            _wait(pending)
        sink.close()
    except BaseException:
        sink.abort()
        raise
    return tally


def _encoded(values: NDArray[Any], dtype: np.dtype[Any], tally: Tally) -> NDArray[Any]:
    """One shard [C, h, w] as it is stored, TCZYX, and counted."""
    encoded, clipped = encode(values, dtype)
    tally.pixels += encoded.size
    tally.clipped += clipped
    return encoded[None, :, None]


def _wait(pending: Future[None] | None) -> None:
    if pending is not None:
        pending.result()

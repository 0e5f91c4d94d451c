"""Threads that fill a sink: many shards at once, never more in hand than there are threads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from isoscope.ahead import in_order
from isoscope.errors import Interrupted
from isoscope.volume import Box, Sink
from isoscope.writing.narrowing import Counted

__all__ = ["Tally", "carry"]


@dataclass(slots=True)
class Tally:
    """What was counted: pixels written, clipped and rounded, and the shards that were there already."""

    pixels: int = 0
    clipped: int = 0
    rounded: int = 0
    skipped: int = 0

    def add(self, more: Tally) -> None:
        """Count what another counted too."""
        self.pixels += more.pixels
        self.clipped += more.clipped
        self.rounded += more.rounded
        self.skipped += more.skipped


def carry(
    sink: Sink, boxes: Sequence[Box], make: Callable[[Box], Counted], *, name: str, workers: int = 2,
    progress: Callable[[int, int], None] | None = None, stop: Callable[[], bool] | None = None,
) -> Tally:  # fmt: skip
    """Write every shard that is not there yet, then close the sink; any failure aborts it.

    Args:
        sink: where the shards go.
        boxes: the shards.
        make: the pixels of one, how many were clipped, how many rounded; called in threads.
        name: of the image, for messages.
        workers: threads, each with one shard in hand.
        progress: called with (shards done, shards).
        stop: asked after each shard; true raises Interrupted.
    """
    tally = Tally()
    try:
        with ThreadPoolExecutor(workers, "isoscope-carrying") as pool:
            for done, counts in enumerate(in_order(pool, lambda box: _one(sink, box, make), boxes, workers), 1):
                tally.add(counts)
                if progress:
                    progress(done, len(boxes))
                if stop and stop():
                    pool.shutdown(cancel_futures=True)
                    kept = "--resume goes on from there" if sink.written(boxes[done - 1]) else "nothing kept"
                    raise Interrupted(f"stopped {name} after {done} of {len(boxes)} shards; {kept}")
        sink.close()
    except BaseException:
        sink.abort()
        raise
    return tally


def _one(sink: Sink, box: Box, make: Callable[[Box], Counted]) -> Tally:
    if sink.written(box):
        return Tally(skipped=1)
    values, clipped, rounded = make(box)
    sink.write(box, values)
    return Tally(values.size, clipped, rounded)

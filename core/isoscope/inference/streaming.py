"""Reader threads, the network, writer threads, and never more than a few shards between them."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from numpy.typing import NDArray
from torch import Tensor

from isoscope.ahead import in_order
from isoscope.errors import Interrupted, refusal
from isoscope.frames import Frames
from isoscope.inference.batching import Batch
from isoscope.inference.calling import Caller, Item
from isoscope.inference.fitting import frames_of
from isoscope.inference.landing import landed
from isoscope.inference.planning import Job, Plan
from isoscope.inference.sides import Work, opened
from isoscope.inference.tally import Tally
from isoscope.intensity import encode
from isoscope.model import Model
from isoscope.volume import Sink, Volume
from isoscope.writing.ledger import identity

__all__ = ["computed", "stream", "write"]

_READERS = 2
_WRITERS = max(1, min(8, (os.cpu_count() or 2) // 2))
_AHEAD = 2
"""Shards that are read, and shards that are written, while the network works."""


def computed(plan: Plan, job: Job, model: Model, frames: Frames) -> NDArray[Any]:
    """The grey values of one shard, float32 [C x planes, h, w], not yet rounded. Reads only the plan and the input."""
    shard, caller = opened(plan, frames, job), Caller(model, frames, plan.grid)
    for tile in shard.tiles:
        shard.place(tile, caller([(shard, tile)])[0].cpu().numpy())
    return shard.values(model, frames.name)


def write(plan: Plan, sink: Sink, job: Job, values: NDArray[Any]) -> tuple[int, int]:
    """Store one shard's grey values in the output's type; how many there are, and how many were clipped."""
    _, channels, planes, height, width = job.box.shape
    # the last slab of a volume goes on behind its end
    kept = values.reshape(channels, -1, height, width)[:, :planes]
    encoded, clipped = encode(kept, plan.header.dtype)
    sink.write(job.box, encoded[None])
    return encoded.size, clipped


def stream(
    plan: Plan, model: Model, volume: Volume, sink: Sink, *,
    progress: Callable[[int, int], None] | None = None, stop: Callable[[], bool] | None = None,
    batch: int | None = None,
) -> Tally:  # fmt: skip
    """Run every job whose shard is not there, then close the sink; any failure aborts it.

    Args:
        plan: from `plan`.
        model: the same model.
        volume: the same volume.
        sink: made for `plan.header` and `plan.layout`.
        progress: called with (tiles done, tiles), as the grid has them.
        stop: asked after each shard; true raises Interrupted.
        batch: tiles that go through the network at once, which may round otherwise; none: measured, without that.
    """
    flow = _Flow(plan, model, frames_of(model, volume, plan.thick), sink, progress, stop, batch)
    try:
        flow.run()
        _check_input(plan)
        sink.close()
    except BaseException:
        sink.abort()
        raise
    return flow.tally


def _check_input(plan: Plan) -> None:
    """Refuse a prediction of which one part may be of another image than the rest."""
    if plan.source and identity(plan.source.path) != plan.decides["input"]["content"]:
        raise refusal(plan.source.path, "a file that changed while it was read", "one that stays", "predict it again")


class _Flow:
    """One prediction on its way."""

    def __init__(
        self, plan: Plan, model: Model, frames: Frames, sink: Sink, progress: Callable[[int, int], None] | None,
        stop: Callable[[], bool] | None, batch: int | None,
    ) -> None:  # fmt: skip
        self.plan, self.model, self.frames, self.sink = plan, model, frames, sink
        self.progress, self.stop, self.tally = progress, stop, Tally()
        self.caller = Caller(model, frames, plan.grid)
        self.batch = Batch(self.caller, batch, self.caller.shape)
        self.jobs = self.tiles = 0
        self.total = sum(map(plan.tiles, plan.jobs))
        self.pending: deque[Future[Tally]] = deque()

    def run(self) -> None:
        """Every job, in order."""
        with (
            ThreadPoolExecutor(_READERS, "isoscope-reading") as readers,
            ThreadPoolExecutor(_WRITERS, "isoscope-writing") as writers,
        ):
            # whatever fails, shards that are made already are still written: they need not be made again
            for (shard, tile), values in landed(self._made(self._groups(readers, writers)), self.model.device):
                shard.place(tile, values)
                self._say(shard)
                if shard.done:
                    self._hand_over(shard, writers)
            self._settle(0)

    def _open(self, job: Job) -> Work | Job:
        """What is read for a job, or only the job if its shard is there; in a reader's thread."""
        return job if self.sink.written(job.box) else opened(self.plan, self.frames, job)

    def _hand_over(self, shard: Work, writers: ThreadPoolExecutor) -> None:
        """Let a finished shard be written."""
        self._settle(_AHEAD)
        self.pending.append(writers.submit(self._finish, shard))
        self._count(shard.job)

    def _groups(self, readers: ThreadPoolExecutor, writers: ThreadPoolExecutor) -> Iterator[list[Item]]:
        """Tiles that go through the network together, in order."""
        group: list[Item] = []
        for shard in self._missing(in_order(readers, self._open, self.plan.jobs, _AHEAD)):
            if shard.done:  # nothing in it is computed
                self._hand_over(shard, writers)
                continue
            self.batch.settle((shard, shard.tiles[len(shard.tiles) // 2]), self.total - self.tiles)
            for tile in shard.tiles:
                item = (shard, tile)
                if group and not self.caller.together(group[0], item):
                    yield group
                    group = []
                group.append(item)
                if len(group) >= self.batch.size:
                    yield group
                    group = []
        if group:
            yield group

    def _missing(self, opened: Iterable[Work | Job]) -> Iterator[Work]:
        for shard in opened:
            if not isinstance(shard, Job):
                yield shard
            else:
                self.tally.skipped += 1
                self._count(shard)

    def _made(self, groups: Iterable[list[Item]]) -> Iterator[tuple[Item, Tensor]]:
        for group in groups:
            yield from zip(group, self.batch(group), strict=True)

    def _finish(self, shard: Work) -> Tally:
        """Write a shard; in a writer's thread."""
        pixels, clipped = write(self.plan, self.sink, shard.job, shard.values(self.model, self.frames.name))
        return Tally(pixels, clipped, read=shard.seen.size, unfamiliar=self.model.unfamiliar(shard.seen))

    def _settle(self, most: int) -> None:
        """Wait until at most so many shards are being written."""
        while len(self.pending) > most:
            self.tally.add(self.pending.popleft().result())

    def _say(self, shard: Work) -> None:
        if self.progress and not shard.done:
            self.progress(self.tiles + self.plan.tiles(shard.job) * shard.made // len(shard.tiles), self.total)

    def _count(self, job: Job) -> None:
        """One more job is done; the moment to stop, if somebody asked."""
        self.jobs += 1
        self.tiles += self.plan.tiles(job)
        if self.progress:
            self.progress(self.tiles, self.total)
        if self.stop and self.stop():
            self._settle(0)
            kept = "--resume goes on from there" if self.sink.written(job.box) else "nothing kept"
            done = f"{self.jobs} of {len(self.plan.jobs)} shards"
            raise Interrupted(f"stopped {self.frames.name} after {done}; {kept}")

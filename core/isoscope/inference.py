"""Prediction: a plan that shape and recipe fix, jobs of one output shard each, and the loop that runs them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from isoscope import __version__, kinds
from isoscope import model as models
from isoscope.errors import DataError, Interrupted
from isoscope.frames import Frames
from isoscope.intensity import encode
from isoscope.kinds import Direction
from isoscope.model import Model
from isoscope.parameters import Component, build
from isoscope.tiling import Grid, Region, Tile, regions
from isoscope.volume import ArraySink, ArrayVolume, Box, Header, Layout, Sink, Volume

__all__ = ["Job", "Plan", "Predictor", "Tally", "load", "plan", "run", "stream"]

_log = logging.getLogger(__name__)

_CORE = 512
_SHARD = 1024
_CHUNK = 512


@dataclass(frozen=True, slots=True)
class Job:
    """One output shard: `region` of frame `frame`, written as `box`."""

    frame: int
    region: Region
    box: Box


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything about a prediction that is known before any pixel is read."""

    header: Header
    layout: Layout
    grid: Grid
    tiling: Component
    jobs: tuple[Job, ...]


@dataclass(slots=True)
class Tally:
    """What a prediction counted on its way: pixels made and clipped, and the shards that were there already."""

    pixels: int = 0
    clipped: int = 0
    skipped: int = 0


def _multiple(value: int, of: int) -> int:
    return -(-value // of) * of


def _grid(model: Model, size: tuple[int, int], tile: int | None) -> Grid:
    """The tile grid; a network that looks at its whole input gets the whole plane unless a tile is asked for."""
    if model.halo is not None:
        return Grid(size, _multiple(tile or _CORE, model.stride), model.halo, model.stride)
    if tile is None:
        return Grid(size, _multiple(max(size), model.stride), 0, model.stride)
    _log.warning("this network looks at its whole input: tiles of %d px will not agree exactly", tile)
    core = _multiple(tile, model.stride)
    return Grid(size, core, _multiple(core // 2, model.stride), model.stride)


def _layout(grid: Grid, channels: int, codec: str) -> Layout:
    """Shards near 1024 px, a multiple of the core and no larger than the plane needs; chunks that divide them."""
    needed = max(-(-n // grid.core) for n in grid.size)
    cores = min(max(1, _SHARD // grid.core), needed)
    per_chunk = max(d for d in range(1, cores + 1) if cores % d == 0 and (d == 1 or d * grid.core <= _CHUNK))
    shard, chunk = cores * grid.core, per_chunk * grid.core
    return Layout((1, channels, 1, shard, shard), (1, 1, 1, chunk, chunk), codec)


def _header(model: Model, source: Header, frames: Frames) -> Header:
    """The output's header: the input's geometry, the output domain's channels and type, and where it comes from."""
    t, _, z, y, x = source.shape
    stack = frames.planes == "stack"
    shape = (t, model.outputs.channels, 1 if stack else z, y, x)
    axes = "".join(a for a in source.axes if a != "C" and not (stack and a == "Z"))
    # a single channel keeps the axis that the input had for it, so that a TCZYX image stays one
    if shape[1] > 1 or ("C" in source.axes and source.shape[1] == 1):
        axes = "TC" + axes[1:] if axes.startswith("T") else "C" + axes
    declared = model.recipe.output.dtype if model.direction == "a2b" else None
    provenance = {
        "predicted": True, "isoscope": __version__, "model": model.sha256, "direction": model.direction,
        "task": model.recipe.task, "input": source.name,
    }  # fmt: skip
    return replace(
        source, shape=shape, axes=axes, dtype=np.dtype(declared or model.outputs.dtype),
        channels=model.outputs.channel_names, rgb=model.outputs.rgb, attributes={**source.attributes, **provenance},
    )  # fmt: skip


def _frames(model: Model, volume: Volume) -> Frames:
    """The volume's frames as the model reads them, refused where the channels differ."""
    trained = model.recipe.source if model.direction == "a2b" else model.recipe.target
    planes = model.recipe.output.planes if model.direction == "a2b" else "xy"
    frames = Frames(volume, planes, trained.grey)
    if frames.channels != model.inputs.channels:
        per = "planes x channels" if planes == "stack" else "channels"
        raise DataError(
            f"{frames.name} has {frames.channels} {per}; the model reads {model.inputs.channels}; "
            f"give images like those it was trained on"
        )
    return frames


def plan(model: Model, volume: Volume, *, tile: int | None = None, tiling: str | None = None) -> Plan:
    """Turn a volume's shape and the recipe into jobs; nothing else decides the grid.

    Args:
        model: the trained transformation.
        volume: the input; no pixels are read.
        tile: side of the kept core in pixels, rounded up to the network's stride; none: the recipe's.
        tiling: a tiling plug-in's name; none: the recipe's.
    """
    frames = _frames(model, volume)
    recipe = model.recipe.inference
    grid = _grid(model, frames.size, tile or recipe.tile)
    header = _header(model, volume.header, frames)
    layout = _layout(grid, header.shape[1], model.recipe.output.codec)
    jobs = tuple(_jobs(frames, header, grid, layout))
    return Plan(header, layout, grid, Component(name=tiling) if tiling else recipe.tiling, jobs)


def _jobs(frames: Frames, header: Header, grid: Grid, layout: Layout) -> Iterator[Job]:
    channels = header.shape[1]
    for index, (t, z) in enumerate(frames.places):
        for ys, xs in regions(grid.size, layout.shard[-1]):
            box = Box((t, 0, z, ys.start, xs.start), (t + 1, channels, z + 1, ys.stop, xs.stop))
            yield Job(index, (ys, xs), box)


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
    return out


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
    frames, tally = _frames(model, volume), Tally()
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


class Predictor:
    """A loaded model for arrays: `isoscope.inference.load(run).predict(array)`."""

    def __init__(self, model: Model) -> None:
        self.model = model

    def _axes(self, ndim: int) -> str:
        many = self.model.inputs.channels > 1
        stack = self.model.recipe.output.planes == "stack" and self.model.direction == "a2b"
        known = {2: "YX", 3: "ZYX" if stack or not many else "CYX", 4: "CZYX", 5: "TCZYX"}
        if ndim not in known:
            raise DataError(f"got an array of {ndim} dimensions; expected 2 to 5, axes within TCZYX")
        return known[ndim]

    def predict(
        self, array: NDArray[Any], axes: str | None = None, *, tile: int | None = None, tiling: str | None = None
    ) -> NDArray[Any]:
        """Transform an array of grey values; the same geometry comes back, in the output domain's type.

        Args:
            array: grey values as in the training images.
            axes: its axes, such as "YX", "CYX" or "YXC"; none: the usual order for its number of dimensions.
            tile: side of the kept core in pixels.
            tiling: a tiling plug-in's name.

        Returns:
            The input's axes in the input's order; channels, where there are several, stand in place of the input's or
            else first. For stacks read as channels the Z axis is gone.
        """
        volume = ArrayVolume(array, axes or self._axes(array.ndim))
        made = plan(self.model, volume, tile=tile, tiling=tiling)
        sink = ArraySink(made.header)
        stream(made, self.model, volume, sink)
        given = volume.header.axes
        kept = [a for a in given if a in made.header.axes]
        if "C" in made.header.axes and "C" not in kept:
            kept.insert(0, "C")
        squeezed = sink.array[tuple(slice(None) if a in kept else 0 for a in "TCZYX")]
        order = [a for a in "TCZYX" if a in kept]
        return squeezed.transpose([order.index(a) for a in kept])


def load(path: str | Path, direction: Direction = "a2b", device: str | torch.device | None = None) -> Predictor:
    """Load a run for prediction, on the fastest device unless told otherwise."""
    from isoscope.device import pick

    return Predictor(models.load(path, direction, device or pick()))

"""A prediction before any pixel is read: jobs of one output shard each, fixed by shape and recipe alone."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from isoscope import __version__
from isoscope.errors import DataError
from isoscope.frames import Frames
from isoscope.model import Model
from isoscope.parameters import Component
from isoscope.preparation.prepared import prepared
from isoscope.tiling import Grid, Region, regions
from isoscope.volume import Box, Header, Layout, Volume

__all__ = ["Job", "Plan", "frames_of", "plan"]

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


def frames_of(model: Model, volume: Volume) -> Frames:
    """The volume's frames as the model reads them, prepared alike; refused where the channels differ."""
    planes = model.recipe.output.planes if model.direction == "a2b" else "xy"
    frames = Frames(prepared([volume], model.reads.prepare)[0], planes, model.reads.grey)
    if frames.channels != model.inputs.channels:
        per = "planes x channels" if planes == "stack" else "channels"
        raise DataError(
            f"{frames.name} has {frames.channels} {per}; the model reads {model.inputs.channels}; "
            f"give images like those it was trained on"
        )
    return frames


def _check_undoable(model: Model) -> None:
    """Refuse the way back of a preparation that has none."""
    if model.writes.prepare.background:
        raise DataError(
            f"the model's {model.outputs.name} had its background subtracted, which cannot be undone in outputs; "
            f"expected the other --direction; train without {model.outputs.name}.prepare.background to go this way"
        )
    if model.reads.prepare.stain:
        raise DataError(
            f"the model's {model.inputs.name} had its stain unified for training, which single images cannot have; "
            f"expected the other --direction; train without {model.inputs.name}.prepare.stain to go this way"
        )


def plan(model: Model, volume: Volume, *, tile: int | None = None, tiling: str | None = None) -> Plan:
    """Turn a volume's shape and the recipe into jobs; nothing else decides the grid.

    Args:
        model: the trained transformation.
        volume: the input; no pixels are read.
        tile: side of the kept core in pixels, rounded up to the network's stride; none: the recipe's.
        tiling: a tiling plug-in's name; none: the recipe's.
    """
    _check_undoable(model)
    frames = frames_of(model, volume)
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

"""A prediction before any pixel is read: jobs of one output shard each, fixed by shape and recipe alone."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from isoscope import __version__
from isoscope.address import Address
from isoscope.frames import Frames
from isoscope.inference.blank import Blank
from isoscope.inference.cutting import (
    block_boxes,
    block_grid,
    block_layout,
    plane_grid,
    plane_layout,
    slab_layout,
    slab_planes,
)
from isoscope.inference.describing import header_of, identity_of
from isoscope.inference.fitting import check_undoable, frames_of, warn_of_size
from isoscope.model import Model
from isoscope.normalisation import layers
from isoscope.parameters import Component
from isoscope.tiling import Grid, Region, cores, regions
from isoscope.volume import Box, Header, Layout, Shape, Volume

__all__ = ["FORMAT", "Job", "Plan", "plan"]

_log = logging.getLogger(__name__)

FORMAT = 2
"""Of plans and of what they decide: raised when the same plan would give other bytes."""


@dataclass(frozen=True, slots=True)
class Job:
    """One output shard: `region` of frame `frame`, written as `box`; `number` counts them."""

    number: int
    frame: int
    region: Region
    box: Box


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything about a prediction that is known before any pixel is read.

    Attributes:
        header: what the output says of itself.
        layout: how it is cut; one job writes one shard.
        grid: where tiles lie.
        tiling: how they meet.
        jobs: in the order of frames, then rows.
        decides: all else that decides the grey values: model, input, arithmetic.
        model: the folder of the model, where it has one.
        source: where the input lies, where it is a file.
        output: where the prediction is written, if anywhere.
        store: parameters of the store that writes it, if any.
        blank: the tiles that are not computed, from `skipping`.
        sides: whether a job is a block of a volume, seen as XZ and as YZ planes.
        thick: planes of a job, which a volumetric network makes at once.
    """

    header: Header
    layout: Layout
    grid: Grid
    tiling: Component
    jobs: tuple[Job, ...]
    decides: dict[str, Any] = field(default_factory=dict)
    model: Path | None = None
    source: Address | None = None
    output: Path | None = None
    store: dict[str, Any] | None = None
    blank: Blank | None = None
    sides: bool = False
    thick: int = 1

    def tiles(self, job: Job) -> int:
        """How many of the grid's tiles a job covers."""
        return sum(job.box.shape[3:]) if self.sides else len(list(cores(job.region, self.grid)))

    def passes(self) -> list[tuple[Grid, int]]:
        """The planes that the network sees: how each is cut into tiles, and how many such planes there are."""
        if not self.sides:
            return [(self.grid, len({job.frame for job in self.jobs}))]
        t, _, z, y, x = self.header.shape
        return [(replace(self.grid, size=(z, x)), t * y), (replace(self.grid, size=(z, y)), t * x)]

    def fingerprint(self) -> dict[str, Any]:
        """All that decides the output's bytes, ready for JSON; its hash stands in every shard's marker."""
        grid = {"core": self.grid.core, "halo": self.grid.halo, "stride": self.grid.stride}
        if self.thick > 1:
            grid["planes"] = self.thick
        return {"format": FORMAT, **self.decides, "grid": grid, "tiling": self.tiling.model_dump(mode="json")}


def _warn(model: Model, grid: Grid) -> None:
    """Say where the default promise, that tiles never show, does not hold."""
    local = model.normalisation == "tile" and any(True for _ in layers(model.network))
    if local and grid.core < max(grid.size):
        _log.warning(
            "each tile of %d px is normalised by its own statistics: brightness may jump from tile to tile; "
            "frozen or dense --normalisation does not show them", grid.core,
        )  # fmt: skip


def plan(
    model: Model, volume: Volume, *, tile: int | None = None, tiling: str | None = None,
    source: Address | None = None, output: Path | None = None,
) -> Plan:  # fmt: skip
    """Turn a volume's shape and the recipe into jobs; nothing else decides the grid.

    Args:
        model: the trained transformation.
        volume: the input; no pixels are read.
        tile: side of the kept core in pixels, rounded up to the network's stride; none: the recipe's.
        tiling: a tiling plug-in's name; none: the recipe's.
        source: where the volume lies; with it and `output`, any process can run the plan's jobs.
        output: where the prediction will be written.
    """
    check_undoable(model)
    recipe = model.recipe.inference
    sides = model.reads.prepare.sides
    side = tile or recipe.tile
    frames = frames_of(model, volume)
    grid = block_grid(model, frames.volume.header.shape, side) if sides else plane_grid(model, frames.size, side)
    thick = slab_planes(model, grid, frames.volume.header.shape[2])
    frames = frames_of(model, volume, thick)
    _warn(model, grid)
    warn_of_size(model, frames)
    given = identity_of(volume.header, source)
    header = header_of(model, frames.volume.header, frames, given)
    codec = model.recipe.output.codec
    layout = _layout(grid, header.shape, codec, sides, thick)
    chosen = recipe.tiling if tiling in (None, recipe.tiling.name) else Component(name=str(tiling))
    jobs = tuple(_blocks(header, layout)) if sides else tuple(_jobs(frames, header, grid, layout))
    return Plan(
        header, layout, grid, chosen, jobs, _decides(model, given), model.home, source, output, sides=sides, thick=thick
    )


def _layout(grid: Grid, shape: Shape, codec: str, sides: bool, thick: int) -> Layout:
    if sides:
        return block_layout(grid, shape, codec)
    return plane_layout(grid, shape[1], codec) if thick == 1 else slab_layout(grid, thick, shape, codec)


def _decides(model: Model, given: dict[str, Any]) -> dict[str, Any]:
    """What decides the grey values besides the grid: the same weights on another kind of device round otherwise."""
    drawn = {"draw": model.draw.facts()} if model.draw else {}
    return {
        "isoscope": __version__, "torch": str(torch.__version__), "device": model.device.type,
        "precision": model.precision, "normalisation": model.normalisation,
        "model": {"weights": model.sha256, "recipe": model.description, "direction": model.direction},
        "input": given,
        **drawn,
    }  # fmt: skip


def _jobs(frames: Frames, header: Header, grid: Grid, layout: Layout) -> Iterator[Job]:
    channels, number = header.shape[1], 0
    for index, (t, z) in enumerate(frames.places):
        for ys, xs in regions(grid.size, layout.shard[-1]):
            last = min(z + frames.thick, header.shape[2])
            box = Box((t, 0, z, ys.start, xs.start), (t + 1, channels, last, ys.stop, xs.stop))
            yield Job(number, index, (ys, xs), box)
            number += 1


def _blocks(header: Header, layout: Layout) -> Iterator[Job]:
    for number, box in enumerate(block_boxes(header.shape, layout)):
        (t, _, _, y, x), (_, _, _, y1, x1) = box.start, box.stop
        yield Job(number, t, (slice(y, y1), slice(x, x1)), box)

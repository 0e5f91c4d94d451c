"""What a prediction will cost, before it is begun: memory, disk and time."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

import torch

from isoscope.footprint import bytes_per_pixel
from isoscope.inference.planning import Plan
from isoscope.model import Model
from isoscope.tiling import Grid, multiple

__all__ = ["Forecast", "Trial", "disk", "executed", "forecast", "tried"]

_LIBRARIES = 0.6 * 2**30
"""What Python, torch and zarr take before any pixel is read."""
_IN_HAND = 8
"""Shards that are read, computed or written at a time, copies counted."""
_PROBE, _SLAB_PROBE = 256, 64


@dataclass(frozen=True, slots=True)
class Forecast:
    """Estimates.

    Attributes:
        memory: bytes at the most, on the device and in the computer together, for one tile at a time.
        disk: bytes at the most, uncompressed, with the pyramid and what is gathered on the way.
        seconds: from a short trial of the network here; reading and writing run beside it.
        waste: pixels that the network computes for each that is kept.
    """

    memory: int
    disk: int
    seconds: float
    waste: float


@dataclass(frozen=True, slots=True)
class Trial:
    """What the network needs for each pixel that it computes: bytes of memory, and seconds."""

    memory: float
    seconds: float


def executed(grid: Grid) -> int:
    """Pixels that the network computes for one plane."""
    return math.prod(sum(_reads(n, limit, grid)) for n, limit in zip(grid.size, grid.padded, strict=True))


def _reads(size: int, limit: int, grid: Grid) -> list[int]:
    """Side of what each tile along an axis reads."""
    ends = ((start, min(start + grid.core, size)) for start in range(0, size, grid.core))
    return [min(limit, multiple(stop, grid.stride) + grid.halo) - max(0, start - grid.halo) for start, stop in ends]


def tried(model: Model, thick: int = 1) -> Trial:
    """Run a model on a small square, to know what its pixels cost here.

    Args:
        model: what predicts.
        thick: planes that it makes at once, as `Plan.thick`; a pixel stands for all of them.
    """
    side, channels = multiple(_PROBE if thick == 1 else _SLAB_PROBE, model.stride), model.reading(thick)
    noise = torch.rand(1, channels, side, side)
    times = []
    for _ in range(2):  # the first warms up
        started = time.perf_counter()
        model(noise).cpu()
        times.append(time.perf_counter() - started)
    return Trial(bytes_per_pixel(model.network, channels, side), min(times) / side**2)


def forecast(plan: Plan, model: Model, trial: Trial) -> Forecast:
    """Estimate a plan's cost on this machine.

    Args:
        plan: from `plan`.
        model: the same model.
        trial: from `tried(model, plan.thick)`.
    """
    work = sum(executed(grid) * planes for grid, planes in plan.passes())
    if plan.blank:
        work = int(work * (1 - plan.blank.facts["fraction"]))
    around = model.reading(plan.thick) / (model.inputs.plane.channels * plan.thick) if model.above else 1
    waste = around * work / sum(planes * math.prod(grid.size) for grid, planes in plan.passes())
    return Forecast(_memory(plan, model, trial), disk(plan), work * trial.seconds, waste)


def _memory(plan: Plan, model: Model, trial: Trial) -> int:
    grid, side = plan.grid, plan.layout.shard[-1] + 2 * plan.grid.halo
    tile = math.prod(max(_reads(n, limit, grid)) for n, limit in zip(grid.size, grid.padded, strict=True))
    shard = math.prod(min(side, limit) for limit in grid.padded) * (
        min(side, plan.header.shape[2]) if plan.sides else 1
    )
    weights = sum(p.numel() * p.element_size() for p in model.network.parameters())
    in_hand = _IN_HAND * shard * 4 * (model.reading(plan.thick) + model.outputs.plane.channels * plan.thick)
    return int(_LIBRARIES + weights + trial.memory * tile + in_hand)


def disk(plan: Plan) -> int:
    """Bytes at the most: the image and a third for its smaller copies, and as much to gather formats without shards."""
    size = math.prod(plan.header.shape) * plan.header.dtype.itemsize
    sharded = plan.output is None or plan.output.name.lower().endswith(".zarr")
    return size * 4 // 3 * (1 if sharded else 2)

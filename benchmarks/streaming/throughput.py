"""How much of the bare network's speed is left when images stream through it, and what takes the rest."""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from isoscope import inference
from isoscope.device import exact
from isoscope.inference import streaming
from isoscope.inference.calling import Caller
from isoscope.inference.forecast import executed
from isoscope.model import Model
from isoscope.volume import Box
from streaming.scene import Texture, loaded

REPEATS = 5


def _wait(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def _bare(model: Model, side: int, seconds: float, device: str) -> tuple[float, float]:
    """Pixels per wall second and per processor second of the network alone, on a tile that is there already."""
    x = model.normalised(torch.rand(1, model.inputs.channels, side, side) * 255)
    with torch.inference_mode(), exact(model.device):
        model.network(x)
        _wait(device)
        wall, cpu, done = time.perf_counter(), time.process_time(), 0
        while time.perf_counter() - wall < seconds:
            for _ in range(10 if device == "cuda" else 1):
                model.network(x)
                done += 1
            _wait(device)
        pixels = done * side * side
        return pixels / (time.perf_counter() - wall), pixels / (time.process_time() - cpu)


def _stream(model: Model, volume: Any, out: Path) -> tuple[float, float, Counter[str]]:
    """Executed pixels per wall and per processor second of a whole prediction into OME-Zarr; seconds of each part."""
    shutil.rmtree(out, ignore_errors=True)
    plan = inference.plan(model, volume, output=out)
    pixels = executed(plan.grid)
    with _timed() as parts:
        wall, cpu = time.perf_counter(), time.process_time()
        inference.stream(plan, model, volume, inference.create(plan))
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    parts["all, wall"], parts["all, processor"] = wall, cpu
    return pixels / wall, pixels / cpu, parts


@contextmanager
def _timed() -> Iterator[Counter[str]]:
    """Seconds that threads spend in reading, in the network's thread, in encoding and writing."""
    parts: Counter[str] = Counter()
    lock = threading.Lock()

    def watched(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            started = time.perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                with lock:
                    parts[name] += time.perf_counter() - started

        return call

    kept = streaming.read, streaming.write, Caller.__call__
    streaming.read, streaming.write = watched("read", kept[0]), watched("encode and write", kept[1])
    Caller.__call__ = watched("network", kept[2])  # type: ignore[method-assign]
    try:
        yield parts
    finally:
        streaming.read, streaming.write, Caller.__call__ = kept  # type: ignore[method-assign]


def _row(kind: str, args: argparse.Namespace, home: Path) -> dict[str, Any]:
    model = loaded(kind, home, args.device)
    side = {"lean": 4096, "full": 2048, "stub": 8192}[kind] * (4 if args.device == "cuda" else 1)
    volume, out = Texture(side, side), home / "throughput.ome.zarr"
    volume.read(Box((0, 0, 0, 0, 0), (1, 1, 1, 8, 8)))
    plan = inference.plan(model, volume, output=out)
    tile = plan.grid.core + 2 * plan.grid.halo
    seconds = 2.0 if args.quick or args.device == "cuda" else 8.0
    ratios, cpu_ratios, rates, parts = [], [], [], Counter[str]()
    _stream(model, Texture(tile, tile), out)
    for _ in range(2 if args.quick else REPEATS):
        before = _bare(model, tile, seconds, args.device)
        rate, cpu_rate, parts = _stream(model, volume, out)
        after = _bare(model, tile, seconds, args.device)
        ratios.append(rate / ((before[0] + after[0]) / 2))
        cpu_ratios.append(cpu_rate / ((before[1] + after[1]) / 2))
        rates.append(rate)
    shutil.rmtree(out, ignore_errors=True)
    return {
        "network": kind, "device": args.device, "image": side, "tile": tile, "threads": torch.get_num_threads(),
        "load": round(os.getloadavg()[0], 1), "ratio": statistics.median(ratios), "ratios": ratios,
        "cpu_ratio": statistics.median(cpu_ratios), "cpu_ratios": cpu_ratios,
        "mpx_per_s": statistics.median(rates) / 1e6,
        "computed_per_kept": executed(plan.grid) / side**2, "parts_s": dict(parts),
    }  # fmt: skip


def measured(args: argparse.Namespace, home: Path) -> list[dict[str, Any]]:
    """A row per network: the ratio of rates, side by side in one run, bare before and after every stream."""
    return [_row(kind, args, home) for kind in args.networks]

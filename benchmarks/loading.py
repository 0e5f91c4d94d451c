"""How fast patches come from a sharded OME-Zarr larger than the declared memory, how much is decoded for them, in how
much memory, and how random their order is.

    python benchmarks/loading.py
    python benchmarks/loading.py --json

Two textured images of 8192 x 8192 px, uint8, shards of 1024 px, chunks of 512 px, zstd, made in a temporary folder.
Each row is a process of its own that draws batches for some seconds: every patch straight from the store, from blocks
within `--gib` (training.ram_gib; one side has half of it), and from memory. Decoded bytes are counted in the codec.
The files lie in the page cache. Order: distinct cells of 1024 px met by so many patches in a row.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numcodecs.zstd import Zstd

from isoscope import sources
from isoscope.domain import Domain
from isoscope.frames import Frames
from isoscope.patches.loading import plan as blocks
from isoscope.patches.sampling import Sampler, held_in_memory
from isoscope.volume import ArrayVolume
from isoscope.writing.conversion import plan, run

SIZE, IMAGES, CELL, BATCH = 8192, 2, 1024, 16
WAYS = ("direct", "blocks", "memory")
STRETCHES = (BATCH, 256, 4096)


def texture(seed: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Waves and noise, so that the codec has something to do and a mistake would show."""
    rng = np.random.default_rng(seed)
    y, x = (np.sin(np.arange(SIZE, dtype=np.float32) / period) for period in rng.uniform(20, 90, 2))
    out = np.empty((SIZE, SIZE), np.uint8)
    for row in range(0, SIZE, CELL):
        waves = 110 + 50 * y[row : row + CELL, None] * x
        out[row : row + CELL] = np.clip(waves + rng.normal(0, 6, waves.shape), 0, 255)
    return out


def write(folder: Path) -> None:
    for seed in range(IMAGES):
        made = plan(ArrayVolume(texture(seed), "YX"), levels=1)
        path = folder / f"{seed}.ome.zarr"
        run(made, sources.store_for_writing(path).create(path, made.header, made.layout))


def opened(folder: Path, way: str, patch: int, gib: float) -> Sampler:
    volumes = sources.open_all(folder)
    how = blocks([[Frames(v) for v in volumes]], patch, gib, "source") if way == "blocks" else None
    images = held_in_memory(volumes, np.inf) if way == "memory" else volumes
    domain = Domain(name="source", channels=1, limits=((0.0, 255.0),))
    return Sampler(images, domain, patch=patch, batch=BATCH, seed=0, side=0, augmentation="dihedral", shuffle=how)


class Counted:
    """Bytes that the codec gave."""

    def __init__(self) -> None:
        self.bytes = 0
        self._decode: Callable[..., Any] = Zstd.decode
        Zstd.decode = self.decode

    def decode(self, *given: Any) -> Any:
        found = self._decode(Zstd(), *given)
        self.bytes += len(found)
        return found


def peak() -> float:
    """MiB that this process took at most; getrusage would count what its parent took before it."""
    status = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024


def drawn(folder: Path, patch: int, gib: float, seconds: float, way: str) -> dict[str, Any]:
    """One row of the table; a process of its own."""
    torch.set_num_threads(1)
    counted, before = Counted(), peak()
    began = time.perf_counter()
    sampler = opened(folder, way, patch, gib)
    sampler(0)
    first, step = time.perf_counter() - began, 1
    how = sampler.blocks.how if sampler.blocks else None
    for _ in range(-(-(how.live if how else 0) // BATCH)):  # until every slot has its block
        sampler(step)
        step += 1
    filled, start, begun = counted.bytes, step, time.perf_counter()
    while time.perf_counter() - begun < seconds:
        sampler(step)
        step += 1
    passed, patches = time.perf_counter() - begun, (step - start) * BATCH
    sampler.close()
    return {
        "patch": patch, "way": way, "live": how.live if how else None, "uses": how.uses if how else None,
        "block": list(how.cells[0][2:]) if how else None, "first_batch_s": round(first, 3),
        "patches_per_s": round(patches / passed),
        "decoded_per_used": round((counted.bytes - filled) / patches / patch**2, 2),
        "peak_mib": round(peak() - before), **order(sampler),
    }  # fmt: skip


def order(sampler: Sampler) -> dict[str, Any]:
    """How far patches that follow each other lie apart, and how many cells a stretch of them meets, on average."""
    count = 2 * max(STRETCHES)
    places = np.array([sampler.place(n // BATCH, n % BATCH)[:4] for n in range(count)])
    cells = (places[:, 0] * SIZE + places[:, 2] // CELL) * SIZE + places[:, 3] // CELL
    steps = np.diff(places, axis=0)
    together = steps[:, 0] == 0
    distance = np.hypot(steps[together, 2], steps[together, 3])
    met = {n: np.mean([len(np.unique(cells[i : i + n])) for i in range(0, count, n)]) for n in STRETCHES}
    return {
        "median_distance_px": round(float(np.median(distance))),
        "cells": {n: round(float(m), 1) for n, m in met.items()},
    }


def measured(folder: Path, patches: list[int], gib: float, seconds: float) -> list[dict[str, Any]]:
    rows = []
    for patch in patches:
        for way in WAYS:
            with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
                rows.append(pool.submit(partial(drawn, folder, patch, gib, seconds), way).result())
    return rows


def page(rows: list[dict[str, Any]]) -> str:
    head = ["patch", "from", "patches/s", "decoded per used", "first batch", "peak memory", "apart (median)"]
    head += [f"cells in {n}" for n in STRETCHES]
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for row in rows:
        way = (
            f"{row['live']} blocks of {row['block'][0]} px, {row['uses']} patches of each"
            if row["live"]
            else row["way"]
        )
        cells = [
            row["patch"], way, row["patches_per_s"], row["decoded_per_used"], f"{row['first_batch_s']} s",
            f"{row['peak_mib']} MiB", f"{row['median_distance_px']} px", *row["cells"].values(),
        ]  # fmt: skip
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--patch", type=int, nargs="+", default=[64, 128], help="sides in pixels")
    parser.add_argument("--gib", type=float, default=0.125, help="training.ram_gib")
    parser.add_argument("--seconds", type=float, default=10.0, help="of drawing for each row")
    parser.add_argument("--json", action="store_true", help="one JSON document instead of a table")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="isoscope-loading-") as scratch:
        write(Path(scratch))
        rows = measured(Path(scratch), options.patch, options.gib, options.seconds)
    print(json.dumps({"gib": options.gib, "rows": rows}) if options.json else page(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Does memory grow with the image? The same network on a small and on a large one, each in a process of its own."""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path
from typing import Any

import torch

from isoscope import inference
from isoscope.volume import ArraySink
from streaming.scene import Texture, alone, loaded, mebibytes

SIZES = {"small": (8192, 8192), "large": (26000, 22000)}
QUICK = {"small": (2048, 2048), "large": (6000, 5000)}


def _predict(kind: str, size: tuple[int, int], home: Path, device: str) -> dict[str, Any]:
    """Through the whole pipeline into OME-Zarr, pyramid included."""
    model, volume = loaded(kind, home, device), Texture(*size)
    out = home / f"{kind}.ome.zarr"
    shutil.rmtree(out, ignore_errors=True)
    plan = inference.plan(model, volume, output=out)
    said = inference.forecast(plan, model, inference.tried(model))
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    inference.stream(plan, model, volume, inference.create(plan))
    shutil.rmtree(out)
    return {
        "shards": len(plan.jobs), "core": plan.grid.core, "halo": plan.grid.halo, "forecast": said.memory,
        "device_memory": torch.cuda.max_memory_allocated() if device == "cuda" else 0,
    }  # fmt: skip


def _nothing(kind: str, home: Path, device: str) -> int:
    """What a process needs before any large image: libraries, model, one prediction of 64 px."""
    model, volume = loaded(kind, home, device), Texture(64, 64)
    plan = inference.plan(model, volume)
    inference.stream(plan, model, volume, ArraySink(plan.header))
    return 0


def measured(args: argparse.Namespace, home: Path) -> list[dict[str, Any]]:
    """A row per network: peak resident memory at both sizes."""
    rows = []
    sizes = QUICK if args.quick else SIZES
    for kind in args.networks:
        ground = alone(_nothing, kind, home, args.device).memory
        row: dict[str, Any] = {"network": kind, "device": args.device, "idle_mib": mebibytes(ground)}
        for name, size in sizes.items():
            found = alone(_predict, kind, size, home, args.device)
            row |= {
                f"{name}_size": list(size), f"{name}_s": round(found.seconds, 1),
                f"{name}_mib": mebibytes(found.memory),
                f"{name}_shards": found.value["shards"], f"{name}_forecast_mib": mebibytes(found.value["forecast"]),
                f"{name}_device_mib": mebibytes(found.value["device_memory"]),
            }  # fmt: skip
        rows.append(row | {"growth": round(row["large_mib"] / row["small_mib"] - 1, 4)})
    return rows

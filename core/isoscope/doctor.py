"""What this machine and installation are, and whether they work: for `isoscope doctor`, and for reports of bugs."""

from __future__ import annotations

import os
import platform
import re
import shutil
import time
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from isoscope import device, inference, training
from isoscope.errors import IsoscopeError
from isoscope.model import Model
from isoscope.proposal import propose
from isoscope.sources import open_one, store_for_writing
from isoscope.volume import ArrayVolume, Box, Volume

__all__ = ["machine", "self_test", "versions"]

_FLAGS = ("avx2", "avx512f", "avx512_bf16", "amx_tile", "amx_bf16")
_TINY = {"name": "unet", "width": 4, "depth": 1}
_KEYS = {
    "method": {"name": "c2gan", "forward": _TINY, "backward": _TINY, "discriminator": {"width": 4}, "pool": 2},
    "training": {"steps": 3, "batch": 1, "patch": 32, "calibration": 2, "minutes": None},
    "source": {"polarity": "bright"},
    "target": {"polarity": "bright"},
}
_SIDE, _LARGER, _TILE = 32, 96, 16
_TOLERANCE = 1e-3


def versions() -> dict[str, str | None]:
    """Python, isoscope and every package that it needs, by the version installed; none where it is missing."""
    named = (re.match(r"[\w.-]+", line) for line in requires("isoscope") or [] if "extra ==" not in line)
    names = sorted((found[0] for found in named if found), key=str.lower)
    return {"python": platform.python_version(), **{name: _version(name) for name in ["isoscope", *names]}}


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def machine(place: Path) -> dict[str, Any]:
    """System, devices, what the processor can do, threads, and free memory and disk in bytes.

    Args:
        place: whose disk is asked.
    """
    memory = _memory()
    return {
        "system": platform.platform(), "devices": list(_devices()), "used": str(device.pick()),
        "bfloat16": device.dtype("auto", device.pick()) == torch.bfloat16, "processor": _flags(),
        "threads": torch.get_num_threads(), "processors": _processors(), "memory": memory.get("MemTotal"),
        "memory_free": memory.get("MemAvailable"), "disk_free": shutil.disk_usage(place).free,
    }  # fmt: skip


def _devices() -> Iterator[str]:
    for n in range(torch.cuda.device_count()):
        properties = torch.cuda.get_device_properties(n)
        yield f"cuda:{n} {properties.name}, {properties.total_memory / 2**30:.0f} GiB"
    if torch.backends.mps.is_available():
        yield "mps"
    yield f"cpu {torch.backends.cpu.get_cpu_capability()}"


def _flags() -> list[str]:
    """The vector units that matter here; empty where the system does not tell."""
    info = Path("/proc/cpuinfo")
    known = set(info.read_text().split()) if info.exists() else set()
    return [flag for flag in _FLAGS if flag in known]


def _processors() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _memory() -> dict[str, int]:
    """Bytes by the kernel's names; empty where the system does not tell."""
    info = Path("/proc/meminfo")
    lines = info.read_text().splitlines() if info.exists() else []
    return {name: int(rest.split()[0]) * 1024 for name, _, rest in (line.partition(":") for line in lines)}


def self_test(folder: Path) -> dict[str, Any]:
    """Train a few steps, predict in tiles into a store and whole in memory, and compare.

    Args:
        folder: an empty one.

    Returns:
        Whether they agree, by how much of the range they differ, and the seconds it took.

    Raises:
        IsoscopeError: if a part of it does not work.
    """
    started = time.monotonic()
    source, target = _spots(0, _SIDE, 0.1), _spots(1, _SIDE, 0.01)
    recipe = propose([source], [target], task="custom", preset="cpu", user=_KEYS).recipe
    training.train(recipe, [source], [target], folder / "run")
    predictor, image = inference.load(folder / "run"), _spots(2, _LARGER, 0.1)
    whole = predictor.predict(image.read(Box.whole(image.header.shape)), "TCZYX", tile=_LARGER)
    tiled = _streamed(predictor.model, image, folder / "tiled.ome.zarr")
    if tiled.shape != whole.shape:
        raise IsoscopeError(f"prediction in tiles has the shape {tiled.shape}; expected {whole.shape}")
    difference = float(np.abs(tiled - whole).max() / np.ptp(whole))
    return {"ok": difference <= _TOLERANCE, "difference": difference, "seconds": round(time.monotonic() - started, 2)}


def _spots(seed: int, side: int, noise: float) -> Volume:
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side]
    image = rng.normal(0.1, noise, (side, side))
    for cy, cx in rng.uniform(0, side, (side * side // 128, 2)):
        image += np.exp(-((y - cy) ** 2 + (x - cx) ** 2) / 4)
    return ArrayVolume(image.astype(np.float32), "YX")


def _streamed(model: Model, image: Volume, path: Path) -> NDArray[Any]:
    plan = inference.plan(model, image, tile=_TILE)
    sink = store_for_writing(path).create(path, plan.header, plan.layout)
    inference.stream(plan, model, image, sink)
    made = open_one(path)[0]
    return made.read(Box.whole(made.header.shape))

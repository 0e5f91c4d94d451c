"""MONAI's sliding-window inferer beside ours: same network, image and tile; time, peak memory, and what seams are left.

MONAI holds input, output and counts in memory and returns a tensor; nothing is written, which is to its advantage. Ours
reads boxes and ends with a finished OME-Zarr, pyramid included.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from isoscope import inference
from isoscope.sources import open_one
from isoscope.volume import ArraySink, Box
from streaming.scene import Texture, alone, loaded, mebibytes

SIDES = (2048, 8192)
MODES = {"constant": 0.25, "gaussian": 0.5}
"""How MONAI's windows meet, with its default overlap and nnU-Net's."""
_SAMPLE = 1024


def _ours(kind: str, side: int, home: Path) -> int:
    model, volume, out = loaded(kind, home), Texture(side, side), home / f"ours-{side}.ome.zarr"
    shutil.rmtree(out, ignore_errors=True)
    plan = inference.plan(model, volume, output=out)
    inference.stream(plan, model, volume, inference.create(plan))
    return plan.grid.core + 2 * plan.grid.halo


def _theirs(kind: str, side: int, tile: int, mode: str, home: Path) -> None:
    from monai.inferers import sliding_window_inference

    model = loaded(kind, home, normalisation="frozen")
    image = torch.from_numpy(Texture(side, side).read(Box.whole((1, 1, 1, side, side)))[0, 0, 0]).float()
    with torch.inference_mode():
        made = sliding_window_inference(image[None, None], tile, 1, model, overlap=MODES[mode], mode=mode)
    np.save(home / f"{mode}-{side}.npy", made[0].round().clamp(0, 255).to(torch.uint8).numpy())


def _reference(kind: str, side: int, home: Path) -> None:
    """At 2048 px the network on the whole image at once; beyond, in tiles of other size and place than either's."""
    model, volume = loaded(kind, home), Texture(side, side)
    plan = inference.plan(model, volume, tile=side if side <= SIDES[0] else 1536)
    sink = ArraySink(plan.header)
    inference.stream(plan, model, volume, sink)
    np.save(home / f"reference-{side}.npy", sink.array[0, :, 0])


def measured(args: argparse.Namespace, home: Path) -> list[dict[str, Any]]:
    """A row per side and inferer."""
    rows: list[dict[str, Any]] = []
    kind = "lean"
    loaded(kind, home)
    for side in (1024, 2048) if args.quick else SIDES:
        alone(_reference, kind, side, home)
        reference = np.load(home / f"reference-{side}.npy", mmap_mode="r")
        ours = alone(_ours, kind, side, home)
        rows.append(_row("isoscope", side, ours, _zarr(home / f"ours-{side}.ome.zarr"), reference))
        for mode in MODES:
            theirs = alone(_theirs, kind, side, ours.value, mode, home)
            read = _npy(home / f"{mode}-{side}.npy")
            rows.append(_row(f"MONAI, {mode}, overlap {MODES[mode]}", side, theirs, read, reference))
    return rows


Read = Callable[[int, int], NDArray[Any]]


def _zarr(path: Path) -> Read:
    volume = open_one(path)[0]
    width = volume.header.shape[4]
    return lambda top, bottom: volume.read(Box((0, 0, 0, top, 0), (1, 3, 1, bottom, width)))[0, :, 0]


def _npy(path: Path) -> Read:
    values = np.load(path, mmap_mode="r")
    return lambda top, bottom: np.asarray(values[:, top:bottom])


def _row(name: str, side: int, found: Any, read: Read, reference: NDArray[Any]) -> dict[str, Any]:
    """Differences in grey levels of 255, band by band."""
    worst, wrong = 0, 0
    for top in range(0, side, _SAMPLE):
        bottom = min(side, top + _SAMPLE)
        difference = np.abs(read(top, bottom).astype(int) - np.asarray(reference[:, top:bottom]).astype(int))
        worst, wrong = max(worst, int(difference.max())), wrong + int((difference > 0).sum())
    return {
        "inferer": name, "side": side, "seconds": round(found.seconds, 1), "cpu_seconds": round(found.cpu, 1),
        "peak_mib": mebibytes(found.memory), "largest error (grey levels)": worst,
        "values that differ": wrong / reference.size,
    }  # fmt: skip

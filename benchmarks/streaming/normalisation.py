"""What statistics should normalise by, on real H&E and real fluorescence: fidelity to the truth, and seams.

U-Net 16-32-64 with instance normalisation, trained as usual (the last tenth with frozen statistics) and as published
(per-patch statistics to the end). Every mode is scored against the truth, and compared with the same mode on the whole
image; `tile` on the whole image is whole-image statistics, what the other modes are held against. With `--device cuda
--networks full` the 9-block ResNet of width 64 is trained on patches of 128 px instead.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from isoscope import evaluation, inference, training
from isoscope import model as models
from isoscope.device import dtype
from isoscope.proposal import propose
from isoscope.sources import open_all
from isoscope.volume import ArraySink, ArrayVolume, Volume

DATA = Path(os.environ.get("ISOSCOPE_TEST_DATA", "../shared/data"))
TILES = (64, 128, 256, 512)
MODES = {
    "frozen": {"normalisation": "frozen"}, "dense": {"normalisation": "dense"}, "tile": {"normalisation": "tile"},
    "frozen, bfloat16": {"normalisation": "frozen", "precision": "bfloat16"},
}  # fmt: skip
_UNET = {"name": "unet", "width": 16, "depth": 2, "norm": "instance"}
_RESNET = {"name": "resnet", "width": 64, "blocks": 9, "norm": "instance"}
_FINISH = {"frozen finish": 0.1, "per patch to the end": 0.0}


def _sets(task: str) -> dict[str, list[Volume]]:
    if task == "coloration":
        patients = open_all(str(DATA / "he_monuseg" / "dev_train" / "*.tif"))
        return {"source": patients[:2], "target": patients[2:4], "input": patients[4:], "truth": patients[4:]}
    home = DATA / "w2s_widefield"
    names = {
        "source": "dev_A_noisy/*_1.tif", "target": "dev_B_clean/*_1.tif", "input": "dev_val_pairs/input*_1.tif",
        "truth": "dev_val_pairs/target*_1.tif",
    }  # fmt: skip
    return {name: open_all(str(home / pattern)) for name, pattern in names.items()}


def _trained(task: str, sets: dict[str, list[Volume]], finish: float, args: argparse.Namespace) -> Path:
    """A run, gone on with where an earlier call stopped."""
    full = "full" in args.networks and args.device == "cuda"
    user: dict[str, Any] = {
        "method": {"forward": _RESNET if full else _UNET},
        "training": {
            "steps": args.steps, "seed": args.seed, "finish": finish, "patch": 128 if full else 64, "batch": 4,
        },
        "output": {"dtype": "float32"},
    }  # fmt: skip
    recipe = propose(sets["source"], sets["target"], task=task, preset="cpu", user=user).recipe
    folder: Path = args.out / "normalisation-runs" / f"{task}-{finish}"
    begun = (folder / "recipe.yaml").exists()
    training.train(recipe, sets["source"], sets["target"], folder, resume=begun)
    return folder


def _predicted(run: Path, mode: str, tile: int, volumes: Sequence[Volume], device: str) -> list[Volume]:
    how: dict[str, Any] = MODES[mode]
    model = models.load(run, device=device, **how)
    made = []
    for volume in volumes:
        plan = inference.plan(model, volume, tile=tile)
        sink = ArraySink(plan.header)
        inference.stream(plan, model, volume, sink)
        made.append(ArrayVolume(sink.array, "TCZYX", plan.header))
    return made


def _array(volumes: Sequence[Volume]) -> list[Any]:
    return [volume.read(_whole(volume)) for volume in volumes]


def _whole(volume: Volume) -> Any:
    from isoscope.volume import Box

    return Box.whole(volume.header.shape)


def _modes(name: str) -> list[str]:
    """Those that this machine computes in reasonable time: bfloat16 only where the processor multiplies it."""
    native = dtype("auto", torch.device(name)) == torch.bfloat16
    return [mode for mode, how in MODES.items() if native or how.get("precision") != "bfloat16"]


def _rows(task: str, finish: str, run: Path, sets: dict[str, list[Volume]], device: str) -> list[dict[str, Any]]:
    rows = []
    for mode in _modes(device):
        whole: list[Any] = []
        for tile in (4096, *TILES):
            made = _predicted(run, mode, tile, sets["input"], device)
            score = evaluation.evaluate(made, sets["truth"], data_range=(0, 255))["mean"]["prediction"]
            arrays = _array(made)
            whole = whole or arrays
            worst = max(float(np.abs(a - b).max() / np.ptp(b)) for a, b in zip(arrays, whole, strict=True))
            keys = ("psnr", "ssim") if task == "coloration" else ("psnr_affine", "ssim_affine")
            rows.append({
                "task": task, "training": finish, "statistics": mode, "tile": tile if tile < 4096 else "whole",
                "psnr": score[keys[0]], "ssim": score[keys[1]], "tiled - untiled": worst,
            })  # fmt: skip
    return rows


def measured(args: argparse.Namespace, _: Path) -> list[dict[str, Any]]:
    """A row per task, training, mode and tile."""
    rows = []
    for task in ("coloration", "denoise"):
        sets = _sets(task)
        for finish, part in _FINISH.items():
            run = _trained(task, sets, part, args)
            rows += _rows(task, finish, run, sets, args.device)
    return rows

"""What all questions share: textured images made on the fly, models of random weights, processes of their own."""

from __future__ import annotations

import hashlib
import multiprocessing
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from isoscope import kinds
from isoscope import model as models
from isoscope.model import Model
from isoscope.normalisation import calibrate
from isoscope.parameters import build
from isoscope.proposal import propose
from isoscope.terms import Terms
from isoscope.volume import ArrayVolume, Box, Header, Volume

GENERATORS: dict[str, dict[str, Any]] = {
    "lean": {"name": "unet", "width": 16, "depth": 2, "norm": "none"},
    "full": {"name": "resnet", "width": 64, "blocks": 9, "norm": "instance"},
    "stub": {"name": "unet", "width": 1, "depth": 1, "norm": "none"},
}
"""Lean: the `cpu` preset's. Full: the paper's for slides, 11.4 M parameters. Stub: a pipeline with hardly a network."""
_PATCH = 64


class Texture:
    """Grey tissue without end: a slow wave of brightness times a tile of noise that never repeats in step with shards.

    Args:
        height: in pixels.
        width: in pixels.
    """

    def __init__(self, height: int, width: int) -> None:
        self.header = Header("texture", (1, 1, 1, height, width), np.dtype(np.uint8))
        rough = np.random.default_rng(0).normal(0, 1, (509, 523))
        soft = sum(np.roll(rough, (dy, dx), (0, 1)) for dy in range(-2, 3) for dx in range(-2, 3)) / 5
        self._noise = (40 * soft).astype(np.float32)

    def read(self, box: Box, /) -> NDArray[Any]:
        """The pixels of a box: a function of their position alone."""
        ys, xs = (np.arange(box.start[n], box.stop[n]) for n in (3, 4))
        wave = 130 + 60 * np.sin(ys / 301.0)[:, None] * np.cos(xs / 287.0)[None]
        values = wave + self._noise[np.ix_(ys % self._noise.shape[0], xs % self._noise.shape[1])]
        return np.clip(values, 0, 255).astype(np.uint8)[None, None, None]


def _example(channels: int) -> Volume:
    values = np.random.default_rng(channels).integers(0, 255, (96, 96, channels), np.uint8)
    header = Header("example", (1, channels, 1, 96, 96), values.dtype, "YXC", rgb=channels == 3)
    return ArrayVolume(values, "YXC", header)


def folder_of(kind: str, home: Path) -> Path:
    """A saved grey -> RGB model of random weights whose output has contrast; made at the first call."""
    folder = home / f"model-{kind}"
    if (folder / "model.json").exists():
        return folder
    user = {
        "method": {"forward": GENERATORS[kind], "backward": {"name": "luminance"}},
        "training": {"patch": _PATCH, "calibration": 2}, "source": {"polarity": "dark"}, "target": {"polarity": "dark"},
    }  # fmt: skip
    made = propose([_example(1)], [_example(3)], task="coloration", preset="cpu", user=user)
    torch.manual_seed(0)
    terms = Terms(made.recipe.losses)
    method = build(kinds.methods, made.recipe.method, made.source, made.target, terms, (_PATCH, _PATCH))
    network = _lively(method.generator("a2b"), torch.rand(2, 1, _PATCH, _PATCH) * 1.8 - 0.9)
    models.save(folder, made.recipe, made.source, made.target, {"a2b": network})
    return folder


@torch.no_grad()
def _lively(network: nn.Module, patches: torch.Tensor) -> nn.Module:
    calibrate(network, [patches])
    head = network.get_submodule("head")
    assert isinstance(head, nn.Conv2d)
    head.weight.mul_(0.5 / network(patches).std())
    return network


def loaded(kind: str, home: Path, device: str = "cpu", **how: Any) -> Model:
    """That model, ready to predict."""
    return models.load(folder_of(kind, home), device=device, **how)


@dataclass(frozen=True, slots=True)
class Alone:
    """What a process of its own returned and needed: peak resident bytes, wall and processor seconds."""

    value: Any
    memory: int
    seconds: float
    cpu: float


def alone(function: Callable[..., Any], *arguments: Any) -> Alone:
    """Call a function in a fresh process, so that its memory is its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_watched, (function, arguments))


def _watched(function: Callable[..., Any], arguments: tuple[Any, ...]) -> Alone:
    wall, cpu = time.perf_counter(), time.process_time()
    value = function(*arguments)
    return Alone(value, peak(), time.perf_counter() - wall, time.process_time() - cpu)


def peak() -> int:
    """The most memory that this process ever had resident, in bytes (Linux)."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(found[1]) * 1024 if found else 0


def files_of(root: Path) -> dict[str, str]:
    """The hash of every file below a folder, by its path."""
    found = sorted(p for p in root.rglob("*") if p.is_file())
    return {p.relative_to(root).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest() for p in found}


def mebibytes(size: float) -> float:
    """For tables."""
    return round(size / 2**20, 1)

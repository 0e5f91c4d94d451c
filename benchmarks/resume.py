"""Stop a training run at random, go on, and count the bits in which it differs from one that nobody stopped.

    python benchmarks/resume.py --points 50
    python benchmarks/resume.py --points 50 --json

40 steps of c2GAN on synthetic spots: U-Net of width 4, patches of 32 px, instance normalisation that is frozen for the
last quarter, a checkpoint every 7 steps. Every fourth run is a process of its own that SIGKILL ends up to 100 ms after
a random step, half of them one that is saved; the others are stopped by `stop=` after a random step. Every third run is
stopped twice. Compared: the tensors of every checkpoint that both runs keep, their JSON but for the clock, history.csv,
recipe.yaml, model/.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch

from isoscope import training
from isoscope.errors import Interrupted
from isoscope.proposal import propose
from isoscope.recipe import Recipe
from isoscope.volume import ArrayVolume, Header, Volume

STEPS, EVERY, KILLS = 40, 7, 4
LATE = 0.1
"""Seconds after a step within which a kill may come: a save takes about as long."""
_UNET = {"name": "unet", "width": 4, "depth": 2, "norm": "instance"}
_KEYS = {
    "method": {"name": "c2gan", "forward": _UNET, "backward": _UNET, "discriminator": {"width": 4}, "pool": 4},
    "training": {
        "steps": STEPS, "batch": 2, "patch": 32, "finish": 0.25, "checkpoint_every": EVERY, "calibration": 2, "seed": 0,
    },
}  # fmt: skip


def spots(seed: int, noise: float) -> Volume:
    """Bright round spots on a dark background, 64 x 64 px."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:64, :64]
    centres = rng.uniform(0, 64, (12, 2))
    image = 20 + sum(150 * np.exp(-((y - a) ** 2 + (x - b) ** 2) / 18) for a, b in centres)
    values = np.clip(image + rng.normal(0, noise, image.shape), 0, 255).astype(np.uint8)
    return ArrayVolume(values, "YX", Header(f"spots{seed}", (1, 1, 1, 64, 64), values.dtype))


def given() -> tuple[Recipe, list[Volume], list[Volume]]:
    sides = [spots(n, 12.0) for n in range(3)], [spots(n + 10, 3.0) for n in range(3)]
    return propose(*sides, task="denoise", preset="cpu", user=_KEYS).recipe, *sides


def sat(folder: Path, start: int, stop: int, resume: bool) -> None:
    """Train until after a step."""
    done = iter(range(start + 1, STEPS + 1))
    try:
        training.train(*given(), folder, stop=lambda: next(done) == stop, resume=resume)
    except Interrupted:
        return
    raise AssertionError(f"not stopped at step {stop}")


def stopped(folder: Path, stops: list[int]) -> None:
    """Train in sittings."""
    for start, stop in pairwise([0, *stops]):
        sat(folder, start, stop, start > 0)
    training.train(*given(), folder, resume=True)


def killed(folder: Path, moments: list[float]) -> list[str]:
    """Train in processes that are killed; what each left behind."""
    left = []
    for n, moment in enumerate(moments):
        more = ["--resume"] if n else []
        child = subprocess.Popen([sys.executable, __file__, "--run", str(folder), *more], stdout=subprocess.PIPE)
        kill(child, int(moment), moment % 1 * LATE)
        left.append(newest(folder))
    training.train(*given(), folder, resume=True)
    return left


def kill(child: subprocess.Popen[bytes], step: int, late: float) -> None:
    """Wait for a step, which the process tells, and a little longer."""
    assert child.stdout is not None
    while int(child.stdout.readline() or STEPS) < step:
        pass
    time.sleep(late)
    child.send_signal(signal.SIGKILL)
    if (status := child.wait()) != -signal.SIGKILL:
        raise AssertionError(f"exit {status}: the kill came too late")


def telling(folder: Path, resume: bool) -> None:
    """Train and tell every step; for the process that is killed."""

    def stop() -> bool:
        print(next(done), flush=True)
        return False

    homes = sorted(folder.glob("checkpoints/step-*/state.json"))
    done = iter(range(int(homes[-1].parent.name[5:]) + 1 if homes else 1, STEPS + 1))
    training.train(*given(), folder, stop=stop, resume=resume)


def newest(folder: Path) -> str:
    homes = sorted(p.parent.name for p in folder.glob("checkpoints/step-*/state.json"))
    rows = (folder / "history.csv").read_text().count("\n") - 1 if (folder / "history.csv").exists() else 0
    return f"{homes[-1] if homes else 'no checkpoint'}, {rows} rows"


def bits(one: bytes, other: bytes) -> int:
    """Differing bits; of unlike lengths, all of what is too long."""
    n = min(len(one), len(other))
    both = np.frombuffer(one[:n], np.uint8) ^ np.frombuffer(other[:n], np.uint8)
    return int(np.bitwise_count(both).sum()) + 8 * (max(len(one), len(other)) - n)


def compared(folder: Path, straight: Path) -> dict[str, int]:
    """Differing bits by what differs; a part that only one of the runs has counts in full."""
    mine, wanted = parts(folder), parts(straight)
    last = f"checkpoints/step-{STEPS:08d}"
    needed = [k for k in wanted if not k.startswith("checkpoints") or k.startswith(last) or k in mine]
    found = {key: bits(mine.get(key, b""), wanted[key]) for key in needed}
    extra = {key: 8 * len(mine[key]) for key in mine if key.startswith(("model", last)) and key not in wanted}
    return found | extra


def parts(folder: Path) -> dict[str, bytes]:
    """All that a run leaves behind, by name: files, and the tensors of its checkpoints."""
    found = {"history.csv": (folder / "history.csv").read_bytes(), "recipe.yaml": (folder / "recipe.yaml").read_bytes()}
    found |= {f"model/{p.name}": p.read_bytes() for p in (folder / "model").iterdir()}
    for home in (folder / "checkpoints").glob("step-*"):
        found |= dict(tensors(home)) | {f"checkpoints/{home.name}/state.json": facts(home)}
    return found


def tensors(home: Path) -> Iterator[tuple[str, bytes]]:
    from safetensors.torch import load_file

    for name, tensor in load_file(home / "state.safetensors").items():
        about = f"{tensor.dtype}{tuple(tensor.shape)}".encode()
        raw = tensor.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
        yield f"checkpoints/{home.name}/{name}", about + raw


def facts(home: Path) -> bytes:
    """The checkpoint's JSON, but for the time that training took."""
    document = json.loads((home / "state.json").read_text())
    return json.dumps({k: v for k, v in document.items() if k != "elapsed"}, sort_keys=True).encode()


def points(count: int, seed: int) -> Iterator[dict[str, Any]]:
    """Where to stop, until there are so many stopping points; a kill's is a step and a fraction of `LATE`."""
    rng, made, run = random.Random(seed), 0, 0
    while made < count:
        number = min(2 if run % 3 == 2 else 1, count - made)
        kind = "kill" if run % KILLS == KILLS - 1 else "stop"
        saved = kind == "kill" and run % (2 * KILLS) == KILLS - 1
        steps = range(EVERY, STEPS - 10, EVERY) if saved else range(1, STEPS - (10 if kind == "kill" else 0))
        at = sorted(rng.sample(steps, number))
        point = {"kind": kind, "at": [round(step + rng.random(), 3) for step in at] if kind == "kill" else at}
        yield point
        made, run = made + number, run + 1


def tried(point: dict[str, Any], folder: Path, straight: Path) -> dict[str, Any]:
    """One run with its stops."""
    left: list[str] = []
    if point["kind"] == "stop":
        stopped(folder, point["at"])
    else:
        left = killed(folder, point["at"])
    found = compared(folder, straight)
    shutil.rmtree(folder)
    differing = {key: n for key, n in found.items() if n}
    return {**point, "left": left, "parts": len(found), "bits": sum(found.values()), "differing": differing}


def measured(count: int, seed: int, scratch: Path) -> dict[str, Any]:
    began = time.perf_counter()
    straight = training.train(*given(), scratch / "straight")
    seconds = time.perf_counter() - began
    rows = [tried(point, scratch / "run", straight) for point in points(count, seed)]
    size = sum(map(len, parts(straight).values()))
    return {
        "points": sum(len(row["at"]) for row in rows), "runs": len(rows),
        "kills": sum(len(row["at"]) for row in rows if row["kind"] == "kill"), "straight_s": round(seconds, 2),
        "bits_compared_per_run": 8 * size, "differing_bits": sum(row["bits"] for row in rows), "rows": rows,
    }  # fmt: skip


def said(kind: str, at: float) -> str:
    return f"step {at}" if kind == "stop" else f"step {int(at)} + {at % 1 * LATE * 1000:.0f} ms"


def page(report: dict[str, Any]) -> str:
    lines = ["| stopped by | at | left behind | parts compared | differing bits |", "|---|---|---|---|---|"]
    for row in report["rows"]:
        at = ", ".join(said(row["kind"], a) for a in row["at"])
        lines.append(f"| {row['kind']} | {at} | {'; '.join(row['left'])} | {row['parts']} | {row['bits']} |")
    return "\n".join([*lines, "", json.dumps({k: v for k, v in report.items() if k != "rows"}, indent=2)])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, default=50, help="stopping points in all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="one JSON document instead of a table")
    parser.add_argument("--run", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--resume", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    if options.run:
        telling(options.run, options.resume)
        return 0
    with tempfile.TemporaryDirectory(prefix="isoscope-resume-") as scratch:
        report = measured(options.points, options.seed, Path(scratch))
    print(json.dumps(report) if options.json else page(report))
    return 1 if report["differing_bits"] else 0


if __name__ == "__main__":
    sys.exit(main())

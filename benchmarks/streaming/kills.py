"""SIGKILL at random moments, then resume: are the bytes those of a prediction that nobody killed?"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import torch

from isoscope import inference
from isoscope import model as models
from isoscope.address import Address
from isoscope.volume import Box
from isoscope.writing.draft import draft_path
from isoscope.writing.whole import write_whole
from streaming.scene import Texture, files_of, folder_of

SIDE, TILE, SHARD = 1536, 64, 128
PER_PREDICTION = 6
"""Kills before a prediction may finish."""
EARLY = 5
"""One kill in so many comes at any moment from the start of the process on, the others after the first marker."""


def work(plan_file: Path, log: Path) -> None:
    """What the processes do that are killed: finish a plan, and write down every job that is begun."""
    torch.set_num_threads(1)
    inference.planning._SHARD = SHARD
    real = inference.streaming.read

    def noted(plan: Any, frames: Any, job: Any) -> Any:
        with log.open("a") as handle:
            handle.write(f"{job.number}\n")
        return real(plan, frames, job)

    inference.streaming.read = noted
    inference.finish(inference.load_plan(plan_file))


def planned(home: Path, name: str) -> Path:
    """A plan for a textured image on disk and an output of this name; its file."""
    inference.planning._SHARD = SHARD
    source = home / "in.ome.zarr"
    if not source.exists():
        write_whole(source, np.asarray(Texture(SIDE, SIDE).read(Box.whole((1, 1, 1, SIDE, SIDE)))), "TCZYX")
    address = Address(source)
    model = models.load(folder_of("lean", home))
    plan = inference.plan(model, address.open(), tile=TILE, source=address, output=home / name)
    inference.save_plan(plan, home / f"{name}.plan.json")
    return home / f"{name}.plan.json"


def begun(plan_file: Path, log: Path) -> subprocess.Popen[bytes]:
    """A process at work on a plan."""
    command = [sys.executable, str(Path(__file__).parent.parent / "stream.py"), "work", str(plan_file), str(log)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def markers(output: Path) -> int:
    """Shards that are done, pyramid included."""
    return sum(1 for _ in (draft_path(output) / ".isoscope" / "markers").glob("*.json"))


def orphans(folder: Path) -> list[str]:
    """Temporary files that somebody left."""
    return [str(p) for p in folder.rglob("*.partial")]


def measured(args: argparse.Namespace, home: Path) -> dict[str, Any]:
    """Kill and resume until there were enough kills; what differed, what was done twice, what was left."""
    chance = random.Random(args.seed)
    straight, span = _reference(home)
    counts: Counter[str] = Counter()
    redone: list[int] = []
    while counts["kills"] < args.kills:
        number = counts["predictions"]
        output = home / f"{number}.ome.zarr"
        plan_file, log = planned(home, output.name), home / f"{number}.log"
        for _ in range(PER_PREDICTION):
            if counts["kills"] < args.kills:
                _killed(plan_file, log, output, span, chance, counts)
        ended = begun(plan_file, log).wait()
        jobs = Counter(int(line) for line in log.read_text().split())
        redone.append(sum(jobs.values()) - len(jobs))
        counts["predictions"] += 1
        counts["failed"] += ended != 0
        counts["differing files"] += _differences(straight, output)
        counts["orphans"] += len(orphans(home)) - sum("plan.json" in o for o in orphans(home))
        shutil.rmtree(output, ignore_errors=True)
        log.unlink()
    return {
        **counts, "jobs": len(inference.load_plan(plan_file).jobs), "redone per kill": sum(redone) / counts["kills"],
        "most redone in a prediction": max(redone),
    }  # fmt: skip


def _reference(home: Path) -> tuple[dict[str, str], float]:
    """The files of a prediction that nobody kills, and the seconds from its first marker to its end."""
    output = home / "straight.ome.zarr"
    process = begun(planned(home, output.name), home / "straight.log")
    while not markers(output) and process.poll() is None:
        time.sleep(0.01)
    started = time.monotonic()
    if process.wait():
        raise SystemExit("the prediction that nobody kills failed")
    return files_of(output), time.monotonic() - started


def _killed(plan_file: Path, log: Path, output: Path, span: float, chance: random.Random, counts: Counter[str]) -> None:
    """Start a process and kill it at a random moment; one that ends before is no kill."""
    early, before = chance.random() < 1 / EARLY, markers(output)
    process = begun(plan_file, log)
    if early:
        time.sleep(chance.uniform(0.1, 3.0))
    else:
        while markers(output) <= before and process.poll() is None:
            time.sleep(0.002)
        time.sleep(chance.uniform(0, span / PER_PREDICTION * 1.6))
    if process.poll() is not None:
        counts["too late"] += 1
        return
    process.send_signal(signal.SIGKILL)
    process.wait()
    counts["kills"] += 1
    counts["between first marker and finish"] += markers(output) > 0
    counts["with half-written files"] += bool(orphans(draft_path(output)))


def _differences(straight: dict[str, str], output: Path) -> int:
    found = files_of(output) if output.exists() else {}
    return sum(straight.get(name) != found.get(name) for name in {*straight, *found})


def kill_between(plan_file: Path, _: Path) -> None:
    """A process that ends itself after a shard has its name and before it has its marker."""
    from isoscope.writing import ledger

    torch.set_num_threads(1)
    inference.planning._SHARD = SHARD
    real, seen = ledger.write_sealed, Counter[str]()

    def dying(path: Path, values: Any) -> None:
        seen["markers"] += path.parent.name == "markers"
        if seen["markers"] == 7:
            os.kill(os.getpid(), signal.SIGKILL)
        real(path, values)

    ledger.write_sealed = dying
    inference.finish(inference.load_plan(plan_file))

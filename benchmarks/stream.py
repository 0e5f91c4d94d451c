"""Streaming prediction, measured: memory, speed, kills, damage, normalisation, and MONAI beside it.

    python benchmarks/stream.py                          # everything that a machine of 2 cores can do; about 2 hours
    python benchmarks/stream.py kills damage --json
    python benchmarks/stream.py memory throughput --networks full --device cuda
    python benchmarks/stream.py --quick                  # small sizes, few kills: does it run at all?

Images are textures made on the fly (grey, 8 bit), models have random weights: lean is the U-Net of the `cpu` preset,
full the paper's 9-block ResNet of width 64, stub hardly a network. `normalisation` trains on real images
($ISOSCOPE_TEST_DATA, default ../shared/data). `monai` needs `pip install monai`. Parts that are done are kept in --out
and not done again.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch

PARTS = ("memory", "throughput", "kills", "damage", "normalisation", "monai")


def shown(name: str, found: Any) -> None:
    """A table of what one part found."""
    print(f"\n== {name}")
    for row in found if isinstance(found, list) else [found]:
        print("  ".join(f"{key} {_short(value)}" for key, value in row.items()))


def _short(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k} {_short(v)}" for k, v in value.items()) + "}"
    return "[" + ", ".join(map(_short, value)) + "]" if isinstance(value, list) else str(value)


def kept(args: argparse.Namespace, name: str) -> Any:
    """What a part found, now or before."""
    settings = {k: str(v) for k, v in vars(args).items() if k not in ("parts", "json", "out")}
    file = args.out / f"{name}-{'-'.join(args.networks)}-{args.device}{'-quick' * args.quick}.json"
    if file.exists() and (before := json.loads(file.read_text()))["settings"] == settings:
        return before["found"]
    with tempfile.TemporaryDirectory(prefix="isoscope-stream-", dir=args.scratch) as home:
        found = importlib.import_module(f"streaming.{name}").measured(args, Path(home))
    file.write_text(json.dumps({"settings": settings, "torch": torch.__version__, "found": found}, indent=1))
    return found


def main() -> None:
    if sys.argv[1:2] in (["work"], ["die"]):  # a process that `kills` or `damage` started, to be killed
        from streaming import kills

        {"work": kills.work, "die": kills.kill_between}[sys.argv[1]](Path(sys.argv[2]), Path(sys.argv[3]))
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--networks", nargs="+", choices=("lean", "full", "stub"), default=["lean", "full"])
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--steps", type=int, default=1500, help="training steps of `normalisation`")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--out", type=Path, default=Path("/tmp/isoscope-bench"), help="where results are kept")
    parser.add_argument("--scratch", type=Path, default=None, help="where large temporary files go")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    if unknown := set(args.parts) - set(PARTS):
        parser.error(f"got {', '.join(sorted(unknown))}; expected some of {', '.join(PARTS)}")
    args.out.mkdir(parents=True, exist_ok=True)
    args.kills = 5 if args.quick else args.kills
    found = {}
    for name in args.parts or PARTS:
        found[name] = kept(args, name)
        if not args.json:
            shown(name, found[name])
    if args.json:
        print(json.dumps(found))


if __name__ == "__main__":
    main()

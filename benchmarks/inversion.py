"""Does the saliency constraint prevent inversion? Protocol 5A: two domains of equal content, several objectives.

    python benchmarks/inversion.py --arms 1 2 --seeds 100-111                  # the registered test: 24 runs
    python benchmarks/inversion.py --arms 3 4 5 6a 6b 7a 7b 7c 7d 8 9 10a 10b 10c 10d --seeds 100-103
    python benchmarks/inversion.py --arms 1 2 --polarity reversed --fraction 0.35 --jobs 2 --json
    python benchmarks/inversion.py --quick                                     # 3 seeds of arms 1, 2, 8; under 15 min
    python benchmarks/inversion.py --table                                     # of what is there, nothing is run

Images are made on the fly: thresholded random fields of which `--fraction` is content; A is blurred and noisy, B sharp,
of other places. Runs are isoscope's own training, each on one core; `--out` keeps every outcome by its settings and
seed, so that what was done is not done again. Seeds in the outer loop: whatever is there is balanced.
"""

from __future__ import annotations

import argparse
import json
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch
from inverting.arms import ARMS
from inverting.running import Setting, cached
from inverting.table import summary, table


def numbers(text: str) -> list[int]:
    """`100-111` or `7`."""
    first, _, last = text.partition("-")
    return list(range(int(first), int(last or first) + 1))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arms", nargs="+", default=["1", "2"], choices=list(ARMS), help="by number")
    parser.add_argument("--seeds", nargs="+", type=numbers, default=[numbers("100-111")], help="such as 100-111")
    parser.add_argument("--polarity", nargs="+", default=["same"], choices=["same", "reversed"])
    parser.add_argument("--fraction", nargs="+", type=float, default=[0.5], help="of the area that is content")
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--precision", default="auto", choices=["auto", "float32", "bfloat16"])
    parser.add_argument("--jobs", type=int, default=1, help="processes; each takes one core")
    parser.add_argument("--out", type=Path, default=Path("/tmp/isoscope-inversion"), help="where outcomes are kept")
    parser.add_argument("--quick", action="store_true", help="3 seeds of arms 1, 2 and 8")
    parser.add_argument("--table", action="store_true", help="show what is there, run nothing")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def settings(args: argparse.Namespace) -> list[Setting]:
    arms, seeds = args.arms, [seed for group in args.seeds for seed in group]
    if args.quick:
        arms, seeds = ["1", "2", "8"], [100, 101, 102]
    return [
        Setting(arm, polarity, fraction, seed, args.steps, args.precision)
        for seed in seeds for polarity in args.polarity for fraction in args.fraction for arm in arms
    ]  # fmt: skip


def run(setting: Setting, out: Path) -> dict[str, Any]:
    torch.set_num_threads(1)
    return cached(setting, out)


def outcomes(args: argparse.Namespace) -> list[dict[str, Any]]:
    if args.table:
        return [json.loads(path.read_text(encoding="utf-8")) for path in sorted(args.out.glob("arm*.json"))]
    todo = settings(args)
    found = []
    with ProcessPoolExecutor(args.jobs, mp_context=get_context("spawn")) as pool:
        for outcome in pool.map(run, todo, [args.out] * len(todo)):
            found.append(outcome)
            print(_line(outcome), file=sys.stderr, flush=True)
    return found


def _line(o: dict[str, Any]) -> str:
    return (
        f"arm {o['arm']} {o['polarity']} {o['fraction']:g} seed {o['seed']}: {o['verdict']}, Pearson "
        f"{o['pearson']:.3f}, cycle {o['cycle']:.3f}, D1 {o['d1']:.2f}, D2 {o['d2']:.2f}, {o['minutes']:.1f} min"
    )


def check(found: list[dict[str, Any]]) -> None:
    """What --quick asserts."""
    wanted = {"2": "CORRECT", "8": "INVERTED"}
    wrong = [_line(o) for o in found if wanted.get(o["arm"], o["verdict"]) != o["verdict"]]
    if wrong:
        sys.exit("\n".join(wrong))


def main() -> None:
    args = arguments()
    found = outcomes(args)
    if args.json:
        print(json.dumps({"runs": found, "summary": summary(found)}))
    else:
        print(table(summary(found)))
    if args.quick:
        check(found)


if __name__ == "__main__":
    main()

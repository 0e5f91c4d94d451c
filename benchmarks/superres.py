"""Simulated microtubules: the wide-field image, Richardson-Lucy, supervised training and the default of `superres`.

    python benchmarks/superres.py [--steps 300] [--seed 0] [--fields 8] [--out DIR] [--json]

Unpaired: wide-field fields of seed 0, sharp ones of seed 1. The supervised control has the sharp images of seed 0, and
Richardson-Lucy is tuned on these pairs. Scored on four fields of seed 1000 against their sharp images, which have noise
of their own. FRC is the period (pixels) at which the ring correlation falls below 1/7; pairs, the part of the truth's
resolved pairs of peaks that are resolved. What is done is kept in --out, and done once.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from isoscope.baselines import offers
from isoscope.comparison import Entrant, ImageSets, Scored, enter, run
from isoscope.evaluation import evaluate
from isoscope.overrides import merge, set_
from isoscope.sources import open_all, open_one
from isoscope.volume import Volume

RANGE = (0.0, 3000.0)
MEASURES = {"psnr": 2, "ssim": 3, "nrmse": 4, "resolved_pairs": 3, "frc_pixels": 2}
TEST_SEED, TEST_FIELDS = 1000, 4


def fields(optics: str, seed: int, count: int) -> list[Volume]:
    return open_all(f"simulate:{optics}-microtubules-v1?seed={seed}&count={count}")


def image_sets(count: int) -> ImageSets:
    source, target = fields("widefield", 0, count), fields("sharp", 1, count)
    test = [fields(optics, TEST_SEED, TEST_FIELDS) for optics in ("widefield", "sharp")]
    return ImageSets(source, target, *test, pairs=(source, fields("sharp", 0, count)))


def entrants(sets: ImageSets, steps: int, seed: int, changes: Sequence[str]) -> list[Entrant]:
    keys: dict[str, Any] = {"training": {"steps": steps, "seed": seed}}
    control = {**keys, "method": {"name": "supervised"}}
    ours = merge(keys, set_(changes))
    return [
        *enter("supervised", control, sets, task="superres", preset="cpu"),
        *enter("superres, unpaired", ours, sets, task="superres", preset="cpu"),
    ]


def scored(arm: Scored, truths: Sequence[Volume]) -> dict[str, Any]:
    if arm.failed:
        return {"failed": arm.failed}
    made = [volume for path in arm.predictions for volume in open_one(Path(path))]
    mean = evaluate(made, truths, data_range=RANGE, resolution=True)["mean"]["prediction"]
    return {m: mean[m] for m in MEASURES} | {"minutes": arm.minutes, "parameters": dict(arm.parameters)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--fields", type=int, default=8, help="of training, on each side")
    parser.add_argument("--out", type=Path, default=Path("/tmp/isoscope-superres"), help="runs are kept there")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="of the recipe of ours")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    sets = image_sets(args.fields)
    filters = offers(sets.source, sets.target, sets.pairs)
    kept = {name: filters[name] for name in ("input", "Richardson-Lucy")}
    arms = run(entrants(sets, args.steps, args.seed, args.set), kept, sets, args.out, data_range=RANGE)
    found = {arm.name: scored(arm, sets.test_truth) for arm in arms}
    if args.json:
        print(json.dumps(found))
        return
    print(f"{'':20}{'PSNR (dB)':>10}{'SSIM':>8}{'NRMSE':>8}{'pairs':>8}{'FRC (px)':>10}")
    for name, s in found.items():
        if "failed" in s:
            print(f"{name:20}{s['failed']}")
            continue
        cells = (f"{s[m]:>{w}.{d}f}" if s[m] is not None else "-".rjust(w)
                 for (m, d), w in zip(MEASURES.items(), (10, 8, 8, 8, 10), strict=True))  # fmt: skip
        print(f"{name:20}{''.join(cells)}")


if __name__ == "__main__":
    main()

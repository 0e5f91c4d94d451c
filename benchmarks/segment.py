"""Nuclei of BBBC039, wells apart: Otsu and watershed, supervised training, and masks of other wells.

    python benchmarks/segment.py [--steps 300] [--seed 0] [--out DIR] [--json]

Images of three wells, masks of three others, two wells for the test. The supervised control has the images of those
masks. Dice and IoU are of foreground, F1 of objects matched at IoU 0.5. Otsu's blur is 1 px and was not tuned. The
images lie in $ISOSCOPE_TEST_DATA (default ../shared/data).
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from isoscope.evaluation import evaluate
from isoscope.inference import load
from isoscope.objects import LabelVolume, by_depth, by_otsu
from isoscope.proposal import propose
from isoscope.reading import ReadOptions
from isoscope.sources import open_all
from isoscope.training import train
from isoscope.volume import ArrayVolume, Box, Volume

DATA = Path(os.environ.get("ISOSCOPE_TEST_DATA", "../shared/data")) / "nuclei_bbbc039" / "dev"
IMAGES, MASKS, TEST = ("A02", "B04", "C07"), ("D08", "E23", "G05"), ("H07", "I11")
MEASURES = ("dice", "iou", "object_f1", "object_count_error")


def opened(kind: str, wells: Sequence[str]) -> list[Volume]:
    """Images, or masks: these have their labels in the red channel."""
    options = ReadOptions(channels=(0,)) if kind == "masks" else ReadOptions()
    return [v for well in wells for v in open_all(str(DATA / kind / f"*_{well}_*"), options)]


def learned(name: str, images: Sequence[str], method: str | None, args: argparse.Namespace) -> list[Volume]:
    """Depth maps of the test wells by a network that saw images of some wells and masks of MASKS."""
    source, target, home = (
        opened("images", images),
        opened("masks", MASKS),
        args.out / f"{name}-{args.steps}-{args.seed}",
    )
    if not (home / "model").exists():
        user: dict[str, Any] = {"training": {"steps": args.steps, "seed": args.seed}}
        user |= {"method": {"name": method}} if method else {}
        recipe = propose(source, target, task="segment", preset="cpu", user=user).recipe
        train(recipe, source, target, home)
    predictor = load(home)
    whole = [v.read(Box.whole(v.header.shape)) for v in opened("images", TEST)]
    return [ArrayVolume(predictor.predict(image, "TCZYX")) for image in whole]


def scored(volumes: Sequence[Volume], find: Callable[..., Any]) -> dict[str, Any]:
    found = [LabelVolume(v, find, {}) for v in volumes]
    report = evaluate(found, opened("masks", TEST), labels=True, data_range=(0, 255))
    return {m: report["mean"]["prediction"][m] for m in MEASURES}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("/tmp/isoscope-segment"), help="runs are kept there")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    found = {
        "Otsu + watershed": scored(opened("images", TEST), partial(by_otsu, sigma=1.0)),
        "segment, unpaired": scored(learned("unpaired", IMAGES, None, args), by_depth),
        "supervised": scored(learned("supervised", MASKS, "supervised", args), by_depth),
    }
    if args.json:
        print(json.dumps(found))
        return
    print(f"{'':20}{'Dice':>8}{'IoU':>8}{'F1':>8}{'count error':>13}")
    for name, s in found.items():
        print(f"{name:20}{s['dice']:8.3f}{s['iou']:8.3f}{s['object_f1']:8.3f}{s['object_count_error']:13.1f}")


if __name__ == "__main__":
    main()

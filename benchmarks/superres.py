"""Microtubules: the wide-field image, Richardson-Lucy, supervised training and the default of `superres`.

    python benchmarks/superres.py [--steps 300] [--seed 0] [--fields 8] [--out DIR] [--json]
    python benchmarks/superres.py --real [--steps 600] [--sigma 2] --out DIR2

Simulated, unpaired: wide-field fields of seed 0, sharp ones of seed 1. The supervised control has the sharp images of
seed 0, and Richardson-Lucy is tuned on these pairs. Scored on four fields of seed 1000 against their sharp images,
which have noise of their own. --real: the tubulin channel of a cell of NEUBIAS ($ISOSCOPE_TEST_DATA, default
../shared/data), degraded by the simulator's optics (a Gaussian of --sigma pixels) and camera. The bottom third of its
rows is the source, the middle third the target and, degraded, the pairs; the top third is scored, behind guards of 16
rows. FRC is the period (pixels) at which the ring correlation falls below 1/7; pairs, the part of the truth's resolved
pairs of peaks that are resolved, of which noise alone resolves some: see the input of --sigma 8. What is done is kept
in --out, and done once.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from isoscope.baselines import offers
from isoscope.comparison import Entrant, ImageSets, Scored, enter, run
from isoscope.evaluation import evaluate
from isoscope.overrides import merge, set_
from isoscope.sources import open_all, open_one
from isoscope.volume import ArrayVolume, Header, Volume
from isoscope_simulate.optics import blurred, recorded
from isoscope_simulate.settings import Settings

DATA = Path(os.environ.get("ISOSCOPE_TEST_DATA", "../shared/data"))
RANGE, REAL_RANGE = (0.0, 3000.0), (0.0, 1100.0)
MEASURES = {"psnr": 2, "psnr_affine": 2, "ssim": 3, "nrmse": 4, "resolved_pairs": 3, "frc_pixels": 2}
TEST_SEED, TEST_FIELDS = 1000, 4


def fields(optics: str, seed: int, count: int) -> list[Volume]:
    return open_all(f"simulate:{optics}-microtubules-v1?seed={seed}&count={count}")


def image_sets(count: int) -> ImageSets:
    source, target = fields("widefield", 0, count), fields("sharp", 1, count)
    test = [fields(optics, TEST_SEED, TEST_FIELDS) for optics in ("widefield", "sharp")]
    return ImageSets(source, target, *test, pairs=(source, fields("sharp", 0, count)))


SOURCE, TARGET, TEST = slice(244, 350), slice(122, 228), slice(0, 106)


def as_volume(values: NDArray[Any], name: str) -> Volume:
    shape = (1, 1, 1, *values.shape)
    return ArrayVolume(values, "YX", Header(name, shape, values.dtype, "YX"))


def real_sets(sigma: float) -> ImageSets:
    """Of one cell, cut by rows after it was blurred whole. Brightness 1 is the 99.9th percentile of the recording."""
    recorded_as = tifffile.imread(DATA / "neubias_misc" / "xyc_16bit__cell_dna_mts_actin.tif")[1].astype(np.float64)
    low, high = np.percentile(recorded_as, (1, 99.9))
    light = np.maximum((recorded_as - low) / (high - low), 0)
    sharp = (100 + 1000 * light).astype(np.float32)
    optics = Settings(psf="gaussian", sigma=sigma, photons=100, gain=10, offset=100, read_noise=10)
    seen = recorded(blurred(light[None], optics), optics, np.random.default_rng(0))[0]
    given, low, test = (as_volume(seen[rows], f"degraded {rows.start}") for rows in (SOURCE, TARGET, TEST))
    target, truth = (as_volume(sharp[rows], f"sharp {rows.start}") for rows in (TARGET, TEST))
    return ImageSets([given], [target], [test], [truth], pairs=([low], [target]))


def entrants(sets: ImageSets, steps: int, seed: int, changes: Sequence[str]) -> list[Entrant]:
    keys: dict[str, Any] = {"training": {"steps": steps, "seed": seed}}
    control = {**keys, "method": {"name": "supervised"}}
    ours = merge(keys, set_(changes))
    return [
        *enter("supervised", control, sets, task="superres", preset="cpu"),
        *enter("superres, unpaired", ours, sets, task="superres", preset="cpu"),
    ]


def scored(arm: Scored, truths: Sequence[Volume], limits: tuple[float, float]) -> dict[str, Any]:
    if arm.failed:
        return {"failed": arm.failed}
    made = [volume for path in arm.predictions for volume in open_one(Path(path))]
    mean = evaluate(made, truths, data_range=limits, resolution=True)["mean"]["prediction"]
    return {m: mean[m] for m in MEASURES} | {"minutes": arm.minutes, "parameters": dict(arm.parameters)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--fields", type=int, default=8, help="of training, on each side")
    parser.add_argument("--real", action="store_true", help="a real recording, degraded")
    parser.add_argument("--sigma", type=float, default=2.0, help="pixels by which --real is blurred")
    parser.add_argument("--out", type=Path, default=Path("/tmp/isoscope-superres"), help="runs are kept there")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="of the recipe of ours")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    sets, limits = (real_sets(args.sigma), REAL_RANGE) if args.real else (image_sets(args.fields), RANGE)
    filters = offers(sets.source, sets.target, sets.pairs)
    kept = {name: filters[name] for name in ("input", "Richardson-Lucy")}
    arms = run(entrants(sets, args.steps, args.seed, args.set), kept, sets, args.out, data_range=limits)
    found = {arm.name: scored(arm, sets.test_truth, limits) for arm in arms}
    if args.json:
        print(json.dumps(found))
        return
    print(f"{'':20}{'PSNR (dB)':>10}{'affine':>8}{'SSIM':>8}{'NRMSE':>8}{'pairs':>8}{'FRC (px)':>10}")
    for name, s in found.items():
        if "failed" in s:
            print(f"{name:20}{s['failed']}")
            continue
        cells = (f"{s[m]:>{w}.{d}f}" if s[m] is not None else "-".rjust(w)
                 for (m, d), w in zip(MEASURES.items(), (10, 8, 8, 8, 8, 10), strict=True))  # fmt: skip
        print(f"{name:20}{''.join(cells)}")


if __name__ == "__main__":
    main()

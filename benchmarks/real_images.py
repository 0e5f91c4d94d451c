"""Train and score on real microscopy: `coloration` on MoNuSeg patients, `denoise` on W2S fields.

    python benchmarks/real_images.py denoise --channel 1 --steps 800 --out /tmp/bench
    python benchmarks/real_images.py coloration --steps 800 --seed 1 --json

Data: $ISOSCOPE_TEST_DATA (default ../shared/data). Held out by patient and by field. The Gaussian's sigma is tuned on
the paired fields 23-32, which no model trained here sees as pairs; the table is learned from the target set alone.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from isoscope import evaluation, inference, overrides, pictures, training
from isoscope.frames import REC601
from isoscope.proposal import propose
from isoscope.sources import open_all
from isoscope.volume import ArraySink, ArrayVolume, Box, Header, Volume
from isoscope.writing.whole import write_whole

DATA = Path(os.environ.get("ISOSCOPE_TEST_DATA", "../shared/data"))
Array = NDArray[Any]


def pixels(volume: Volume) -> Array:
    return volume.read(Box.whole(volume.header.shape))


def like(volume: Volume, values: Array) -> Volume:
    header = Header(volume.header.name, values.shape, values.dtype, "TCZYX", rgb=values.shape[1] == 3)
    return ArrayVolume(values, "TCZYX", header)


def predicted(run: Path, volumes: Sequence[Volume], tile: int | None = None) -> list[Volume]:
    predictor = inference.load(run)
    out = []
    for volume in volumes:
        plan = inference.plan(predictor.model, volume, tile=tile)
        sink = ArraySink(plan.header)
        inference.stream(plan, predictor.model, volume, sink)
        out.append(ArrayVolume(sink.array, "TCZYX", plan.header))
    return out


def denoise_sets(channel: int) -> dict[str, list[Volume]]:
    home = DATA / "w2s_widefield"
    glob = {
        "source": f"dev_A_noisy/*_{channel}.tif",
        "target": f"dev_B_clean/*_{channel}.tif",
        "tuning": f"control_noisy_of_B/*_{channel}.tif",
        "input": f"dev_val_pairs/input*_{channel}.tif",
        "truth": f"dev_val_pairs/target*_{channel}.tif",
    }
    return {name: open_all(str(home / pattern)) for name, pattern in glob.items()}


def coloration_sets(fold: int) -> dict[str, list[Volume]]:
    patients = open_all(str(DATA / "he_monuseg" / "dev_train" / "*.tif"))
    a, b, test = (patients[(2 * (fold + k)) % 6 : (2 * (fold + k)) % 6 + 2] for k in range(3))
    return {"source": a, "target": b, "input": test, "truth": test}


def grey(volume: Volume) -> Volume:
    values = np.tensordot(np.asarray(REC601), pixels(volume)[0].astype(float), 1)
    return like(volume, np.repeat(np.rint(values)[None, None], 3, axis=1).astype(np.uint8))


def table(target: Sequence[Volume], inputs: Sequence[Volume]) -> list[Volume]:
    """The mean colour of every grey level in the target set, applied to the inputs' grey levels."""
    colours = np.concatenate([pixels(v)[0].reshape(3, -1) for v in target], axis=1).astype(float)
    levels = np.rint(np.asarray(REC601) @ colours).astype(int)
    counts = np.bincount(levels, minlength=256)
    seen = np.flatnonzero(counts)
    means = [np.bincount(levels, c, 256)[seen] / counts[seen] for c in colours]
    luts = [np.interp(np.arange(256), seen, m) for m in means]
    out = []
    for v in inputs:
        g = pixels(grey(v))[0, 0]
        out.append(like(v, np.rint(np.stack([lut[g] for lut in luts]))[None].astype(np.uint8)))
    return out


def blurred(volumes: Sequence[Volume], sigma: float) -> list[Volume]:
    return [like(v, gaussian_filter(pixels(v).astype(np.float32), (0, 0, 0, sigma, sigma))) for v in volumes]


def tuned_sigma(sets: dict[str, list[Volume]]) -> float:
    def score(sigma: float) -> float:
        report = evaluation.evaluate(blurred(sets["tuning"], sigma), sets["target"])
        return float(report["mean"]["prediction"]["psnr_affine"])

    return max((0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0), key=score)


def baselines(task: str, sets: dict[str, list[Volume]]) -> dict[str, list[Volume]]:
    if task == "denoise":
        sigma = tuned_sigma(sets)
        return {"input": sets["input"], f"Gaussian, sigma {sigma:g}": blurred(sets["input"], sigma)}
    greys = [grey(v) for v in sets["input"]]
    smoothed = [like(v, np.rint(pixels(b)).astype(np.uint8)) for v, b in zip(greys, blurred(greys, 1.0), strict=True)]
    return {"grey input": greys, "Gaussian, sigma 1": smoothed, "luminance table": table(sets["target"], sets["input"])}


def save_picture(path: Path, arms: dict[str, list[Volume]], truths: Sequence[Volume]) -> None:
    """One row of panels for the first test image: every arm, then the truth, then the overlay of the last arm."""
    truth = pixels(truths[0])
    limits = (float(np.percentile(truth, 0.1)), float(np.percentile(truth, 99.9)))
    shown = [pictures.to_display(_fitted(pixels(v[0]), truth), limits) for v in arms.values()]
    shown += [
        pictures.to_display(truth, limits),
        pictures.overlay(_fitted(pixels(list(arms.values())[-1][0]), truth), truth),
    ]
    crop = [s[:384, :384] for s in shown]
    write_whole(path, pictures.panel(crop), "YXC")


def _fitted(image: Array, truth: Array) -> Array:
    """Grey images are shown after a positive affine fit, because W2S files are scaled one by one; colour as it is."""
    if truth.shape[1] == 3:
        return image
    from isoscope.metrics import affine_fit

    slope, offset = affine_fit(image, truth)
    return image * slope + offset


def bench(args: argparse.Namespace) -> dict[str, Any]:
    sets = denoise_sets(args.channel) if args.task == "denoise" else coloration_sets(args.fold)
    changes = overrides.merge({"training": {"steps": args.steps, "seed": args.seed}}, overrides.set_(args.set))
    proposal = propose(sets["source"], sets["target"], task=args.task, preset=args.preset, user=changes)
    run = args.out / f"{args.task}-{args.name}-{args.channel if args.task == 'denoise' else args.fold}-{args.seed}"
    started = time.monotonic()
    training.train(proposal.recipe, sets["source"], sets["target"], run, overwrite=True, report=progress)
    minutes = (time.monotonic() - started) / 60
    arms = {**baselines(args.task, sets), f"c2GAN {args.name}": predicted(run, sets["input"])}
    scores = {name: evaluation.evaluate(v, sets["truth"])["mean"]["prediction"] for name, v in arms.items()}
    save_picture(args.out / f"{run.name}.png", arms, sets["truth"])
    return {"task": args.task, "steps": args.steps, "seed": args.seed, "minutes": round(minutes, 2), "arms": scores}


def progress(report: training.Progress) -> None:
    if report.step % 100 == 0:
        print(f"{report.step}/{report.total} {report.rate:.1f} steps/s", file=sys.stderr, flush=True)


def show(result: dict[str, Any]) -> None:
    keys = ["psnr", "psnr_affine", "ssim", "ssim_affine", "nrmse", "pearson", "chroma_rmse"]
    print(f"{result['task']}, {result['steps']} steps, seed {result['seed']}, {result['minutes']} min")
    print(f"{'':28}" + "".join(f"{k:>13}" for k in keys))
    for name, s in result["arms"].items():
        print(f"{name:28}" + "".join(f"{s[k]:13.3f}" if s.get(k) is not None else f"{'-':>13}" for k in keys))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("task", choices=["denoise", "coloration"])
    parser.add_argument("--channel", type=int, default=1, help="W2S channel")
    parser.add_argument("--fold", type=int, default=0, help="which two MoNuSeg patients are A, B and test")
    parser.add_argument("--steps", type=int, default=800)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--preset", default="cpu")
    parser.add_argument("--name", default="cpu", help="label of the arm")
    parser.add_argument("--set", action="append", default=[])
    parser.add_argument("--out", type=Path, default=Path("/tmp/isoscope-bench"))
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    result = bench(args)
    print(json.dumps(result)) if args.json else show(result)


if __name__ == "__main__":
    main()

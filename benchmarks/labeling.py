"""Virtual labelling, 13 phase-contrast planes to DAPI, MAP2 and NFH: three blocks of one field, guards between.

    python benchmarks/labeling.py [--cut rows] [--only NAME …] [--steps 400] [--set KEY=VALUE] [--seed 0] [--json]

Of one block the unpaired methods see the planes, of another the fluorescence (the supervised one has the planes of
these too), the third is the test. Blocks of rows have cells in all three: top, bottom, middle. Blocks of columns are
harder: the middle one, whose labels are learned from, has few cells. A constant, the best linear map of the 13 planes
of a pixel, the truth of another place, and texture ranked to labels stand beside the networks: plain SSIM proves
nothing on this field, so Pearson and the SSIM of foreground are shown. Settings were chosen on the fluorescence of the
first block of rows, which nothing learns from. One field: nothing here says how well other fields would be labelled.
The images lie in $ISOSCOPE_TEST_DATA (default ../shared/data); runs are kept in --out.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from skimage.io import imread

from isoscope.baselines import linear_map, texture_table
from isoscope.evaluation import evaluate
from isoscope.inference import load
from isoscope.overrides import merge, set_
from isoscope.proposal import propose
from isoscope.training import train
from isoscope.volume import ArrayVolume, Box, Header, Volume

DATA = Path(os.environ.get("ISOSCOPE_TEST_DATA", "../shared/data")) / "isl_phase13_fluor3" / "dev_cols_0_671"
LABELS = ("dapi", "map2", "nfh")
ALL = slice(None)
CUTS = {
    "rows": ((slice(0, 325), ALL), (slice(699, 1024), ALL), (slice(349, 675), ALL)),
    "columns": ((ALL, slice(0, 208)), (ALL, slice(232, 440)), (ALL, slice(464, 672))),
}
"""Planes of the unpaired methods, labels, test."""
MEASURES = ("pearson", "ssim_foreground", "ssim")
WIDTH = 5.0
"""Sigma in pixels of the texture's window: about a nucleus."""
Floats = NDArray[np.float64]
Place = tuple[slice, slice]


def planes(place: Place) -> NDArray[Any]:
    return np.stack([imread(DATA / f"phase_z{z:02d}.png")[place] for z in range(13)])


def labels(place: Place) -> NDArray[Any]:
    return np.stack([imread(DATA / f"{name}_confocal_maxproj.png")[place] for name in LABELS])


def volume(values: NDArray[Any], axes: str, name: str = "field") -> ArrayVolume:
    shape = ArrayVolume(values, axes).header.shape
    channels = LABELS if axes == "CYX" else ()
    return ArrayVolume(values, axes, Header(name, shape, values.dtype, axes, channels=channels))


def linear(learned: Place, test: Place) -> Floats:
    """Least squares from 13 planes and 1 to each label, on pairs."""
    pairs = [volume(planes(learned), "ZYX")], [volume(labels(learned), "CYX")]
    return pixels(*linear_map([volume(planes(test), "ZYX")], pairs))


def constant(learned: Place, test: Place) -> Floats:
    level = labels(learned).mean(axis=(1, 2), keepdims=True)
    return np.broadcast_to(level, labels(test).shape).astype(np.float64)


def texture(given: Place, learned: Place, test: Place) -> Floats:
    """The labels whose rank among labels is that of the local deviation among all planes; no pair is used."""
    source, target = [volume(planes(given), "ZYX")], [volume(labels(learned), "CYX")]
    return pixels(*texture_table([volume(planes(test), "ZYX")], source, target, WIDTH))


def pixels(made: Volume) -> Floats:
    return made.read(Box.whole(made.header.shape))[0, :, 0].astype(np.float64)


def learned(preset: str, args: argparse.Namespace) -> Floats:
    """By a preset; `supervised` sees the planes beside its labels, and CycleGAN has our generators."""
    given, wanted, test = CUTS[args.cut]
    source = [volume(planes(wanted if preset == "supervised" else given), "ZYX", "planes")]
    target = [volume(labels(wanted), "CYX", "labels")]
    home = args.out / f"{args.cut}-{preset}-{args.steps}-{args.seed}"
    if not (home / "model").exists():
        user: dict[str, Any] = merge({"training": {"steps": args.steps, "seed": args.seed}}, set_(args.set))
        if preset == "cyclegan":
            ours = propose(source, target, task="labeling", preset="cpu").recipe.method.parameters
            user = merge({"method": {side: ours[side] for side in ("forward", "backward")}}, user)
        began = time.monotonic()
        train(propose(source, target, task="labeling", preset=preset, user=user).recipe, source, target, home)
        (home / "minutes").write_text(f"{(time.monotonic() - began) / 60:.1f}")
    made: Floats = load(home).predict(planes(test)[None, None], "TCZYX").astype(np.float64)
    return made.reshape(3, -1, made.shape[-1])


def scored(made: Floats, truth: NDArray[Any]) -> dict[str, list[float]]:
    report = evaluate([volume(made.astype(np.float32), "CYX")], [volume(truth, "CYX")])
    channels = report["images"][0]["prediction"]["channels"]
    return {m: [float("nan") if channel[m] is None else float(channel[m]) for channel in channels] for m in MEASURES}


def arms(args: argparse.Namespace) -> dict[str, Callable[[], Floats]]:
    given, wanted, test = CUTS[args.cut]
    truth = labels(test).astype(np.float64)
    along = 1 + int(args.cut == "rows")
    return {
        "constant": lambda: constant(wanted, test),
        "another place": lambda: np.roll(truth, truth.shape[along] // 2, axis=along),
        "linear, supervised": lambda: linear(wanted, test),
        "texture, unpaired": lambda: texture(given, wanted, test),
        "c2GAN, unpaired": lambda: learned("cpu", args),
        "CycleGAN, unpaired": lambda: learned("cyclegan", args),
        "supervised": lambda: learned("supervised", args),
    }


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cut", choices=list(CUTS), default="rows")
    parser.add_argument("--only", nargs="+", help="names of rows, or how they begin")
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--set", action="append", default=[], help="recipe keys for all networks")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("/tmp/isoscope-labeling"), help="runs are kept there")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def main() -> None:
    args = parsed()
    truth = labels(CUTS[args.cut][2])
    wanted = {n: made for n, made in arms(args).items() if not args.only or n.startswith(tuple(args.only))}
    found = {name: scored(make(), truth) for name, make in wanted.items()}
    if args.json:
        print(json.dumps(found))
        return
    print(f"{'':22}" + "".join(f"{m:>27}" for m in MEASURES))
    for name, by in found.items():
        print(f"{name:22}" + "".join(f"{' / '.join(f'{v:.3f}' for v in by[m]):>27}" for m in MEASURES))


if __name__ == "__main__":
    main()

"""Virtual labelling, 13 phase-contrast planes to DAPI, MAP2 and NFH: three blocks of one field, guards between.

    python benchmarks/labeling.py [--steps 600] [--seed 0] [--out DIR] [--json]

Columns 0 to 207 are the planes that the unpaired methods see, 232 to 439 the fluorescence (the supervised ones have the
planes of these too), 464 to 671 the test. A constant, the best linear map of the 13 planes of a pixel, and the truth of
another place (half the height away) stand beside the networks: plain SSIM proves nothing on this field, so Pearson and
the SSIM of foreground are shown. One field: nothing here says how well other fields would be labelled. The images lie
in $ISOSCOPE_TEST_DATA (default ../shared/data).
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from skimage.io import imread

from isoscope.evaluation import evaluate
from isoscope.inference import load
from isoscope.proposal import propose
from isoscope.training import train
from isoscope.volume import ArrayVolume, Header

DATA = Path(os.environ.get("ISOSCOPE_TEST_DATA", "../shared/data")) / "isl_phase13_fluor3" / "dev_cols_0_671"
LABELS = ("dapi", "map2", "nfh")
LEFT, MIDDLE, RIGHT = slice(0, 208), slice(232, 440), slice(464, 672)
MEASURES = ("pearson", "ssim_foreground", "ssim")
Floats = NDArray[np.float64]


def planes(columns: slice) -> NDArray[Any]:
    return np.stack([imread(DATA / f"phase_z{z:02d}.png")[:, columns] for z in range(13)])


def labels(columns: slice) -> NDArray[Any]:
    return np.stack([imread(DATA / f"{name}_confocal_maxproj.png")[:, columns] for name in LABELS])


def volume(values: NDArray[Any], axes: str, name: str = "field") -> ArrayVolume:
    shape = ArrayVolume(values, axes).header.shape
    channels = LABELS if axes == "CYX" else ()
    return ArrayVolume(values, axes, Header(name, shape, values.dtype, axes, channels=channels))


def linear() -> Floats:
    """Least squares from 13 planes and 1 to each label, on the pairs of the middle."""
    given, wanted = (x.reshape(len(x), -1).T.astype(np.float64) for x in (planes(MIDDLE), labels(MIDDLE)))
    map_, *_ = np.linalg.lstsq(np.c_[given, np.ones(len(given))], wanted, rcond=None)
    new = planes(RIGHT)
    made = np.c_[new.reshape(13, -1).T.astype(np.float64), np.ones(new[0].size)] @ map_
    return made.T.reshape(3, *new.shape[1:])


def constant() -> Floats:
    level = labels(MIDDLE).mean(axis=(1, 2), keepdims=True)
    return np.broadcast_to(level, labels(RIGHT).shape).astype(np.float64)


def learned(preset: str, args: argparse.Namespace) -> Floats:
    """By a preset; `supervised` sees the planes of the middle beside its labels."""
    side = MIDDLE if preset == "supervised" else LEFT
    source, target = [volume(planes(side), "ZYX", "planes")], [volume(labels(MIDDLE), "CYX", "labels")]
    home = args.out / f"{preset}-{args.steps}-{args.seed}"
    if not (home / "model").exists():
        user: dict[str, Any] = {"training": {"steps": args.steps, "seed": args.seed}}
        if preset == "supervised":  # at its own 1e-3 tanh saturates at the dark ground, and never comes back
            user["method"] = {"rate": 2e-4}
        train(propose(source, target, task="labeling", preset=preset, user=user).recipe, source, target, home)
    made: Floats = load(home).predict(planes(RIGHT)[None, None], "TCZYX").astype(np.float64)
    return made.reshape(3, -1, made.shape[-1])


def scored(made: Floats) -> dict[str, list[float]]:
    truth = labels(RIGHT)
    report = evaluate([volume(made.astype(np.float32), "CYX")], [volume(truth, "CYX")])
    channels = report["images"][0]["prediction"]["channels"]
    return {m: [float("nan") if channel[m] is None else float(channel[m]) for channel in channels] for m in MEASURES}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("/tmp/isoscope-labeling"), help="runs are kept there")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    found = {
        "constant": scored(constant()),
        "another place": scored(np.roll(labels(RIGHT), labels(RIGHT).shape[1] // 2, axis=1).astype(np.float64)),
        "linear, supervised": scored(linear()),
        "c2GAN, unpaired": scored(learned("cpu", args)),
        "CycleGAN, unpaired": scored(learned("cyclegan", args)),
        "supervised": scored(learned("supervised", args)),
    }
    if args.json:
        print(json.dumps(found))
        return
    print(f"{'':22}" + "".join(f"{m:>27}" for m in MEASURES))
    for name, by in found.items():
        print(f"{name:22}" + "".join(f"{' / '.join(f'{v:.3f}' for v in by[m]):>27}" for m in MEASURES))


if __name__ == "__main__":
    main()

"""Axial restoration of a real confocal stack of nuclei, which has no truth: judged by spectra, and by eye.

    python benchmarks/axial_real.py [--steps 1500] [--seed 0] [--out DIR] [--json]

28 planes 0.5 um apart, pixels of 0.24 um. Rows 0 to 639 are learned from, rows 704 to 1023 are judged: power along z of
XZ and YZ planes over power along x and y of XY planes, by frequency, for linear interpolation and for ours. 1 is
isotropic. `--out` gets views.png: XZ planes of both, and the XY plane of the middle. The images lie in
$ISOSCOPE_TEST_DATA (default ../shared/data).
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
from axial import predicted
from numpy.typing import NDArray
from skimage.io import imread, imsave

from isoscope.preparation import Preparation
from isoscope.preparation.prepared import upright
from isoscope.proposal import propose
from isoscope.spectra import power_along
from isoscope.training import train
from isoscope.volume import ArrayVolume, Box, Header

DATA = Path(os.environ.get("ISOSCOPE_TEST_DATA", "../shared/data")) / "vol_nuclei_confocal" / "Series006"
LEARN, TEST = slice(0, 640), slice(704, 1024)
SIZE = (0.5, 0.24, 0.24)
BANDS = ((0.02, 0.05), (0.05, 0.1), (0.1, 0.15), (0.15, 0.2), (0.2, 0.25))
"""Cycles per pixel of the isotropic grid; the planes end at 0.24."""


def stack(rows: slice, name: str) -> ArrayVolume:
    values = np.stack([imread(path)[rows, :, 2] for path in sorted(DATA.glob("*.tif"))])
    z, y, x = values.shape
    return ArrayVolume(values, "ZYX", Header(name, (1, 1, z, y, x), values.dtype, "ZYX", SIZE))


def interpolated(volume: ArrayVolume, scale: tuple[float, float, float]) -> NDArray[Any]:
    (up,) = upright([volume], Preparation(scale=scale))
    return up.read(Box.whole(up.header.shape))[0, 0]


def across(planes: NDArray[Any], length: int) -> NDArray[np.float64]:
    """Power along y and x of the recorded XY planes, in pieces as long as the volume is deep."""
    pieces = [planes[:, :, i : i + length] for i in range(0, planes.shape[2] - length + 1, length)]
    other = [planes[:, i : i + length] for i in range(0, planes.shape[1] - length + 1, length)]
    return (
        np.mean([power_along(p, -1)[1] for p in pieces], 0) + np.mean([power_along(p, -2)[1] for p in other], 0)
    ) / 2


def ratios(volume: NDArray[Any], reference: NDArray[np.float64]) -> list[float]:
    """Power along z over that across, in bands."""
    f, front = power_along(volume.transpose(1, 0, 2), -2)
    side = power_along(volume.transpose(2, 0, 1), -2)[1]
    ratio = (front + side) / 2 / reference
    return [float(ratio[(f >= low) & (f < high)].mean()) for low, high in BANDS]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("/tmp/isoscope-axial-real"), help="the run is kept there")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    home, learn, test = args.out / f"run-{args.steps}-{args.seed}", stack(LEARN, "learn"), stack(TEST, "test")
    user = {"training": {"steps": args.steps, "seed": args.seed}}
    recipe = propose([learn], [learn], task="axial", preset="cpu", user=user).recipe
    if not (home / "model").exists():
        train(recipe, [learn], [learn], home)
    assert recipe.source.prepare.scale is not None
    given, made = interpolated(test, recipe.source.prepare.scale), predicted(home, test)
    reference = across(test.read(Box.whole(test.header.shape))[0, 0], len(made))
    found = {"linear interpolation": ratios(given, reference), "c2GAN": ratios(made.astype(np.float64), reference)}
    views = [v[:, y].clip(0, 255).astype(np.uint8) for y in (80, 160, 240) for v in (given, made)]
    imsave(args.out / "views.png", np.concatenate(views).repeat(2, 0).repeat(2, 1), check_contrast=False)
    imsave(args.out / "xy.png", test.read(Box.whole(test.header.shape))[0, 0, 14], check_contrast=False)
    if args.json:
        print(json.dumps({"bands": BANDS, **found}))
        return
    print(f"{'cycles per pixel':24}" + "".join(f"{low:g}-{high:g}".rjust(12) for low, high in BANDS))
    for name, row in found.items():
        print(f"{name:24}" + "".join(f"{value:12.3f}" for value in row))


if __name__ == "__main__":
    main()

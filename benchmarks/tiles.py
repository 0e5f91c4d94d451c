"""Does the tile size change the picture? Tiles of 64, 128, 256 and 2048 against one whole-image pass.

    python benchmarks/tiles.py RUN IMAGE TRUTH --size 731 517 [--json]

Differences are those of the float32 network output in fractions of the target's range, before rounding to integers,
and of the rounded picture in grey values; PSNR is against the truth.
"""

from __future__ import annotations

import argparse
import json
from typing import Any

import numpy as np

from isoscope import inference
from isoscope.frames import Frames
from isoscope.intensity import encode
from isoscope.metrics import dtype_range, psnr
from isoscope.sources import open_all
from isoscope.volume import ArrayVolume, Box

TILES = (64, 128, 256, 2048)


def crop(path: str, size: tuple[int, int]) -> np.ndarray[Any, Any]:
    volume = open_all(path)[0]
    t, c, z, y, x = volume.header.shape
    return volume.read(Box((0, 0, 0, 0, 0), (t, c, z, min(size[0], y), min(size[1], x))))


def raw(predictor: inference.Predictor, image: np.ndarray[Any, Any], tile: int) -> np.ndarray[Any, Any]:
    """The network's grey values of the whole image, float32 [C, H, W], not rounded."""
    model, volume = predictor.model, ArrayVolume(image)
    plan = inference.plan(model, volume, tile=tile)
    frames = Frames(volume, "xy", model.recipe.source.grey)
    out = np.zeros(plan.header.shape, np.float32)
    for job in plan.jobs:
        out[job.box.slices] = inference.run(plan, job, model, frames)[None, :, None]
    return out[0, :, 0]


def bench(args: argparse.Namespace) -> dict[str, Any]:
    predictor = inference.load(args.run)
    image, truth = crop(args.image, args.size), crop(args.truth, args.size)[0, :, 0]
    dtype = truth.dtype
    low, high = dtype_range(dtype)
    whole = raw(predictor, image, 8192)
    rows = []
    for tile in (*TILES, 8192):
        values = raw(predictor, image, tile)
        rounded, reference = encode(values, dtype)[0].astype(float), encode(whole, dtype)[0].astype(float)
        rows.append({
            "tile": tile,
            "float_difference": float(np.abs(values - whole).max() / (high - low)),
            "rounded_difference": float(np.abs(rounded - reference).max()),
            "rounded_pixels": float((rounded != reference).mean()),
            "psnr": psnr(rounded, truth.astype(float), high - low),
        })  # fmt: skip
    return {"size": list(whole.shape[1:]), "halo": predictor.model.halo, "rows": rows}


def show(result: dict[str, Any]) -> None:
    print(f"{result['size'][0]} x {result['size'][1]} px, halo {result['halo']} px")
    print(f"{'tile':>6}{'max diff / range':>20}{'max diff, rounded':>20}{'pixels changed':>16}{'PSNR':>9}")
    for r in result["rows"]:
        name = "whole" if r["tile"] == 8192 else r["tile"]
        print(
            f"{name:>6}{r['float_difference']:20.1e}{r['rounded_difference']:20.0f}"
            f"{r['rounded_pixels']:16.1e}{r['psnr']:9.3f}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run")
    parser.add_argument("image")
    parser.add_argument("truth")
    parser.add_argument("--size", type=int, nargs=2, default=(731, 517))
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    result = bench(args)
    print(json.dumps(result)) if args.json else show(result)


if __name__ == "__main__":
    main()

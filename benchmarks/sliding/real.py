"""A slide of another laboratory: trained on six patients of MoNuSeg, streamed whole, held against its own colours."""

from __future__ import annotations

import argparse
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from seams import checkerboard, seams, stepped

from isoscope import inference
from isoscope.baselines import luminance_table
from isoscope.evaluation import evaluate
from isoscope.metrics import chroma_rmse, psnr
from isoscope.sources import open_all
from isoscope.volume import ArrayVolume, Box, Header, Volume
from sliding.judging import judged
from sliding.processes import isoscope, remembered

DATA = Path(os.environ.get("ISOSCOPE_TEST_DATA", "../shared/data")).resolve()
SLIDE = DATA / "he_wsi_svs" / "tcga-cr-7395-01a-01-ts1.svs"
MEASURES = ("psnr", "ssim", "chroma_rmse")
_STAINED = 20
"""Grey values between the highest and the lowest channel from which on a pixel of the truth counts as tissue."""
_WHOLE = 8192
"""Side of a tile that holds the slide at once."""


def sides(args: argparse.Namespace) -> tuple[Path, Path]:
    """Three patients to be read as grey and three in colour, both as coarse as the slide."""
    patients = sorted((DATA / "he_monuseg" / "dev_train").glob("*.tif"))
    made = []
    for name, paths in (("source", patients[:3]), ("target", patients[3:])):
        made.append(args.out / f"{name}-{args.coarser}")
        if not made[-1].exists():
            how = ["--to", ".ome.tif", "--downsample", args.coarser, "--levels", 1, "--quiet"]
            isoscope("convert", *paths, made[-1], *how, facts=args.out / "convert.json")
    return made[0], made[1]


def grey_slide(args: argparse.Namespace) -> Path:
    """The slide's luminance, made by the reader of its format."""
    grey: Path = args.out / "grey.ome.zarr"
    if not grey.exists():
        isoscope("convert", SLIDE, grey, "--grey", "--quiet", facts=args.out / "convert.json")
    return grey


def trained(args: argparse.Namespace) -> Path:
    """The run: begun, gone on with, or there already."""
    source, target = sides(args)
    run: Path = args.out / f"run-{args.coarser}-{args.steps}-{args.seed}"
    ran = Path(f"{run}.ran.json")
    if not (ran.exists() and remembered(ran).done):
        new = ["--task", "coloration", "--preset", "cpu", "--steps", args.steps, "--seed", args.seed]
        words = ["--resume"] if (run / "recipe.yaml").exists() else new
        both = ["--source", source, "--target", target, "--out", run]
        remembered(ran, isoscope("train", *both, *words, "--quiet", facts=args.out / "train.json"))
    return run


def predicted(run: Path, grey: Path, suffix: str) -> tuple[Path, dict[str, Any]]:
    """The slide in colour, and what making it needed."""
    made = run.parent / f"{run.name}{suffix}"
    ran = Path(f"{made}.ran.json")
    if not made.exists() or not ran.exists():
        words = ["--out", made, "--overwrite", "--quiet"]
        remembered(ran, isoscope("predict", run, grey, *words, facts=run.parent / "predict.json"))
    return made, asdict(remembered(ran))


def pixels(volume: Volume) -> NDArray[Any]:
    """[C, H, W]."""
    return volume.read(Box.whole(volume.header.shape))[0, :, 0]


def _coloured(volume: Volume) -> Volume:
    """A grey picture as RGB of equal channels."""
    values = np.repeat(pixels(volume), 3, 0)[None, :, None]
    return ArrayVolume(values, "TCZYX", Header("grey", values.shape, values.dtype, "YXC", rgb=True))


def scored(volume: Volume, truth: Volume) -> dict[str, float]:
    """Of the whole slide, and of its tissue alone."""
    mean = evaluate([volume], [truth])["mean"]["prediction"]
    made, real = pixels(volume), pixels(truth)
    tissue = np.ptp(real.astype(np.int16), axis=0) > _STAINED
    return {m: float(mean[m]) for m in MEASURES} | {
        "tissue": float(tissue.mean()),
        "tissue psnr": psnr(made[:, tissue], real[:, tissue], 255),
        "tissue chroma_rmse": chroma_rmse(made[:, tissue], real[:, tissue]),
    }


def _visible(image: NDArray[Any], core: int) -> dict[str, Any]:
    return seams(image, core) | checkerboard(image)


def _differing(run: Path, input_: Volume, made: NDArray[Any]) -> dict[str, Any]:
    """Against one pass over the whole slide: how many values differ, and by how much at most."""
    predictor = inference.load(run)
    whole = predictor.predict(pixels(input_)[0], "YX", tile=_WHOLE)
    difference = np.abs(whole.astype(np.int16) - made)
    return {"values": made.size, "differ": int((difference > 0).sum()), "most": int(difference.max())}


def measured(args: argparse.Namespace) -> dict[str, Any]:
    """Scores, seams, memory, and what others read."""
    run, grey = trained(args), grey_slide(args)
    (store, needed), (tiff, needed_tiff) = (predicted(run, grey, suffix) for suffix in (".ome.zarr", ".ome.tif"))
    truth, input_, made = (open_all(str(path))[0] for path in (SLIDE, grey, store))
    grid = inference.plan(inference.load(run).model, input_).grid
    (table,) = luminance_table([input_], open_all(str(sides(args)[1])))
    images = {"grey": _coloured(input_), "luminance table": table, "c2GAN": made}
    values = pixels(made)
    shown = {"c2GAN": values, "truth": pixels(truth), "c2GAN, every other tile + 1": stepped(values, grid.core)}
    return {
        "size": list(truth.header.shape[3:]), "core": grid.core, "halo": grid.halo,
        "training": asdict(remembered(Path(f"{run}.ran.json"))),
        "prediction": {".ome.zarr": needed, ".ome.tif": needed_tiff},
        "scores": {name: scored(image, truth) for name, image in images.items()},
        "seams": {name: _visible(image, grid.core) for name, image in shown.items()},
        "tiled against whole": _differing(run, input_, values),
        "others": judged(store, tiff, values),
    }  # fmt: skip

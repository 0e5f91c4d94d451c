"""Virtual staining: autofluorescence to the look of H&E, beside the published method's own picture and a table.

    python benchmarks/staining.py [--steps 700] [--seed 0] [--across rows] [--out DIR] [--json]

One core of tissue (AF_8 of UTOM, Li et al. 2021): its autofluorescence, the H&E that the published method made of it,
and the stained section next to it, which is no truth: other cells, torn and moved otherwise. So nothing here is
measured against a truth; there is none. Ours learns from one half of the autofluorescence and the other half of the
stained section (`rows`: above and below, both with glands and follicle; `columns`: left and right, glands on one side
and the follicle on the other), and is judged on the half whose autofluorescence it has not seen. The published network
was trained on other, larger data. The table gives every rank of brightness the mean colour of that rank of darkness.

How far content stayed: D1, the rank correlation of both saliency maps, and the IoU and kappa (D2) of both masks, by
the thresholds that training found. Whether tiles and strides show: benchmarks/seams.py. Pictures, and the worst
squares, are written to --out. Images lie in $ISOSCOPE_TEST_DATA (default ../shared/data); what is done is kept.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from seams import checkerboard, seams, stepped
from skimage.io import imread, imsave

from isoscope.domain import Domain
from isoscope.frames import REC601
from isoscope.inference import Predictor, load
from isoscope.intensity import Intensity
from isoscope.metrics import iou
from isoscope.proposal import propose
from isoscope.saliency import hard_mask, smooth
from isoscope.training import train
from isoscope.volume import ArrayVolume, Header
from isoscope.watching.diagnostics import agreement

DATA = Path(os.environ.get("ISOSCOPE_TEST_DATA", "../shared/data")) / "utom_af2he"
GUARD, TILE, SQUARE = 16, 128, 125
Array = NDArray[Any]


def read(name: str) -> Array:
    """[C, H, W]."""
    image = imread(DATA / f"{name}.png")
    return image[None] if image.ndim == 2 else np.moveaxis(image, 2, 0)


def halves(image: Array, across: str) -> tuple[Array, Array]:
    """Above and below, or left and right, and nothing of what lies between."""
    axis = 1 if across == "rows" else 2
    middle = image.shape[axis] // 2
    first, second = np.split(image, [middle], axis)
    return first.take(range(middle - GUARD), axis), second.take(range(GUARD, second.shape[axis]), axis)


def volume(image: Array, name: str) -> ArrayVolume:
    header = Header(name, ArrayVolume(image, "CYX").header.shape, image.dtype, "CYX", rgb=len(image) == 3)
    return ArrayVolume(image, "CYX", header)


def learned(args: argparse.Namespace) -> Predictor:
    """c2GAN from half of the autofluorescence and the other half of the stained section."""
    home: Path = args.out / f"{args.across}-{args.steps}-{args.seed}"
    if not (home / "model").exists():
        source = [volume(halves(read("AF_8"), args.across)[0], "autofluorescence")]
        target = [volume(halves(read("AF_8_HE_ref"), args.across)[1], "stained")]
        user: dict[str, Any] = {
            "source": {"polarity": "bright"}, "target": {"polarity": "dark"},
            "training": {"steps": args.steps, "seed": args.seed},
        }  # fmt: skip
        recipe = propose(source, target, task="custom", preset="cpu", user=user).recipe
        train(recipe, source, target, home, resume=(home / "recipe.yaml").exists())
    return load(home)


def table(given: Array, source: Array, target: Array) -> Array:
    """The mean colour of the target at the same rank of darkness as the pixel has of brightness in its set."""
    dark = np.tensordot(REC601, target.astype(np.float64), 1).ravel()
    order = np.argsort(dark)[::-1]
    colours = np.stack([part.mean(1) for part in np.array_split(target.reshape(3, -1)[:, order], 256, axis=1)], 1)
    edges = np.quantile(source, np.linspace(0, 1, 257)[1:-1])
    return np.rint(colours[:, np.searchsorted(edges, given[0])]).astype(np.uint8)


def _ready(image: Array, domain: Domain) -> torch.Tensor:
    return Intensity(domain.limits).normalise(torch.from_numpy(image.astype(np.float32))[None])


def _squares(image: torch.Tensor) -> torch.Tensor:
    """Cut into squares, [N, C, h, w]; what is left at the edges is not looked at."""
    c = image.shape[1]
    cut = image.unfold(2, SQUARE, SQUARE).unfold(3, SQUARE, SQUARE)
    return cut.permute(0, 2, 3, 1, 4, 5).reshape(-1, c, SQUARE, SQUARE)


def content(given: Array, made: Array, inputs: Domain, outputs: Domain) -> dict[str, float]:
    """D1, D2 and the IoU of masks; D1 is the median over squares, of which `worst` is the least."""
    x, y = (_squares(_ready(image, domain)) for image, domain in ((given, inputs), (made, outputs)))
    found = agreement(x, y, inputs, outputs)
    ranks = [agreement(a[None], b[None], inputs, outputs).rank for a, b in zip(x, y, strict=True)]
    masks = [hard_mask(smooth(i, 2.0), d).numpy() for i, d in ((x, inputs), (y, outputs))]
    return {"D1": found.rank, "worst": min(ranks), "kappa": found.kappa, "IoU": iou(masks[1], masks[0])}


def worst_places(given: Array, made: Array, inputs: Domain, outputs: Domain, count: int = 4) -> list[tuple[int, int]]:
    """The squares with the lowest D1 among those that hold tissue."""
    x, y = (_squares(_ready(image, domain)) for image, domain in ((given, inputs), (made, outputs)))
    full = hard_mask(x, inputs).float().mean((1, 2, 3)) > 0.2
    ranks = [
        agreement(a[None], b[None], inputs, outputs).rank if f else 1.0 for a, b, f in zip(x, y, full, strict=True)
    ]
    across = given.shape[2] // SQUARE
    return [(int(n) // across * SQUARE, int(n) % across * SQUARE) for n in np.argsort(ranks)[:count]]


def drawn(path: Path, images: list[Array], places: list[tuple[int, int]] | None = None) -> None:
    """Pictures side by side, or a row of them for each square, twice as large."""
    grey = [np.repeat(_shown(i), 3, 0) if len(i) == 1 else i for i in images]
    rows = [np.concatenate(grey, 2)]
    if places is not None:
        cut = [[i[:, y : y + SQUARE, x : x + SQUARE] for i in grey] for y, x in places]
        rows = [np.concatenate(row, 2).repeat(2, 1).repeat(2, 2) for row in cut]
    imsave(path, np.moveaxis(np.concatenate(rows, 1), 0, 2), check_contrast=False)


def _shown(image: Array) -> Array:
    return np.clip(image / np.percentile(image, 99.8) * 255, 0, 255).astype(np.uint8)


def measured(args: argparse.Namespace) -> dict[str, Any]:
    predictor = learned(args)
    inputs, outputs = predictor.model.inputs, predictor.model.outputs
    (seen, given), stained = halves(read("AF_8"), args.across), halves(read("AF_8_HE_ref"), args.across)
    published = halves(read("AF_8_HE_pre"), args.across)[1]
    ours = predictor.predict(given, "CYX", tile=TILE)
    images = {"table": table(given, seen, stained[1]), "c2GAN, ours": ours, "UTOM, published": published}
    rows = {n: content(given, i, inputs, outputs) | seams(i, TILE) | checkerboard(i) for n, i in images.items()}
    for name, other in (("stained section", stained[1]), ("ours, every other tile + 1", stepped(ours, TILE))):
        rows[name] = seams(other, TILE) | checkerboard(other)
    stem = f"{args.across}-{args.steps}-{args.seed}"
    beside = [given, *images.values(), stained[1]]
    drawn(args.out / f"{stem}.png", beside)
    drawn(args.out / f"{stem}-worst.png", beside, worst_places(given, ours, inputs, outputs))
    return {"rows": rows, "whole": int((ours != predictor.predict(given, "CYX", tile=4096)).sum()), "values": ours.size}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=700)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--across", choices=("rows", "columns"), default="rows")
    parser.add_argument(
        "--out", type=Path, default=Path("/tmp/isoscope-staining"), help="runs and pictures are kept there"
    )
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    found = measured(args)
    if args.json:
        print(json.dumps(found))
        return
    columns = ("D1", "worst", "IoU", "kappa", "z", "worst border", "period 2", "period 4")
    print(f"{'':28}" + "".join(f"{c:>13}" for c in columns))
    for name, row in found["rows"].items():
        print(f"{name:28}" + "".join(f"{row.get(c, float('nan')):13.2f}" for c in columns))
    print(f"values that differ from one pass over the whole: {found['whole']} of {found['values']}")


if __name__ == "__main__":
    main()

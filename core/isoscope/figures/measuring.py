"""Scores of what a figure shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isoscope.evaluation import evaluate
from isoscope.figures.aligned import Image
from isoscope.figures.display import shares
from isoscope.figures.regions import Region
from isoscope.metrics import dtype_range
from isoscope.volume import ArrayVolume

__all__ = ["MEASURES", "measures"]

Floats = NDArray[np.float64]

MEASURES = ("psnr", "ssim", "nrmse", "pearson")


def measures(
    images: Mapping[str, Image], parts: Sequence[tuple[Region | None, Mapping[str, Floats]]]
) -> list[dict[str, Any]]:
    """PSNR (dB), SSIM, NRMSE and Pearson of the prediction, and of an input of its kind, per part; none without truth.

    Args:
        images: by role.
        parts: regions, or none for the whole plane, with the values of every image there.

    Returns:
        For each part `region` (its number from 1, 0 for the plane), `data_range` and the scores by role.
    """
    if "truth" not in images:
        return []
    first = 0 if parts and parts[0][0] is None else 1
    span = dtype_range(images["truth"].header.dtype) or _span([values["truth"] for _, values in parts])
    return [
        {"region": n, "data_range": list(span), **_scores(images, v, span)} for n, (_, v) in enumerate(parts, first)
    ]


def _span(truths: Sequence[Floats]) -> tuple[float, float]:
    low, high = min(float(t.min()) for t in truths), max(float(t.max()) for t in truths)
    return low, high if high > low else low + 1.0


def _scores(images: Mapping[str, Image], values: Mapping[str, Floats], span: tuple[float, float]) -> dict[str, Any]:
    alike = shares(images["input"].header, images["prediction"].header)
    volumes = {role: _volume(images[role], picture) for role, picture in values.items()}
    before = [volumes["input"]] if alike else None
    found = evaluate([volumes["prediction"]], [volumes["truth"]], before, data_range=span)["images"][0]
    roles = {"prediction": "prediction", "baseline": "input"}
    return {roles[side]: {m: found[side][m] for m in MEASURES} for side in found if side in roles}


def _volume(image: Image, picture: Floats) -> ArrayVolume:
    array = picture[None, :, None]
    t, c, z, y, x = array.shape
    return ArrayVolume(array, header=replace(image.header, shape=(t, c, z, y, x), dtype=array.dtype))

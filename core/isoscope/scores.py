"""Every score of one image against its truth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from isoscope import metrics
from isoscope.errors import DataError
from isoscope.matching import matched_objects
from isoscope.resolution import frc_resolution, resolved_pairs
from isoscope.spectra import power_ratios
from isoscope.volume import Box, Volume

__all__ = ["Scale", "Scores", "read_finite", "score"]

Scores: TypeAlias = dict[str, Any]
Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Scale:
    """What all images of a set are measured with: grey values `low` to `high`, the zero of SSIM, the norm of NRMSE."""

    low: float
    high: float
    black: float
    norm: str
    labels: bool
    resolution: bool = False

    @property
    def span(self) -> float:
        """Width of the data range."""
        return self.high - self.low


def read_finite(volume: Volume) -> Array:
    """All pixels of a volume, none of them NaN or infinite."""
    values = volume.read(Box.whole(volume.header.shape))
    if not np.isfinite(values).all():
        raise DataError(f"{volume.header.name} holds NaN or infinite grey values; replace them before evaluating")
    return values


def score(prediction: Volume, truth: Volume, baseline: Volume | None, scale: Scale) -> Scores:
    """The scores of a prediction, and of its baseline if there is one."""
    expected, rgb = read_finite(truth), truth.header.rgb
    image: Scores = {
        "name": prediction.header.name,
        "prediction": _scores(read_finite(prediction), expected, scale, rgb),
    }
    if baseline is not None:
        image["baseline"] = _scores(np.broadcast_to(read_finite(baseline), expected.shape), expected, scale, rgb)
    if scale.resolution:
        _in_units(image, truth)
    return image


def _in_units(image: Scores, truth: Volume) -> None:
    """Adds resolution as a length, where pixels are square and their size is known."""
    size = truth.header.pixel_size
    length = size[2] if size and np.isclose(size[1], size[2]) else float("nan")
    for side in (image[name] for name in ("prediction", "baseline") if name in image):
        for scores in (side, *side["channels"]):
            scores["frc"] = scores["frc_pixels"] * length


def _scores(image: Array, truth: Array, scale: Scale, rgb: bool) -> Scores:
    each = [[c] for c in range(truth.shape[1])]
    fitted = np.concatenate([_fitted(image[:, c], truth[:, c]) for c in each], axis=1)
    similar = [_similarities(image[:, c], fitted[:, c], truth[:, c], scale) for c in each]
    # Each channel has as many planes as the next, so the mean over channels is the mean over all planes.
    whole = tuple(sum(values) / len(each) for values in zip(*similar, strict=True))
    scores = _measures(image, fitted, truth, whole, scale)
    if rgb and len(each) == 3:
        scores["chroma_rmse"] = metrics.chroma_rmse(image.swapaxes(0, 1), truth.swapaxes(0, 1))
    scores["channels"] = [
        _measures(image[:, c], fitted[:, c], truth[:, c], pair, scale) for c, pair in zip(each, similar, strict=True)
    ]
    return scores


def _fitted(image: Array, truth: Array) -> Array:
    slope, offset = metrics.affine_fit(image, truth)
    return slope * image.astype(np.float64) + offset


def _similarities(image: Array, fitted: Array, truth: Array, scale: Scale) -> tuple[float, ...]:
    """As they are, after the fit, and of the foreground."""
    raw, affine = (metrics.ssim(i, truth, scale.span, black=scale.black) for i in (image, fitted))
    if scale.labels:
        return raw, affine
    return raw, affine, metrics.ssim_foreground(image, truth, scale.span, black=scale.black)


def _measures(image: Array, fitted: Array, truth: Array, similar: tuple[float, ...], scale: Scale) -> Scores:
    scores: Scores = {
        "psnr": metrics.psnr(image, truth, scale.span),
        "ssim": similar[0],
        "nrmse": metrics.nrmse(image, truth, scale.norm),
        "pearson": metrics.pearson(image, truth),
        "psnr_affine": metrics.psnr(fitted, truth, scale.span),
        "ssim_affine": similar[1],
    }
    if scale.labels:
        return scores | _overlap(image, truth)
    lowest, highest = _power(fitted, truth)
    if scale.resolution:
        scores |= _detail(image, truth)
    return scores | {"ssim_foreground": similar[2], "power_low": lowest, "power_high": highest}


def _detail(image: Array, truth: Array) -> Scores:
    """Resolution by ring correlation, the mean over planes that have one, and pairs of peaks over all planes."""
    planes = list(zip(*(i.reshape(-1, *i.shape[-2:]) for i in (image, truth)), strict=True))
    periods = [period for pair in planes if np.isfinite(period := frc_resolution(*pair))]
    resolved, pairs = (sum(counts) for counts in zip(*(resolved_pairs(*pair) for pair in planes), strict=True))
    return {
        "frc_pixels": float(np.mean(periods)) if periods else float("nan"),
        "resolved_pairs": resolved / pairs if pairs else float("nan"),
        "pairs": pairs,
    }


def _power(fitted: Array, truth: Array) -> tuple[float, float]:
    """The smallest and the largest ratio of power over the spatial frequencies up to half of Nyquist."""
    ratios = power_ratios(fitted, truth)
    known = ratios[np.isfinite(ratios)]
    return (float(known.min()), float(known.max())) if known.size else (float("nan"), float("nan"))


def _overlap(image: Array, truth: Array) -> Scores:
    stacks = [(image[t, c], truth[t, c]) for t in range(truth.shape[0]) for c in range(truth.shape[1])]
    counts = [matched_objects(*pair) for pair in stacks]
    matched, found, real = (sum(column) for column in zip(*counts, strict=True))
    return {
        "dice": metrics.dice(image, truth),
        "iou": metrics.iou(image, truth),
        "object_f1": 2 * matched / (found + real) if found + real else float("nan"),
        "object_count_error": sum(abs(f - r) for _, f, r in counts),
        "objects": real,
    }

"""Score predictions against truths and, if given, the untreated inputs as a baseline: one JSON-ready document.

Every number that JSON cannot hold is null: the PSNR of equal images (infinite), the structural similarity of planes
smaller than its window, the correlation with a constant image. Means leave nulls out and `n` says how many images
remained.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeAlias, cast

import numpy as np

from isoscope import metrics
from isoscope.errors import DataError, nearest
from isoscope.scores import Scale, Scores, read_finite, score
from isoscope.volume import Header, Volume

__all__ = ["Report", "evaluate"]

Report: TypeAlias = dict[str, Any]
_WORST = 3


def evaluate(
    predictions: Sequence[Volume],
    truths: Sequence[Volume],
    baselines: Sequence[Volume] | None = None,
    *,
    data_range: tuple[float, float] | None = None,
    norm: str = "range",
    labels: bool = False,
    resolution: bool = False,
    progress: Callable[[str], None] | None = None,
) -> Report:
    """Compare predictions, and baselines if any, with truths, paired by position.

    Per image, over all pixels: `psnr` (dB), `nrmse`, `pearson`; `ssim` per plane, then averaged, and
    `ssim_foreground`, the same over the truth's foreground by Otsu's threshold per channel; `psnr_affine` and
    `ssim_affine` after one fit of slope > 0 and offset per channel; `power_low` and `power_high`, after that fit, the
    smallest and largest ratio of radial power to the truth's over spatial frequencies up to half of Nyquist (below 1:
    too smooth, above: noise or invention); `channels`, the same for each channel. RGB truths add `chroma_rmse` (grey
    values); labels have `dice`, `iou` (of foreground), `object_f1` (matched at IoU 0.5), `object_count_error` and the
    truth's `objects` (counts summed over t and channels) in place of the powers.
    `mean`, `sd` (n - 1 in the denominator) and `n` are over images. `worst` names the three images with the least
    object F1 of labels, else Pearson. A grey baseline is compared with each colour of an
    RGB truth. `black`, the zero of SSIM, is 0, or where the given data range, or else the truths, begin below it.

    Args:
        predictions: what is scored.
        truths: what it should be, of the same shapes.
        baselines: what was there before, usually the input.
        data_range: lowest and highest grey value; by default of the truths' integer type, for floats of all truths.
        norm: divisor of `nrmse`: range, mean or euclidean, of each truth.
        labels: the images are masks or label maps.
        resolution: adds `frc_pixels`, the period at which the Fourier ring correlation with the truth falls below 1/7,
            the mean over planes; `frc`, the same in the truth's unit, null where its pixels have no size along y and x
            or unequal ones; `pairs` and `resolved_pairs`: of neighbouring peaks that are two in the truth, and which
            part of them is two here (`isoscope.resolution`).
        progress: called with the name of each image once it is scored.

    Raises:
        DataError: if the volumes cannot be paired, hold NaN or infinities, or leave the data range open.
    """
    if norm not in metrics.NORMS:
        raise DataError(f"no norm of the error is called {norm!r}; {nearest(norm, metrics.NORMS)}")
    _check_truths(truths)
    _check_pairs(predictions, truths, "predictions")
    if baselines is not None:
        _check_pairs(baselines, truths, "baselines")
    scale = replace(_scale(truths, data_range, norm, labels), resolution=resolution and not labels)
    images: list[Scores] = []
    others: Sequence[Volume | None] = [None] * len(truths) if baselines is None else baselines
    for prediction, truth, baseline in zip(predictions, truths, others, strict=True):
        images.append(score(prediction, truth, baseline, scale))
        if progress is not None:
            progress(prediction.header.name)
    return _document(images, scale)


def _document(images: list[Scores], scale: Scale) -> Report:
    document = {"data_range": [scale.low, scale.high], "nrmse_norm": scale.norm, "black": scale.black, "images": images}
    sides = [side for side in ("prediction", "baseline") if side in images[0]]
    for name, statistic in _STATISTICS.items():
        document[name] = {side: _summary([image[side] for image in images], statistic) for side in sides}
    document["worst"] = _worst(images, "object_f1" if scale.labels else "pearson")
    return cast("Report", _jsonable(document))


def _worst(images: list[Scores], measure: str) -> Scores:
    """The images whose predictions are furthest from the truth; what could not be computed is not known to be bad."""
    known = [image for image in images if math.isfinite(image["prediction"][measure])]
    found = sorted(known, key=lambda image: float(image["prediction"][measure]))[:_WORST]
    return {"measure": measure, "images": [image["name"] for image in found]}


def _check_truths(truths: Sequence[Volume]) -> None:
    if not truths:
        raise DataError("got no truths; expected at least one image")
    first = truths[0].header
    for other in (truth.header for truth in truths):
        if (other.shape[1], other.rgb) != (first.shape[1], first.rgb):
            raise DataError(f"{first.name} and {other.name} differ in channels or colour; evaluate them separately")


def _check_pairs(volumes: Sequence[Volume], truths: Sequence[Volume], what: str) -> None:
    if len(volumes) != len(truths):
        raise DataError(f"got {len(volumes)} {what} for {len(truths)} truths; expected one for each")
    for got, expected in ((v.header, t.header) for v, t in zip(volumes, truths, strict=True)):
        if got.shape != expected.shape and not (what == "baselines" and _is_grey_of(got, expected)):
            raise DataError(
                f"{got.name} has shape {got.shape} (TCZYX), expected {expected.shape} as of its truth {expected.name}; "
                f"give {what} of the truths' shapes, in the same order"
            )


def _is_grey_of(grey: Header, colour: Header) -> bool:
    t, _, z, y, x = grey.shape
    return grey.shape[1] == 1 and colour.shape == (t, 3, z, y, x)


def _scale(truths: Sequence[Volume], data_range: tuple[float, float] | None, norm: str, labels: bool) -> Scale:
    low, high, darkest = _own_scale(truths) if data_range is None else (*data_range, data_range[0])
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise DataError(f"got the data range {low:g} to {high:g}; expected low < high: say which range to use")
    return Scale(float(low), float(high), min(0.0, float(darkest)), norm, labels)


def _own_scale(truths: Sequence[Volume]) -> tuple[float, float, float]:
    dtypes = {np.dtype(truth.header.dtype) for truth in truths}
    if len(dtypes) > 1:
        raise DataError(f"the truths mix {' and '.join(sorted(map(str, dtypes)))}; say which data range to use")
    known = metrics.dtype_range(dtypes.pop())
    if known and known[0] == 0:
        return *known, 0.0
    ends = [(float(values.min()), float(values.max())) for values in map(read_finite, truths)]
    darkest, brightest = min(low for low, _ in ends), max(high for _, high in ends)
    # The range of a signed type starts far below any signal; black is where these images start.
    return *(known or (darkest, brightest)), darkest


_STATISTICS: dict[str, Callable[[list[float]], float]] = {
    "mean": lambda values: float(np.mean(values)) if values else math.nan,
    "sd": lambda values: float(np.std(values, ddof=1)) if len(values) > 1 else math.nan,
    "n": len,
}


def _summary(scores: Sequence[Scores], statistic: Callable[[list[float]], float]) -> Scores:
    keys = [key for key in scores[0] if key != "channels"]
    whole: Scores = {key: statistic([s[key] for s in scores if math.isfinite(s[key])]) for key in keys}
    channels = zip(*(s.get("channels", []) for s in scores), strict=True)
    parts = [_summary(channel, statistic) for channel in channels]
    return whole | ({"channels": parts} if parts else {})


def _jsonable(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _jsonable(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_jsonable(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value

"""Score predictions against truths and, if given, the untreated inputs as a baseline: one JSON-ready document.

Every number that JSON cannot hold is null: the PSNR of equal images (infinite), the structural similarity of planes
smaller than its window, the correlation with a constant image. Means leave nulls out and `n` says how many images
remained.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from isoscope import metrics
from isoscope.errors import DataError, nearest
from isoscope.volume import Box, Header, Volume

__all__ = ["Report", "evaluate"]

Report: TypeAlias = dict[str, Any]
Scores: TypeAlias = dict[str, Any]
Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class _Scale:
    """What all images of a set are measured with: grey values `low` to `high`, the zero of SSIM, the norm of NRMSE."""

    low: float
    high: float
    black: float
    norm: str
    labels: bool

    @property
    def span(self) -> float:
        return self.high - self.low


def evaluate(
    predictions: Sequence[Volume],
    truths: Sequence[Volume],
    baselines: Sequence[Volume] | None = None,
    *,
    data_range: tuple[float, float] | None = None,
    norm: str = "range",
    labels: bool = False,
    progress: Callable[[str], None] | None = None,
) -> Report:
    """Compare predictions, and baselines if any, with truths, paired by position.

    Per image, over all pixels: `psnr` (dB), `nrmse`, `pearson`; `ssim` per plane, then averaged; `psnr_affine` and
    `ssim_affine` after one fit of slope > 0 and offset per channel; `channels`, the same for each channel. RGB truths
    add `chroma_rmse` (grey values); labels add `dice`, `iou` and `object_count_error` (summed over t and channels).
    `mean`, `sd` (n - 1 in the denominator) and `n` are over images. A grey baseline is compared with each colour of an
    RGB truth. `black`, the zero of SSIM, is 0, or where the given data range, or else the truths, begin below it.

    Args:
        predictions: what is scored.
        truths: what it should be, of the same shapes.
        baselines: what was there before, usually the input.
        data_range: lowest and highest grey value; by default of the truths' integer type, for floats of all truths.
        norm: divisor of `nrmse`: range, mean or euclidean, of each truth.
        labels: the images are masks or label maps.
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
    scale = _scale(truths, data_range, norm, labels)
    images: list[Scores] = []
    others: Sequence[Volume | None] = [None] * len(truths) if baselines is None else baselines
    for prediction, truth, baseline in zip(predictions, truths, others, strict=True):
        images.append(_image(prediction, truth, baseline, scale))
        if progress is not None:
            progress(prediction.header.name)
    return _document(images, scale)


def _document(images: list[Scores], scale: _Scale) -> Report:
    document = {"data_range": [scale.low, scale.high], "nrmse_norm": scale.norm, "black": scale.black, "images": images}
    sides = [side for side in ("prediction", "baseline") if side in images[0]]
    for name, statistic in _STATISTICS.items():
        document[name] = {side: _summary([image[side] for image in images], statistic) for side in sides}
    return cast("Report", _jsonable(document))


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


def _read(volume: Volume) -> Array:
    values = volume.read(Box.whole(volume.header.shape))
    if not np.isfinite(values).all():
        raise DataError(f"{volume.header.name} holds NaN or infinite grey values; replace them before evaluating")
    return values


def _scale(truths: Sequence[Volume], data_range: tuple[float, float] | None, norm: str, labels: bool) -> _Scale:
    low, high, darkest = _own_scale(truths) if data_range is None else (*data_range, data_range[0])
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise DataError(f"got the data range {low:g} to {high:g}; expected low < high: say which range to use")
    return _Scale(float(low), float(high), min(0.0, float(darkest)), norm, labels)


def _own_scale(truths: Sequence[Volume]) -> tuple[float, float, float]:
    dtypes = {np.dtype(truth.header.dtype) for truth in truths}
    if len(dtypes) > 1:
        raise DataError(f"the truths mix {' and '.join(sorted(map(str, dtypes)))}; say which data range to use")
    known = metrics.dtype_range(dtypes.pop())
    if known and known[0] == 0:
        return *known, 0.0
    ends = [(float(values.min()), float(values.max())) for values in map(_read, truths)]
    darkest, brightest = min(low for low, _ in ends), max(high for _, high in ends)
    # The range of a signed type starts far below any signal; black is where these images start.
    return *(known or (darkest, brightest)), darkest


def _image(prediction: Volume, truth: Volume, baseline: Volume | None, scale: _Scale) -> Scores:
    expected, rgb = _read(truth), truth.header.rgb
    image: Scores = {"name": prediction.header.name, "prediction": _scores(_read(prediction), expected, scale, rgb)}
    if baseline is not None:
        image["baseline"] = _scores(np.broadcast_to(_read(baseline), expected.shape), expected, scale, rgb)
    return image


def _scores(image: Array, truth: Array, scale: _Scale, rgb: bool) -> Scores:
    each = [[c] for c in range(truth.shape[1])]
    fitted = np.concatenate([_fitted(image[:, c], truth[:, c]) for c in each], axis=1)
    similar = [_similarities(image[:, c], fitted[:, c], truth[:, c], scale) for c in each]
    # Each channel has as many planes as the next, so the mean over channels is the mean over all planes.
    raw, affine = (sum(values) / len(each) for values in zip(*similar, strict=True))
    scores = _measures(image, fitted, truth, (raw, affine), scale)
    if rgb and len(each) == 3:
        scores["chroma_rmse"] = metrics.chroma_rmse(image.swapaxes(0, 1), truth.swapaxes(0, 1))
    scores["channels"] = [
        _measures(image[:, c], fitted[:, c], truth[:, c], pair, scale) for c, pair in zip(each, similar, strict=True)
    ]
    return scores


def _fitted(image: Array, truth: Array) -> Array:
    slope, offset = metrics.affine_fit(image, truth)
    return slope * image.astype(np.float64) + offset


def _similarities(image: Array, fitted: Array, truth: Array, scale: _Scale) -> tuple[float, float]:
    raw, affine = (metrics.ssim(i, truth, scale.span, black=scale.black) for i in (image, fitted))
    return raw, affine


def _measures(image: Array, fitted: Array, truth: Array, similar: tuple[float, float], scale: _Scale) -> Scores:
    scores: Scores = {
        "psnr": metrics.psnr(image, truth, scale.span),
        "ssim": similar[0],
        "nrmse": metrics.nrmse(image, truth, scale.norm),
        "pearson": metrics.pearson(image, truth),
        "psnr_affine": metrics.psnr(fitted, truth, scale.span),
        "ssim_affine": similar[1],
    }
    return scores | (_overlap(image, truth) if scale.labels else {})


def _overlap(image: Array, truth: Array) -> Scores:
    stacks = [(image[t, c], truth[t, c]) for t in range(truth.shape[0]) for c in range(truth.shape[1])]
    wrong = sum(metrics.object_count_error(*pair) for pair in stacks)
    return {"dice": metrics.dice(image, truth), "iou": metrics.iou(image, truth), "object_count_error": wrong}


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

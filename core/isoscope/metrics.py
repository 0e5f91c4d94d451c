"""How far a prediction is from the truth: pure functions on numpy arrays of grey values.

All of them compute in float64 on the grey values as they are stored, never on a normalised scale: structural
similarity depends on where black lies, and the same image that scores 0.9 on [0, 255] scores far less on [-1, 1].
What has no value for the images given (the correlation with a constant, say) is NaN; the PSNR of equal images is inf.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isoscope.errors import DataError, nearest

__all__ = [
    "NORMS", "WINDOW", "affine_fit", "chroma_rmse", "connected", "count_objects", "dice", "dtype_range", "iou", "nrmse",
    "object_count_error", "pearson", "psnr", "ssim", "ssim_foreground",
]  # fmt: skip

Array = NDArray[Any]
Floats = NDArray[np.float64]

WINDOW = 11
"""Side in pixels of the window of `ssim`; a plane must be at least as large."""

_WANG_2004 = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "K1": 0.01, "K2": 0.03}

NORMS: dict[str, Callable[[Floats], float]] = {
    "range": lambda truth: float(np.ptp(truth)),
    "mean": lambda truth: float(truth.mean()),
    "euclidean": lambda truth: float(np.sqrt(np.mean(truth**2))),
}
"""What `nrmse` may divide by, each computed from the truth alone."""


def _pair(prediction: Array, truth: Array) -> tuple[Floats, Floats]:
    if prediction.shape != truth.shape or not truth.size:
        raise DataError(f"got a prediction of shape {prediction.shape}, expected the truth's {truth.shape}, not empty")
    return prediction.astype(np.float64), truth.astype(np.float64)


def _mse(prediction: Array, truth: Array) -> float:
    p, t = _pair(prediction, truth)
    return float(np.mean((p - t) ** 2))


def dtype_range(dtype: np.dtype[Any]) -> tuple[float, float] | None:
    """The smallest and largest grey value an integer type can hold; None for floats, which have no such range."""
    if dtype.kind == "b":
        return 0.0, 1.0
    if dtype.kind not in "iu":
        return None
    limits = np.iinfo(dtype)
    return float(limits.min), float(limits.max)


def psnr(prediction: Array, truth: Array, data_range: float) -> float:
    """Peak signal-to-noise ratio in decibels over all pixels, inf for equal images.

    `data_range` is the declared span of grey values, the same for all images of a set, not each image's own maximum.
    """
    error = _mse(prediction, truth)
    return float(10 * np.log10(data_range**2 / error)) if error else float("inf")


def ssim(prediction: Array, truth: Array, data_range: float, *, black: float = 0.0) -> float:
    """Structural similarity (Wang et al. 2004) of planes [..., H, W], averaged over the leading axes.

    Gaussian window of 11 x 11 pixels, sigma 1.5, K1 0.01, K2 0.03. `black` is the grey value that counts as zero.
    NaN if a plane is smaller than the window, which is never shrunk.
    """
    from skimage.metrics import structural_similarity

    p, t = _pair(prediction, truth)
    if t.ndim < 2 or min(t.shape[-2:]) < WINDOW:
        return float("nan")
    similarity: Callable[..., float] = partial(structural_similarity, data_range=data_range, **_WANG_2004)
    planes = zip(p.reshape(-1, *p.shape[-2:]) - black, t.reshape(-1, *t.shape[-2:]) - black, strict=True)
    return float(np.mean([similarity(*pair) for pair in planes]))


def ssim_foreground(prediction: Array, truth: Array, data_range: float, *, black: float = 0.0) -> float:
    """`ssim` averaged over the truth's foreground, its pixels above Otsu's threshold: a constant is right elsewhere.

    NaN if a plane is smaller than the window or the truth is constant.
    """
    from skimage.filters import threshold_otsu
    from skimage.metrics import structural_similarity

    p, t = _pair(prediction, truth)
    if t.ndim < 2 or min(t.shape[-2:]) < WINDOW or not np.ptp(t):
        return float("nan")
    similarity: Callable[..., tuple[float, Floats]] = partial(
        structural_similarity, data_range=data_range, full=True, **_WANG_2004
    )
    planes = zip(p.reshape(-1, *p.shape[-2:]) - black, t.reshape(-1, *t.shape[-2:]) - black, strict=True)
    maps = np.stack([similarity(*pair)[1] for pair in planes]).reshape(t.shape)
    return float(maps[t > threshold_otsu(t)].mean())  # type: ignore[no-untyped-call]


def nrmse(prediction: Array, truth: Array, norm: str = "range") -> float:
    """Root mean squared error over all pixels divided by the truth's range, mean or root mean square ("euclidean").

    NaN where that divisor is not positive.

    Raises:
        DataError: for any other norm.
    """
    if norm not in NORMS:
        raise DataError(f"no norm of the error is called {norm!r}; {nearest(norm, NORMS)}")
    divisor = NORMS[norm](truth.astype(np.float64))
    error = float(np.sqrt(_mse(prediction, truth)))
    return error / divisor if divisor > 0 else float("nan")


def pearson(prediction: Array, truth: Array) -> float:
    """Correlation of grey values over all pixels, in [-1, 1]; NaN if either image is constant."""
    p, t = _pair(prediction, truth)
    # Asked of the values themselves: the rounding of a mean leaves a constant image a tiny variance of pure noise.
    if not np.ptp(p) or not np.ptp(t):
        return float("nan")
    p, t = (p - p.mean()) / np.ptp(p), (t - t.mean()) / np.ptp(t)
    return float(np.clip(np.sum(p * t) / np.sqrt(np.sum(p**2) * np.sum(t**2)), -1, 1))


def affine_fit(prediction: Array, truth: Array) -> tuple[float, float]:
    """The slope > 0 and offset that bring a prediction closest to the truth in the least-squares sense.

    A free slope would silently repair an inverted contrast. Where it would be negative, the best that is left is the
    truth's mean everywhere: the slope is then the smallest positive number. A constant prediction keeps slope 1.
    """
    p, t = _pair(prediction, truth)
    mean_p, mean_t = float(p.mean()), float(t.mean())
    if not np.ptp(p):
        return 1.0, mean_t - mean_p
    covariance, variance = float(np.mean((p - mean_p) * (t - mean_t))), float(np.mean((p - mean_p) ** 2))
    slope = max(covariance / variance, float(np.finfo(np.float64).tiny))
    return slope, mean_t - slope * mean_p


def chroma_rmse(prediction: Array, truth: Array) -> float:
    """Error of the colour alone of RGB images [3, ...], in grey values.

    Root mean square over pixels and channels of the difference between RGB minus the mean of its three channels.

    Raises:
        DataError: unless both images have three channels.
    """
    p, t = _pair(prediction, truth)
    if t.shape[0] != 3:
        raise DataError(f"got {t.shape[0]} channels, expected the 3 of an RGB image")
    return float(np.sqrt(np.mean(((p - p.mean(axis=0)) - (t - t.mean(axis=0))) ** 2)))


def dice(prediction: Array, truth: Array) -> float:
    """Twice the common foreground over the sum of both, in [0, 1]; foreground is > 0; NaN if neither has any."""
    p, t = (image > 0 for image in _pair(prediction, truth))
    total = int(p.sum()) + int(t.sum())
    return 2 * int((p & t).sum()) / total if total else float("nan")


def iou(prediction: Array, truth: Array) -> float:
    """Common foreground over joint foreground, in [0, 1]; foreground is > 0; NaN if neither has any."""
    p, t = (image > 0 for image in _pair(prediction, truth))
    union = int((p | t).sum())
    return int((p & t).sum()) / union if union else float("nan")


def connected(labels: Array) -> tuple[Array, int]:
    """Connected regions of one label > 0 in a plane or z-stack, numbered from 1, and how many there are.

    Corners count as contact. Touching objects are two if their labels differ, as in an instance map; a float image has
    one label only.
    """
    from skimage.measure import label

    values = np.where(labels > 0, labels, 0).astype(np.int64) if labels.dtype.kind in "iu" else labels > 0
    find: Callable[..., tuple[Array, int]] = label
    regions, count = find(values, background=0, return_num=True)
    return regions, int(count)


def count_objects(labels: Array) -> int:
    """Number of connected regions of one label > 0 in a plane or z-stack, as `connected` finds them."""
    return connected(labels)[1]


def object_count_error(prediction: Array, truth: Array) -> int:
    """How many objects too many or too few, without sign, in a plane or z-stack of labels."""
    _pair(prediction, truth)
    return abs(count_objects(prediction) - count_objects(truth))

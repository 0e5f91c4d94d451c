"""What detail an image really has: Fourier ring correlation, pairs of peaks that stay two, and line profiles.

Planes are [H, W] of grey values; all is computed in float64. What cannot be told from the images given is NaN.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isoscope.errors import DataError, refusal

__all__ = [
    "FRC_THRESHOLD", "VALLEY", "fourier_ring_correlation", "frc_resolution", "line_profile", "resolved_pairs",
    "write_profiles",
]  # fmt: skip

Array = NDArray[Any]
Floats = NDArray[np.float64]

VALLEY = 0.735
"""Two peaks count as two where the valley between them is at most this part of the lower one (Rayleigh's criterion)."""
FRC_THRESHOLD = 1 / 7
_LEAST_SIDE = 16
_BACKGROUND = 1.0
"""Percentile of grey values that counts as darkness; peaks and valleys are heights above it."""


def _planes(image: Array, truth: Array) -> tuple[Floats, Floats]:
    if image.shape != truth.shape or truth.ndim != 2:
        raise DataError(f"got planes of shapes {image.shape} and {truth.shape}; expected equal ones, [H, W]")
    return image.astype(np.float64), truth.astype(np.float64)


def fourier_ring_correlation(image: Array, truth: Array) -> tuple[Floats, Floats]:
    """Spatial frequencies up to Nyquist (cycles per pixel), and the correlation of two planes in a ring around each.

    Of the central square, less its mean, in a Hann window (van Heel 1987; Nieuwenhuizen et al. 2013). Rings are as wide
    as the transform's sampling. Empty arrays for planes of less than 16 pixels a side.

    Raises:
        DataError: unless both are planes of one shape.
    """
    a, b = _planes(image, truth)
    side = min(a.shape)
    if side < _LEAST_SIDE:
        return np.empty(0), np.empty(0)
    fa, fb = (_spectrum(plane, side) for plane in (a, b))
    frequency = np.fft.fftfreq(side)
    ring = np.rint(np.hypot(frequency[:, None], frequency[None, :]) * side).astype(np.int64).ravel()
    rings = np.arange(1, side // 2 + 1)
    common, power_a, power_b = (
        np.bincount(ring, values.ravel())[rings] for values in ((fa * fb.conj()).real, np.abs(fa) ** 2, np.abs(fb) ** 2)
    )
    size = np.sqrt(power_a * power_b)
    return rings / side, np.divide(common, size, out=np.full(len(rings), np.nan), where=size > 0)


def _spectrum(plane: Floats, side: int) -> NDArray[np.complex128]:
    top, left = ((n - side) // 2 for n in plane.shape)
    square = plane[top : top + side, left : left + side]
    window = np.hanning(side + 2)[1:-1]
    return np.fft.fft2((square - square.mean()) * window[:, None] * window[None, :])


def frc_resolution(image: Array, truth: Array, threshold: float = FRC_THRESHOLD) -> float:
    """The period in pixels at which the ring correlation first falls below a threshold, between rings by a line.

    2, the period of Nyquist's frequency, where it never does: the pixels, not the optics, are the limit. NaN where it
    has no value, as of constant planes, or is below the threshold from the first ring on.
    """
    frequencies, correlations = fourier_ring_correlation(image, truth)
    if not len(correlations) or not np.isfinite(correlations).all() or correlations[0] < threshold:
        return math.nan
    below = np.flatnonzero(correlations < threshold)
    if not len(below):
        return 2.0
    n = int(below[0])
    high, low = correlations[n - 1], correlations[n]
    crossing = frequencies[n - 1] + (frequencies[n] - frequencies[n - 1]) * (high - threshold) / (high - low)
    return float(1 / crossing)


def resolved_pairs(image: Array, truth: Array, *, reach: int = 16, valley: float = VALLEY) -> tuple[int, int]:
    """How many of the pairs of peaks that the truth resolves an image resolves too, and how many pairs these are.

    Pairs are neighbouring maxima above Otsu's threshold along every row and column of the truth, at most `reach` pixels
    apart, whose valley is at most `valley` of the lower peak. In the image each peak is the highest grey value within a
    pixel of its place along the line, the valley what lies where the truth's is lowest. Heights count from each plane's
    first percentile.

    Raises:
        DataError: unless both are planes of one shape.
    """
    from skimage.filters import threshold_otsu

    a, b = _planes(image, truth)
    if not np.ptp(b):
        return 0, 0
    least = float(threshold_otsu(b)) - _dark(b)  # type: ignore[no-untyped-call]
    a, b = a - _dark(a), b - _dark(b)
    lines = [*zip(a, b, strict=True), *zip(a.T, b.T, strict=True)]
    found = [_resolved(line, known, least, reach, valley) for line, known in lines]
    return sum(hits for hits, _ in found), sum(pairs for _, pairs in found)


def _dark(plane: Floats) -> float:
    return float(np.percentile(plane, _BACKGROUND))


def _resolved(line: Floats, truth: Floats, least: float, reach: int, valley: float) -> tuple[int, int]:
    from scipy.signal import find_peaks

    peaks = find_peaks(truth, height=least)[0]
    pairs = [(p, q) for p, q in pairwise(peaks) if q - p <= reach]
    places = [(p, p + int(np.argmin(truth[p : q + 1])), q) for p, q in pairs]
    real = [(p, v, q) for p, v, q in places if truth[v] <= valley * min(truth[p], truth[q])]
    return sum(_apart(line, *place, valley) for place in real), len(real)


def _apart(line: Floats, p: int, v: int, q: int, valley: float) -> bool:
    lower = min(float(line[max(0, n - 1) : n + 2].max()) for n in (p, q))
    return lower > 0 and float(line[v]) <= valley * lower


def line_profile(plane: Array, start: tuple[float, float], stop: tuple[float, float], width: int = 1) -> Floats:
    """Grey values along a line, a pixel apart, each the mean over `width` pixels across it; between pixels by a line.

    Args:
        plane: [H, W].
        start: (y, x) in pixels.
        stop: (y, x), included.
        width: in pixels.

    Raises:
        DataError: if the line leaves the plane.
    """
    from skimage.measure import profile_line

    ends = np.array([start, stop])
    if plane.ndim != 2 or (ends < 0).any() or (ends > np.array(plane.shape) - 1).any() or width < 1:
        raise DataError(
            f"got a line from {start} to {stop}, {width} wide, in {plane.shape}; expected (y, x) inside a plane [H, W]"
        )
    values: Floats = profile_line(  # type: ignore[no-untyped-call]
        plane.astype(np.float64), start, stop, linewidth=width, order=1, mode="nearest", reduce_func=np.mean
    )
    return values


def write_profiles(path: Path, profiles: Mapping[str, Floats], pixel_size: float | None = None) -> None:
    """Profiles of one length side by side as CSV, with the distance in pixels and, if their size is known, micrometers.

    Raises:
        DataError: if the file exists.
    """
    if path.exists():
        raise refusal(path, "a file that exists", "a free name", "choose another")
    with path.open("x", encoding="utf-8", newline="") as handle:
        out = csv.writer(handle)
        out.writerow(["pixels", *(["micrometers"] if pixel_size else []), *profiles])
        for n, values in enumerate(zip(*profiles.values(), strict=True)):
            out.writerow([n, *([n * pixel_size] if pixel_size else []), *(float(v) for v in values)])

"""How much structure of which size images hold: radial power spectra, and what they say of a blur."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["blur_along", "blur_between", "power_along", "power_ratios", "radial_power"]

Array = NDArray[Any]
Floats = NDArray[np.float64]

_BINS = 32
_DROPPED = 2
"""Lowest bins that a blur is not judged by: they tell how much content there is, and a window leaks into them."""
_STEP = 0.05
_TOLD = 0.45
"""Cycles per recorded pixel, a little below Nyquist, up to which a recording is believed."""
_DYNAMIC = 1e-5
"""Part of the largest power below which the window's leakage hides what there is."""


def radial_power(planes: Array) -> tuple[Floats, Floats]:
    """Power of planes [..., H, W] by spatial frequency, averaged over directions and planes.

    A Hann window keeps the images' edges out; what is left of the mean is taken off first.

    Returns:
        Frequencies in cycles per pixel, up to 0.5 (Nyquist), and the power of each, in squared grey values; as many
        as half the shorter side has pixels, at most 32.
    """
    flat = np.asarray(planes, np.float64).reshape(-1, *planes.shape[-2:])
    height, width = flat.shape[-2:]
    window = np.outer(np.hanning(height + 2)[1:-1], np.hanning(width + 2)[1:-1])
    bins = min(_BINS, max(1, min(height, width) // 2))
    radius = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None])
    at = np.floor(radius * 2 * bins).astype(int).ravel()
    inside = at < bins
    total, scale = np.zeros(at.size), np.sum(window**2) * len(flat)
    for plane in flat:
        total += (np.abs(np.fft.rfft2((plane - plane.mean()) * window)) ** 2).ravel()
    counts = np.maximum(np.bincount(at[inside], minlength=bins), 1)
    return (np.arange(bins) + 0.5) / (2 * bins), np.bincount(at[inside], total[inside], bins) / counts / scale


def power_ratios(prediction: Array, truth: Array) -> Floats:
    """Power of a prediction over that of the truth, planes [..., H, W], by frequency up to half of Nyquist.

    Below 1 it is too smooth there, above 1 it holds more than the truth does: noise, or what was invented. NaN where
    the truth has no power.
    """
    frequencies, ours = radial_power(prediction)
    theirs = radial_power(truth)[1]
    known = frequencies <= 0.25
    return np.divide(ours, theirs, out=np.full_like(ours, np.nan), where=theirs > 0)[known]


def power_along(planes: Array, axis: Literal[-2, -1]) -> tuple[Floats, Floats]:
    """Power of planes [..., H, W] by frequency along their rows' or columns' axis alone, averaged over all else.

    Returns:
        As `radial_power`, but every frequency by itself, without that of the mean.
    """
    lines = np.moveaxis(np.asarray(planes, np.float64), axis, -1)
    lines = lines.reshape(-1, lines.shape[-1])
    length = lines.shape[-1]
    window = np.hanning(length + 2)[1:-1]
    power = np.abs(np.fft.rfft((lines - lines.mean(-1, keepdims=True)) * window)) ** 2
    return np.asarray(np.fft.rfftfreq(length)[1:], np.float64), power.mean(0)[1:] / np.sum(window**2)


def blur_between(clean: Array, observed: Array, largest: float = 6.0) -> float:
    """Sigma of the Gaussian between two sets of patches of other places, in pixels.

    Fits P_observed(f) = g P_clean(f) exp(-(2 pi sigma f)^2) + n with g, n >= 0 to the radial spectra, each frequency
    weighted by its own power: g stands for gain and amount of content, n for white noise, and neither moves sigma.

    Args:
        clean: sharp patches [N, H, W], grey values.
        observed: blurred and noisy ones [M, H, W].
        largest: sigma that is tried.
    """
    (frequencies, sharp), (_, seen) = radial_power(clean), radial_power(observed)
    f, sharp, seen = (values[_DROPPED:] for values in (frequencies, sharp, seen))
    return _best_sigma(f, sharp, seen, largest)


def blur_along(clean: Array, observed: Array, axis: Literal[-2, -1], step: float = 1.0, largest: float = 6.0) -> float:
    """The same for a blur along one axis only, of images recorded every `step` pixels and interpolated linearly.

    What is left of a frequency by interpolating is known, sinc^2, and taken off; frequencies that the recording cannot
    tell apart are not looked at.

    Args:
        clean: sharp patches [N, H, W], grey values.
        observed: blurred and noisy ones [M, H, W], interpolated.
        axis: along which they are blurred.
        step: pixels between two that were recorded.
        largest: sigma that is tried.
    """
    (f, sharp), (_, seen) = power_along(clean, axis), power_along(observed, axis)
    told = (f > 1.5 / clean.shape[axis]) & (f < _TOLD / step)
    interpolated = np.sinc(f * step) ** 4 if step > 1 else np.ones_like(f)
    return _best_sigma(f[told], sharp[told], (seen / interpolated)[told], largest)


def _best_sigma(f: Floats, sharp: Floats, seen: Floats, largest: float) -> float:
    seen = np.maximum(seen, _DYNAMIC * seen.max() + 1e-30)
    sigmas = np.arange(0.0, largest + _STEP / 2, _STEP)
    misfits = [_misfit(sharp * np.exp(-((2 * np.pi * s * f) ** 2)), seen) for s in sigmas]
    return float(min(largest, max(0.0, _valley(sigmas, np.asarray(misfits)))))


def _misfit(shape: Floats, seen: Floats) -> float:
    """Relative squared error of the best g * shape + n, both not negative."""
    from scipy.optimize import nnls

    columns = np.stack([shape / seen, 1 / seen], 1)
    scale = np.linalg.norm(columns, axis=0) + 1e-300  # else powers of very different size are not told apart
    return float(nnls(columns / scale, np.ones(len(seen)))[1] ** 2)


def _valley(x: Floats, y: Floats) -> float:
    """Where a curve sampled in equal steps is lowest, by a parabola through its three lowest neighbours."""
    k = int(np.argmin(y))
    if not 0 < k < len(x) - 1:
        return float(x[k])
    before, here, after = y[k - 1 : k + 2]
    bend = before - 2 * here + after
    return float(x[k] + (0.5 * (before - after) / bend if bend > 0 else 0.0) * (x[1] - x[0]))

"""Point spread functions and the camera."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from isoscope_simulate.settings import MARGIN, Settings

__all__ = ["airy", "blurred", "recorded", "transmitted"]

Floats = NDArray[np.float64]


def airy(na: float, wavelength: float, pixel_size: float) -> Floats:
    """The Airy pattern in focus, [2 MARGIN - 1, 2 MARGIN - 1], of sum 1; first dark ring at 0.61 wavelength / na.

    Sampled at five by five places in each pixel.
    """
    from scipy.special import j1

    fine = (np.arange((2 * MARGIN - 1) * 5) - (2 * MARGIN - 1) * 5 // 2) / 5 * pixel_size
    v = 2 * np.pi * na / wavelength * np.hypot(fine[:, None], fine[None, :])
    v[v == 0] = 1e-9
    side = 2 * MARGIN - 1
    pattern: Floats = ((2 * j1(v) / v) ** 2).reshape(side, 5, side, 5).mean(axis=(1, 3))
    pattern /= pattern.sum()
    return pattern


def blurred(image: Floats, settings: Settings) -> Floats:
    """Brightness [Z, Y, X] as the optics pass it on; total light is kept."""
    from scipy.ndimage import gaussian_filter
    from scipy.signal import fftconvolve

    if settings.psf == "airy":
        kernel = airy(settings.na, settings.wavelength, settings.pixel_size)
        return np.maximum(fftconvolve(image, kernel[None], mode="same"), 0)  # type: ignore[no-any-return]
    axial, lateral = settings.sigmas
    sigmas = (axial if len(image) > 1 else 0.0, lateral, lateral)
    return gaussian_filter(image, sigmas, mode="constant")  # type: ignore[no-any-return]


def transmitted(image: Floats, settings: Settings) -> Floats:
    """Light [foci, Y, X] behind a weak phase object [1, Y, X], 1 where there is nothing.

    Intensity 1 + 2 sin(pi wavelength z k^2) phase in Fourier space (Guigay 1977), for defocus z and spatial frequency k
    up to that of the aperture, beyond which nothing passes. The object in focus is invisible, as phase contrast without
    a phase plate is.
    """
    z = (np.arange(settings.foci) - (settings.foci - 1) / 2) * settings.focus_step
    ky, kx = (np.fft.fftfreq(n, settings.pixel_size) for n in image.shape[1:])
    square = ky[:, None] ** 2 + kx[None, :] ** 2
    passed = square <= (settings.na / settings.wavelength) ** 2
    transfer = 2 * np.sin(np.pi * settings.wavelength * z[:, None, None] * square) * passed
    light: Floats = 1 + np.fft.ifft2(transfer * np.fft.fft2(settings.phase * image)).real
    return np.maximum(light, 0)


def recorded(image: Floats, settings: Settings, rng: np.random.Generator) -> NDArray[Any]:
    """Brightness as a camera records it: uint16 of variance gain * (mean - offset) + read_noise**2.

    Float32, as it is, where no photons are counted.
    """
    if not settings.photons:
        return image.astype(np.float32)
    counts = rng.poisson(settings.photons * image)
    grey = settings.offset + settings.gain * counts + rng.normal(0, settings.read_noise, image.shape)
    return np.clip(np.rint(grey), 0, 65535).astype(np.uint16)

"""Histograms and line profiles of several images on one axis."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from isoscope.figures.aligned import Image
from isoscope.figures.display import Limits, grey
from isoscope.figures.profiles import Line, profile
from isoscope.pictures import histogram

__all__ = ["Curve", "along", "counted"]

Floats = NDArray[np.float64]

_BINS = 100


@dataclass(frozen=True, slots=True)
class Curve:
    """Values over places: of a histogram the fractions of pixels over the left ends of bins, and the last right end."""

    xs: Floats
    ys: Floats


def along(
    images: Mapping[str, Image], channel: int, channels: int, drawn: Line, scales: Mapping[str, Limits] | None
) -> dict[str, Curve]:
    """Profiles by role, over the distance in pixels; in fractions of the display limits where `scales` are given."""
    found = {}
    for role, image in images.items():
        values = grey(image.shown(profile(image.crop, drawn)[:, None], channel, channels))[0]
        found[role] = Curve(np.linspace(0.0, drawn.length, values.size), _on(values, scales[role] if scales else None))
    return found


def _on(values: Floats, scale: Limits | None) -> Floats:
    return values if scale is None else (values - scale[0]) / (scale[1] - scale[0])


def counted(values: Mapping[str, Floats], scales: Mapping[str, Limits], relative: bool) -> dict[str, Curve]:
    """Histograms by role, in common bins from the darkest to the brightest pixel; RGB by luminance."""
    greys = {role: _on(grey(picture), scales[role] if relative else None) for role, picture in values.items()}
    low, high = min(float(g.min()) for g in greys.values()), max(float(g.max()) for g in greys.values())
    ends, bins = ((low, high if high > low else low + 1.0), _BINS) if relative else _whole(low, high)
    found = {role: histogram(values, ends, bins) for role, values in greys.items()}
    return {role: Curve(h.edges, h.counts / h.counts.sum()) for role, h in found.items()}


def _whole(low: float, high: float) -> tuple[Limits, int]:
    """Bins that hold equally many integers each, or the picture would show a comb that is not in the image."""
    if high - low < 2:  # floats on a small scale
        return (low, high if high > low else low + 1.0), _BINS
    start, width = math.floor(low), max(1, math.ceil((high - low) / _BINS))
    bins = math.ceil((high - start + 1) / width)
    return (float(start), float(start + bins * width)), bins

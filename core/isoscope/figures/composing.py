"""Everything a figure shows, ready to be laid out: pictures, scales, regions, curves and scores."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isoscope.errors import DataError
from isoscope.figures.aligned import Image, pixel_size
from isoscope.figures.display import Limits, Scaling, grey
from isoscope.figures.measuring import measures
from isoscope.figures.profiles import Line, line
from isoscope.figures.regions import Region, asked, chosen
from isoscope.figures.rows import Part, Row, of_row, row_count, row_of, scales_of

__all__ = ["Sheet", "Wish", "compose"]

Floats = NDArray[np.float64]

_MOST = 1024
"""Pixels along the longer side of an overview."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What the user asks for.

    Attributes:
        zooms: regions as `y,x,side`; none: they are chosen.
        line: of the profile, as `y0,x0,y1,x1`.
        scaling: display limits.
        worst: how many are chosen where images differ most, besides a typical one.
    """

    zooms: Sequence[str] = ()
    line: str | None = None
    scaling: Scaling = field(default_factory=Scaling)
    worst: int = 1


@dataclass(frozen=True, slots=True)
class Sheet:
    """A figure before it is laid out.

    Attributes:
        images: by role.
        step: pixels of the full resolution along the side of one of the overview's.
        pixel_size: height and width in micrometers, where headers state it.
        regions: in order.
        line: of the profiles.
        rows: one per channel.
        measures: scores of the plane, if it is shown at full resolution, and of each region.
    """

    images: dict[str, Image]
    step: int
    pixel_size: tuple[float, float] | None
    regions: tuple[Region, ...]
    line: Line | None
    rows: tuple[Row, ...]
    measures: list[dict[str, Any]] = field(default_factory=list)


def compose(images: dict[str, Image], wish: Wish = Wish()) -> Sheet:
    """Read what is to be shown and decide its scales: overviews of at most 1024 px a side, regions in full.

    Args:
        images: from `aligned`.
        wish: what the user asks for.

    Raises:
        DataError: if a region or the line does not lie in the images, limits do not rise, headers state different
            pixel sizes, or what is read holds NaN or infinity.
    """
    size = images["prediction"].size
    _check_limits(wish)
    physical = pixel_size(images)
    regions = [asked(zoom, size) for zoom in wish.zooms]
    drawn = line(wish.line, size) if wish.line else None
    step = math.ceil(max(size) / _MOST)
    whole = {role: image.overview(step) for role, image in images.items()}
    regions = regions or _chosen(images, whole, step, wish.worst)
    parts: list[Part] = [(None, whole)]
    parts += [(region, {role: i.crop(*region.slices) for role, i in images.items()}) for region in regions]
    rows = tuple(row_of(images, parts, channel, step, drawn, wish.scaling) for channel in range(row_count(images)))
    scores = measures(images, parts if step == 1 else parts[1:])
    return Sheet(images, step, physical, tuple(regions), drawn, rows, scores)


def _check_limits(wish: Wish) -> None:
    for name, given in (("--limits", wish.scaling.limits), ("--input-limits", wish.scaling.input_limits)):
        if given is not None and not given[0] < given[1]:
            raise DataError(f"got {name} {given[0]:g} {given[1]:g}; expected the first below the second; swap them")


def _chosen(images: Mapping[str, Image], whole: Mapping[str, Floats], step: int, worst: int) -> list[Region]:
    """Regions by the difference of prediction and truth, or else input, on their display scales, over all channels."""
    other = "truth" if "truth" in images else "input"
    size = images["prediction"].size
    difference, texture = np.zeros(whole["prediction"].shape[1:]), np.zeros(whole["prediction"].shape[1:])
    for channel in range(row_count(images)):
        values = of_row(images, whole, channel)
        scales = scales_of(images, [values], Scaling())
        shown = {role: _stretched(grey(v), scales[role]) for role, v in values.items()}
        difference += np.abs(shown["prediction"] - shown[other])
        texture += shown[other]
    return chosen(difference, texture, step, size, other, worst)


def _stretched(values: Floats, scale: Limits) -> Floats:
    return np.clip((values - scale[0]) / (scale[1] - scale[0]), 0.0, 1.0)

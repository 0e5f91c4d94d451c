"""What a figure shows of one channel, or of an image's colours, in every panel and plot."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from isoscope.figures.aligned import Image
from isoscope.figures.curves import Curve, along, counted
from isoscope.figures.display import Limits, Scaling, error_limit, limits, shares
from isoscope.figures.profiles import Line
from isoscope.figures.regions import Region
from isoscope.pictures import Picture, error_map, overlay, to_display

__all__ = ["Part", "Row", "View", "of_row", "row_count", "row_of", "scales_of"]

Floats = NDArray[np.float64]

Part = tuple[Region | None, dict[str, Floats]]
"""A region, or the whole plane, and the values of every image there, [C, h, w] by role."""


@dataclass(frozen=True, slots=True)
class View:
    """One part of the plane, or all of it, in every panel: input, prediction, truth, overlay, error."""

    region: Region | None
    panels: dict[str, Picture]


@dataclass(frozen=True, slots=True)
class Row:
    """One channel of the prediction, or its colours.

    Attributes:
        channel: its name; empty where there is one only.
        limits: display limits by role.
        error_limit: in grey values; none without a truth.
        views: the whole plane, then the regions.
        histograms: by role.
        profiles: by role; none without a line.
        relative: curves are in fractions of the display limits, as input and prediction do not share them.
    """

    channel: str
    limits: dict[str, Limits]
    error_limit: float | None
    views: tuple[View, ...]
    histograms: dict[str, Curve]
    profiles: dict[str, Curve]
    relative: bool


def row_count(images: Mapping[str, Image]) -> int:
    """One for colours, else one for each channel of the prediction."""
    header = images["prediction"].header
    return 1 if header.rgb else header.shape[1]


def of_row(images: Mapping[str, Image], values: Mapping[str, Floats], channel: int) -> dict[str, Floats]:
    """What a row shows of every image: a channel, or its colours."""
    return {role: images[role].shown(picture, channel, row_count(images)) for role, picture in values.items()}


def scales_of(images: Mapping[str, Image], values: Sequence[Mapping[str, Floats]], asked: Scaling) -> dict[str, Limits]:
    """Display limits by role."""
    prediction, given = images["prediction"].header, images["input"].header
    common = asked.input_limits is None and shares(given, prediction)
    group = [role for role in images if role != "input" or common]
    shared = asked.limits or limits((v[role] for v in values for role in group), prediction)
    found = dict.fromkeys(images, shared)
    if not common:
        found["input"] = asked.input_limits or limits((v["input"] for v in values), given)
    return found


def row_of(
    images: Mapping[str, Image], parts: Sequence[Part], channel: int, step: int, drawn: Line | None, asked: Scaling
) -> Row:
    """One row of a figure.

    Args:
        images: by role.
        parts: the whole plane, then the regions, with all channels.
        channel: of the prediction.
        step: pixels of the full resolution along the side of one of the whole plane's.
        drawn: the line of the profiles.
        asked: display limits.
    """
    shown = [(region, of_row(images, values, channel)) for region, values in parts]
    # means of many pixels have less noise than what the regions show
    measured = [values for region, values in shown if region is None or step > 1]
    scales = scales_of(images, measured, asked)
    errors = [np.abs(v["prediction"] - v["truth"]).mean(axis=0) for v in measured if "truth" in v]
    limit = (asked.error_limit or error_limit(errors)) if errors else None
    views = tuple(View(region, dict(_panels(values, scales, limit))) for region, values in shown)
    relative = scales["input"] != scales["prediction"]
    curves = {} if drawn is None else along(images, channel, row_count(images), drawn, scales if relative else None)
    histograms = counted(shown[0][1], scales, relative)
    return Row(_name(images, channel), scales, limit, views, histograms, curves, relative)


def _panels(
    values: Mapping[str, Floats], scales: Mapping[str, Limits], limit: float | None
) -> Iterator[tuple[str, Picture]]:
    yield from ((role, to_display(picture, scales[role])) for role, picture in values.items())
    if "truth" in values:
        yield "overlay", overlay(values["prediction"], values["truth"], scales["truth"])
        yield "error", error_map(values["prediction"], values["truth"], limit)


def _name(images: Mapping[str, Image], channel: int) -> str:
    header = images["prediction"].header
    if row_count(images) == 1:
        return ""
    return header.channels[channel] if header.channels else f"channel {channel}"

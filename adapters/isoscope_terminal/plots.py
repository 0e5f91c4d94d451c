"""Histograms and line profiles below the panels of a figure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.gridspec import SubplotSpec

    from isoscope.figures import Row, Sheet

__all__ = ["plots"]

_COLOURS = {"input": "#777777", "prediction": "#d000d0", "truth": "#009e20"}
"""Prediction and truth as in the overlay."""


def plots(paper: Figure, place: SubplotSpec, sheet: Sheet, row: Row, titles: Mapping[str, str]) -> None:
    """The histograms of a row and, if there is a line, its profiles beside them."""
    cells = place.subgridspec(1, 2 if row.profiles else 1)
    _histogram(paper.add_subplot(cells[0, 0]), row, titles)
    if row.profiles:
        _profile(paper.add_subplot(cells[0, 1]), sheet, row, titles)


def _histogram(axes: Axes, row: Row, titles: Mapping[str, str]) -> None:
    for role, curve in row.histograms.items():
        axes.stairs(curve.ys, curve.xs, color=_COLOURS[role], label=titles[role])
    axes.set_yscale("log")
    axes.set(xlabel=_values(row), ylabel="fraction of pixels", xlim=(curve.xs[0], curve.xs[-1]))
    _name(axes, row)
    for text in axes.legend(frameon=False, fontsize=6).get_texts():
        text.set_parse_math(False)  # titles are what the user typed
    axes.spines[["top", "right"]].set_visible(False)


def _profile(axes: Axes, sheet: Sheet, row: Row, titles: Mapping[str, str]) -> None:
    pixel, unit = _spacing(sheet)
    for role, curve in row.profiles.items():
        axes.plot(curve.xs * pixel, curve.ys, color=_COLOURS[role], label=titles[role])
    axes.set(xlabel=f"distance ({unit})", ylabel=_values(row), xlim=(0, curve.xs[-1] * pixel))
    _name(axes, row)
    axes.spines[["top", "right"]].set_visible(False)


def _spacing(sheet: Sheet) -> tuple[float, str]:
    """The length of a pixel along the line."""
    if sheet.pixel_size is None or sheet.line is None:
        return 1.0, "px"
    (py, px), line = sheet.pixel_size, sheet.line
    return math.hypot((line.y1 - line.y0) * py, (line.x1 - line.x0) * px) / line.length, "µm"


def _values(row: Row) -> str:
    """What the values are."""
    return "display range" if row.relative else "grey value"


def _name(axes: Axes, row: Row) -> None:
    """The channel, where there are several."""
    axes.set_title(row.channel, fontsize=6, pad=2, parse_math=False)

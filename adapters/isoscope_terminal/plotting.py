"""Curves over a logarithmic axis as a PNG."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["Level", "Panel", "Series", "figure", "plot"]

_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
"""Told apart by colour-blind readers too (Okabe & Ito 2008)."""
_WIDTH, _HEIGHT, _LINE = 4.2, 3.2, 0.2
"""Of a panel, and of a line of the legend, in inches."""


@dataclass(frozen=True, slots=True)
class Series:
    """One curve: places on the logarithmic axis, values, and the ends of their intervals, equal where unknown."""

    name: str
    xs: Sequence[float]
    ys: Sequence[float]
    lows: Sequence[float]
    highs: Sequence[float]


@dataclass(frozen=True, slots=True)
class Level:
    """A value that does not depend on the axis."""

    name: str
    value: float


@dataclass(frozen=True, slots=True)
class Panel:
    """Curves of one quantity."""

    title: str
    axis: str
    series: Sequence[Series]
    levels: Sequence[Level] = ()


def plot(path: Path, panels: Sequence[Panel]) -> None:
    """Write panels side by side, and below them what the colours mean.

    Args:
        path: a PNG file, written whole or not at all.
        panels: at least one, each with a curve that has a value; equal names have equal colours.
    """
    from isoscope.durable import keep

    made = BytesIO()
    figure(panels).savefig(made, format="png", metadata={"Software": None})
    keep(path, made.getvalue())


def figure(panels: Sequence[Panel]) -> Figure:
    """The same before it is written; nothing of matplotlib's global state is touched."""
    from matplotlib.figure import Figure

    names = list(dict.fromkeys([s.name for p in panels for s in p.series] + [v.name for p in panels for v in p.levels]))
    colours = {name: _COLOURS[n % len(_COLOURS)] for n, name in enumerate(names)}
    height = _HEIGHT + _LINE * (len(names) + 1)
    made = Figure((_WIDTH * len(panels), height), dpi=100, layout="constrained")
    for axes, panel in zip(made.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        _draw(axes, panel, colours)
    known = {h.get_label(): h for axes in made.axes for h in axes.get_legend_handles_labels()[0]}
    made.legend([known[name] for name in names], names, loc="outside lower left", frameon=False)
    return made


def _draw(axes: Axes, panel: Panel, colours: dict[str, str]) -> None:
    for level in panel.levels:
        axes.axhline(level.value, color=colours[level.name], linestyle="--", label=level.name)
    for s in panel.series:
        ends = [[abs(y - end) for y, end in zip(s.ys, other, strict=True)] for other in (s.lows, s.highs)]
        axes.errorbar(s.xs, s.ys, yerr=ends, color=colours[s.name], marker="o", label=s.name)
    places = sorted({x for s in panel.series for x in s.xs})
    axes.set_xscale("log")
    axes.set_xticks(places, [f"{x:g}" for x in places])
    axes.minorticks_off()
    axes.grid(axis="y", color="0.85")
    axes.set(title=panel.title, xlabel=panel.axis)

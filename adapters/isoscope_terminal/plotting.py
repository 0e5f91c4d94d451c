"""Curves over a logarithmic axis as a PNG, drawn without a plotting library."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw

__all__ = ["Level", "Panel", "Series", "plot", "ticks"]

_WIDTH, _HEIGHT = 420, 320
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 16, 30, 44
_LINE, _TEXT, _DOT = 18, 13, 4
_INK, _FAINT = (0, 0, 0), (215, 215, 215)
_COLOURS = ((0, 114, 178), (213, 94, 0), (0, 158, 115), (204, 121, 167), (230, 159, 0), (86, 180, 233))
"""Told apart by colour-blind readers too (Okabe & Ito 2008)."""

Corner = tuple[float, float]


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


def ticks(low: float, high: float, wanted: int = 5) -> list[float]:
    """About so many round values (1, 2 or 5 times a power of ten apart) within a range."""
    rough = (high - low) / wanted
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * n for n in (1, 2, 5, 10) if power * n >= rough * (1 - 1e-9))
    first = math.ceil(low / step - 1e-9)
    return [n * step for n in range(first, math.floor(high / step + 1e-9) + 1)]


class _Frame:
    """Where values lie in the picture."""

    def __init__(self, panel: Panel, left: float) -> None:
        ys = [y for s in panel.series for y in (*s.lows, *s.highs)] + [level.value for level in panel.levels]
        xs = [x for s in panel.series for x in s.xs]
        self.left, pad = left + _LEFT, 0.05 * (max(ys) - min(ys)) or 0.5
        self.low, self.high = min(ys) - pad, max(ys) + pad
        self.first, self.last = math.log10(min(xs)), math.log10(max(xs))

    def x(self, value: float) -> float:
        """Pixels from the left; a single place stands in the middle."""
        span = self.last - self.first
        part = (math.log10(value) - self.first) / span if span else 0.5
        return self.left + 8 + part * (_WIDTH - _LEFT - _RIGHT - 16)

    def y(self, value: float) -> float:
        """Pixels from the top."""
        return _TOP + (self.high - value) / (self.high - self.low) * (_HEIGHT - _TOP - _BOTTOM)


def plot(path: Path, panels: Sequence[Panel]) -> None:
    """Write panels side by side, and below them what the colours mean.

    Args:
        path: a PNG file.
        panels: at least one, each with a curve that has a value; equal names have equal colours.
    """
    import numpy as np
    from PIL import Image, ImageDraw

    from isoscope.writing.whole import write_whole

    names = list(dict.fromkeys([s.name for p in panels for s in p.series] + [v.name for p in panels for v in p.levels]))
    colours = {name: _COLOURS[n % len(_COLOURS)] for n, name in enumerate(names)}
    dashed = {level.name for p in panels for level in p.levels}
    paper = Image.new("RGB", (_WIDTH * len(panels), _HEIGHT + _LINE * len(names) + 8), "white")
    pen = ImageDraw.Draw(paper)
    for n, panel in enumerate(panels):
        _panel(pen, panel, n * _WIDTH, colours)
    for n, name in enumerate(names):
        y = _HEIGHT + n * _LINE
        _stroke(pen, (_LEFT, y + 9), (_LEFT + 30, y + 9), colours[name], name in dashed)
        _write(pen, name, (_LEFT + 40, y + 9), "lm")
    write_whole(path, np.asarray(paper), "YXC")


def _panel(pen: ImageDraw, panel: Panel, left: float, colours: dict[str, tuple[int, int, int]]) -> None:
    frame = _Frame(panel, left)
    _axes(pen, panel, frame, left)
    for level in panel.levels:
        y = frame.y(level.value)
        _stroke(pen, (frame.left, y), (left + _WIDTH - _RIGHT, y), colours[level.name], dashed=True)
    for series in panel.series:
        _curve(pen, series, frame, colours[series.name])


def _axes(pen: ImageDraw, panel: Panel, frame: _Frame, left: float) -> None:
    right, bottom = left + _WIDTH - _RIGHT, _HEIGHT - _BOTTOM
    _write(pen, panel.title, ((frame.left + right) / 2, _TOP / 2), "mm")
    _write(pen, panel.axis, ((frame.left + right) / 2, _HEIGHT - 10), "mm")
    marks = ticks(frame.low, frame.high)
    digits = max(0, -math.floor(math.log10(marks[1] - marks[0]) + 1e-9)) if len(marks) > 1 else 2
    for value in marks:
        y = frame.y(value)
        pen.line([(frame.left, y), (right, y)], fill=_FAINT)
        _write(pen, f"{value:.{digits}f}", (frame.left - 6, y), "rm")
    for value in _places(panel, frame):
        pen.line([(frame.x(value), bottom), (frame.x(value), bottom + 4)], fill=_INK)
        _write(pen, f"{value:g}", (frame.x(value), bottom + 14), "mm")
    pen.rectangle([(frame.left, _TOP), (right, bottom)], outline=_INK)


def _places(panel: Panel, frame: _Frame) -> Iterator[float]:
    """The places where curves have values, as far as their labels do not touch."""
    last = -math.inf
    for value in sorted({x for s in panel.series for x in s.xs}):
        if frame.x(value) - last >= 40:
            last = frame.x(value)
            yield value


def _curve(pen: ImageDraw, s: Series, frame: _Frame, colour: tuple[int, int, int]) -> None:
    points = [(frame.x(x), frame.y(y)) for x, y in zip(s.xs, s.ys, strict=True)]
    pen.line(points, fill=colour, width=2)
    for (x, y), low, high in zip(points, s.lows, s.highs, strict=True):
        pen.line([(x, frame.y(low)), (x, frame.y(high))], fill=colour)
        pen.ellipse([(x - _DOT, y - _DOT), (x + _DOT, y + _DOT)], fill=colour)


def _stroke(pen: ImageDraw, start: Corner, stop: Corner, colour: tuple[int, int, int], dashed: bool) -> None:
    if not dashed:
        pen.line([start, stop], fill=colour, width=2)
        return
    for x in range(round(start[0]), round(stop[0]), 8):
        pen.line([(x, start[1]), (min(x + 4, stop[0]), stop[1])], fill=colour, width=2)


def _write(pen: ImageDraw, text: str, at: Corner, anchor: str) -> None:
    from PIL import ImageFont

    pen.text(at, text, fill=_INK, font=ImageFont.load_default(_TEXT), anchor=anchor)

"""Figures for publication from aligned images: what is shown, where and on which scale; drawing is somebody else's."""

from __future__ import annotations

from isoscope.figures.aligned import Image, aligned, pixel_size
from isoscope.figures.composing import Sheet, Wish, compose
from isoscope.figures.curves import Curve
from isoscope.figures.display import Scaling
from isoscope.figures.profiles import Line
from isoscope.figures.regions import Region
from isoscope.figures.rows import Row, View
from isoscope.figures.scalebars import ScaleBar, scale_bar

__all__ = [
    "Curve", "Image", "Line", "Region", "Row", "ScaleBar", "Scaling", "Sheet", "View", "Wish", "aligned", "compose",
    "pixel_size", "scale_bar",
]  # fmt: skip

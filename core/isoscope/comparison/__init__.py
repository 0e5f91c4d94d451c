"""Recipes beside each other and beside what filters do: trained, scored on one split, and told with intervals."""

from __future__ import annotations

from isoscope.comparison.curves import curves, plateau, write_curves
from isoscope.comparison.entrants import Entrant, ImageSets, enter, scale_of
from isoscope.comparison.report import document, write_csv
from isoscope.comparison.running import Watch, run
from isoscope.comparison.scored import Scored
from isoscope.comparison.sheet import Cell, sheet
from isoscope.comparison.statistics import Bootstrap
from isoscope.comparison.sweeping import SIZES, Sized, at_sizes, beside, check_sizes, side_by_side

__all__ = [
    "SIZES", "Bootstrap", "Cell", "Entrant", "ImageSets", "Scored", "Sized", "Watch", "at_sizes", "beside",
    "check_sizes", "curves", "document", "enter", "plateau", "run", "scale_of", "sheet", "side_by_side", "write_csv",
    "write_curves",
]  # fmt: skip

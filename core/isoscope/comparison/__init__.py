"""Recipes beside each other and beside what filters do: trained, scored on one split, and told with intervals."""

from __future__ import annotations

from isoscope.comparison.entrants import Entrant, ImageSets, enter
from isoscope.comparison.report import document, write_csv
from isoscope.comparison.running import Watch, run
from isoscope.comparison.scored import Scored
from isoscope.comparison.sheet import Cell, sheet
from isoscope.comparison.statistics import Bootstrap

__all__ = [
    "Bootstrap", "Cell", "Entrant", "ImageSets", "Scored", "Watch", "document", "enter", "run", "sheet", "write_csv",
]  # fmt: skip

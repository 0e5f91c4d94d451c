"""A figure on paper: panels, bars, frames and plots laid out by matplotlib, as PDF, SVG or PNG."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from isoscope.errors import DataError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from isoscope.figures import Sheet

__all__ = ["STYLE", "check_format", "drawn", "publish", "titled"]

_METADATA: dict[str, dict[str, Any]] = {
    ".pdf": {"CreationDate": None, "Creator": None, "Producer": None},
    ".svg": {"Date": None, "Creator": None},
    ".png": {"Software": None},
}
"""What matplotlib would add of date and version: left out, so that equal figures are equal files."""
STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",  # comes with matplotlib
    "font.size": 7.0,
    "axes.titlesize": 7.0,
    "axes.labelsize": 7.0,
    "xtick.labelsize": 6.0,
    "ytick.labelsize": 6.0,
    "axes.linewidth": 0.5,
    "xtick.major.width": 0.5,
    "ytick.major.width": 0.5,
    "lines.linewidth": 0.8,
    "pdf.fonttype": 42,  # TrueType, which editors keep as text and journals accept
    "svg.hashsalt": "isoscope",
    "savefig.facecolor": "white",
    "figure.facecolor": "white",
}
"""Of everything on the paper, whatever the user's own settings of matplotlib are."""
_TITLES = {"input": "Input", "prediction": "Prediction", "truth": "Truth", "overlay": "Overlay", "error": "Error"}
_INCH = 25.4
_PLOT, _LINE, _GAP, _BAR = 1.3, 0.2, 0.05, 0.5
"""Heights of a plot, of a line of text and of a gap, width of a colour bar with its numbers, in inches."""


def check_format(path: Path) -> None:
    """Refuse a suffix that no figure has.

    Raises:
        DataError: naming those that are known.
    """
    if path.suffix.lower() not in _METADATA:
        raise DataError(f"cannot write {path.name!r}; expected one of {', '.join(_METADATA)}; choose another --out")


def titled(sheet: Sheet, titles: Sequence[str] = ()) -> dict[str, str]:
    """The title of each panel, from the left.

    Raises:
        DataError: if there are not as many titles as panels.
    """
    roles = list(sheet.rows[0].views[0].panels)
    if titles and len(titles) != len(roles):
        raise DataError(f"got {len(titles)} --titles; expected {len(roles)}, for {', '.join(roles)}; name them all")
    return dict(zip(roles, (t.strip() for t in titles), strict=True)) if titles else {r: _TITLES[r] for r in roles}


def publish(
    path: Path, sheet: Sheet, titles: Sequence[str] = (), width: float = 180.0, dpi: int = 300
) -> dict[str, str]:
    """Write a figure, whole or not at all; the titles of its panels.

    Args:
        path: its suffix names the format.
        sheet: what it shows.
        titles: of the panels; none: the usual.
        width: in mm.
        dpi: of PNG.
    """
    from matplotlib import rc_context

    from isoscope.durable import keep

    kind, named, made = path.suffix.lower(), titled(sheet, titles), BytesIO()
    with rc_context(STYLE):  # formats of fonts cannot be given otherwise
        paper = drawn(sheet, named, width, raster=kind == ".png")
        paper.savefig(made, format=kind[1:], dpi=dpi, metadata=_METADATA[kind])
    keep(path, made.getvalue())
    return named


def drawn(sheet: Sheet, titles: dict[str, str], width: float = 180.0, *, raster: bool = False) -> Figure:
    """The figure before it is written; nothing of matplotlib's global state is touched.

    Args:
        sheet: what it shows.
        titles: of the panels.
        width: in mm.
        raster: it will be pixels: overviews are smoothed where they are shrunk.
    """
    from matplotlib.figure import Figure

    from isoscope_terminal.panels import panel
    from isoscope_terminal.plots import plots

    inches, columns = width / _INCH, len(titles)
    heights = _heights(sheet, (inches - _BAR * ("error" in titles)) / columns)
    made = Figure((inches, sum(heights) + _LINE + _GAP * len(heights)), layout="constrained")
    made.get_layout_engine().set(w_pad=0.01, h_pad=0.01, wspace=0.02, hspace=0.02)  # type: ignore[union-attr,call-arg]
    grid = made.add_gridspec(len(heights), columns, height_ratios=heights)
    line = 0
    for row in sheet.rows:
        for view in row.views:
            for column, role in enumerate(titles):
                axes = made.add_subplot(grid[line, column])
                panel(axes, sheet, row, view, role, raster)
                if line == 0:
                    axes.set_title(titles[role], pad=3, parse_math=False)
            line += 1
    for row in sheet.rows:
        plots(made, grid[line, :], sheet, row, titles)
        line += 1
    return made


def _heights(sheet: Sheet, width: float) -> list[float]:
    """Of each line of panels, then of each line of plots, in inches."""
    rows, columns = sheet.images["prediction"].size
    py, px = sheet.pixel_size or (1.0, 1.0)
    views = [rows * py / (columns * px), *(py / px for _ in sheet.regions)]
    return [min(2.0, view) * width for _ in sheet.rows for view in views] + [_PLOT] * len(sheet.rows)

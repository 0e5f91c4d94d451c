"""One panel of a figure: a picture with its scale bar, frames of regions, line and colour bar."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from isoscope.figures import Row, Sheet, View

__all__ = ["REGION_COLOURS", "panel"]

REGION_COLOURS = ("#e69f00", "#56b4e9", "#009e73", "#f0e442", "#0072b2", "#d55e00", "#cc79a7")
"""Told apart by colour-blind readers too (Okabe & Ito 2008)."""
_LINE_COLOUR = "#f0e442"


def panel(axes: Axes, sheet: Sheet, row: Row, view: View, role: str, raster: bool) -> None:
    """Draw one picture in pixels of the full resolution: a centre lies at whole numbers."""
    first = next(iter(view.panels)) == role
    top, left, height, width = _place(sheet, view)
    step = 1 if view.region else sheet.step
    picture = view.panels[role]
    right, bottom = left + picture.shape[1] * step, top + picture.shape[0] * step
    smooth = "antialiased" if raster and view.region is None else "none"
    axes.imshow(picture, extent=(left - 0.5, right - 0.5, bottom - 0.5, top - 0.5), interpolation=smooth)
    axes.set(xlim=(left - 0.5, left + width - 0.5), ylim=(top + height - 0.5, top - 0.5), xticks=[], yticks=[])
    py, px = sheet.pixel_size or (1.0, 1.0)
    axes.set_aspect(py / px)
    if view.region is None:
        _overview(axes, sheet, first)
    _frame(axes, sheet, view)
    if first:
        _scale_bar(axes, sheet, view)
        if view.region is None and row.channel:
            axes.set_ylabel(row.channel, parse_math=False)
    if role == "error" and view.region is None:
        _colour_bar(axes, row)


def _place(sheet: Sheet, view: View) -> tuple[int, int, int, int]:
    """First row, first column, height and width of what is shown."""
    if view.region is None:
        return 0, 0, *sheet.images["prediction"].size
    return view.region.y, view.region.x, view.region.side, view.region.side


def _overview(axes: Axes, sheet: Sheet, first: bool) -> None:
    """The frames of the regions, numbered in the first panel, and the line."""
    from matplotlib.patches import Rectangle

    for n, region in enumerate(sheet.regions):
        colour = REGION_COLOURS[n % len(REGION_COLOURS)]
        corner = (region.x - 0.5, region.y - 0.5)
        axes.add_patch(Rectangle(corner, region.side, region.side, fill=False, edgecolor=colour, linewidth=0.8))
        if first:
            box = {"facecolor": "black", "alpha": 0.6, "edgecolor": "none", "pad": 0.8}
            axes.text(*corner, str(n + 1), color=colour, va="bottom", ha="left", fontsize=6, bbox=box, clip_on=True)
    if (line := sheet.line) is not None:
        axes.plot([line.x0, line.x1], [line.y0, line.y1], color=_LINE_COLOUR, linewidth=0.7, scalex=False, scaley=False)


def _frame(axes: Axes, sheet: Sheet, view: View) -> None:
    """A region in the colour of its frame; the overview without."""
    for spine in axes.spines.values():
        spine.set_visible(view.region is not None)
        if view.region is not None:
            spine.set_edgecolor(REGION_COLOURS[sheet.regions.index(view.region) % len(REGION_COLOURS)])
            spine.set_linewidth(1.2)


def _scale_bar(axes: Axes, sheet: Sheet, view: View) -> None:
    """A white bar with its length, lower right, where the pixel size is known."""
    from matplotlib.patches import Rectangle

    from isoscope.figures import scale_bar

    if sheet.pixel_size is None:
        return
    top, left, height, width = _place(sheet, view)
    bar = scale_bar(width, sheet.pixel_size[1])
    x, y = left + 0.95 * width - bar.pixels, top + 0.93 * height
    thick = 0.02 * height
    axes.add_patch(
        Rectangle((x, y), bar.pixels, thick, facecolor="white", edgecolor="black", linewidth=0.3, gid="scale bar")
    )
    box = {"facecolor": "black", "alpha": 0.6, "edgecolor": "none", "pad": 0.8}
    middle = x + bar.pixels / 2
    axes.text(middle, y - thick, str(bar), color="white", ha="center", va="bottom", fontsize=6, bbox=box, clip_on=True)


def _colour_bar(axes: Axes, row: Row) -> None:
    """What the colours of the error map mean, right of it."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import ListedColormap, Normalize

    from isoscope.pictures import colour_bar

    colours = ListedColormap(colour_bar(256, 1)[::-1, 0] / 255)
    place = axes.inset_axes((1.03, 0.0, 0.05, 1.0))
    shown = ScalarMappable(Normalize(0.0, row.error_limit), colours)
    axes.figure.colorbar(shown, cax=place, label="grey values")

"""`isoscope figure`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from isoscope.errors import DataError
from isoscope_terminal import options
from isoscope_terminal.inputs import Item
from isoscope_terminal.outputs import check_places
from isoscope_terminal.readers import Reading, reads
from isoscope_terminal.voice import Voice

if TYPE_CHECKING:
    from isoscope.reading import ReadOptions
    from isoscope.volume import Volume

__all__ = ["figure"]

_WHERE = "one file or store"
Limits = tuple[float, float]


@reads("input", "prediction", "truth")
def figure(
    source: Annotated[str, typer.Argument(metavar="INPUT", help=f"What there was: {_WHERE}.")],
    prediction: Annotated[str, typer.Argument(help=f"What was made of it: {_WHERE}, aligned with the input.")],
    out: Annotated[Path, typer.Option("--out", help="A .pdf, .svg or .png file; its caption goes beside it, as .txt.")],
    reading: Reading,
    truth: Annotated[str | None, typer.Argument(help=f"What it should be: {_WHERE}, aligned.")] = None,
    zoom: Annotated[
        list[str] | None,
        typer.Option(metavar="Y,X,SIZE", help="A square to enlarge, by its upper left pixel. Repeatable; else chosen."),
    ] = None,
    worst: Annotated[
        int, typer.Option(min=1, max=8, help="Without --zoom, enlarge so many squares of the largest differences.")
    ] = 1,
    line: Annotated[
        str | None, typer.Option(metavar="Y0,X0,Y1,X1", help="Plot grey values from one pixel to another.")
    ] = None,
    plane: Annotated[int | None, typer.Option(min=0, help="Plane of z-stacks, from 0; else the middle.")] = None,
    time: Annotated[int, typer.Option(min=0, help="Time point, from 0.")] = 0,
    limits: Annotated[
        Limits | None, typer.Option(metavar="LO HI", help="Display limits; else 0.1 % to 99.9 % of all images.")
    ] = None,
    input_limits: Annotated[
        Limits | None, typer.Option(metavar="LO HI", help="Of the input alone, if its grey values mean something else.")
    ] = None,
    error_limit: Annotated[
        float | None, typer.Option(help="Error shown as white, in grey values; else 99.9 % of all.")
    ] = None,
    titles: Annotated[
        str | None, typer.Option(metavar="A,B,...", help="Above the panels, from the left, instead of Input, ….")
    ] = None,
    width: Annotated[float, typer.Option(min=40, max=1000, help="Of the figure in mm.")] = 180.0,
    dpi: Annotated[int, typer.Option(min=50, max=1200, help="Of PNG.")] = 300,
    overwrite: options.Overwrite = False,
    as_json: options.Json = False,
) -> None:
    """Make a figure for publication: panels with scale bars, enlarged parts, error map, overlay, histogram, profile.

    All images have the same display limits where their grey values mean the same. Overviews of slides are read from
    their pyramids, enlarged parts at full resolution. The same command writes the same bytes.
    """
    from isoscope.figures import Scaling, Wish, aligned, compose
    from isoscope_terminal.captions import caption, facts
    from isoscope_terminal.publishing import check_format, publish

    voice = Voice(as_json)
    check_format(out)
    if error_limit is not None and error_limit <= 0:
        raise DataError(f"got --error-limit {error_limit:g}; expected a number above 0; give another")
    given = {"input": source, "prediction": prediction, **({"truth": truth} if truth else {})}
    opened = {role: _one(where, reading.of(role)) for role, where in given.items()}
    places = [out, out.with_suffix(".txt")]
    check_places(places, [item for item, _ in opened.values()], overwrite)
    images = aligned({role: levels for role, (_, levels) in opened.items()}, plane=plane, time=time)
    sheet = compose(images, Wish(zoom or (), line, Scaling(limits, input_limits, error_limit), worst))
    named = publish(out, sheet, titles.split(",") if titles else (), width, dpi)
    document = {"figure": str(out), **facts(sheet, {r: str(i.path) for r, (i, _) in opened.items()}, named)}
    text = caption(document)
    _write(places[1], text)
    voice.finish(f"wrote {out} and its caption:\n{text}", document)


def _write(path: Path, text: str) -> None:
    from isoscope.durable import write_text

    write_text(path, text + "\n")


def _one(where: str, options: ReadOptions) -> tuple[Item, list[Volume]]:
    """The one image at a place, and its pyramid.

    Raises:
        DataError: if there are several.
    """
    from isoscope.address import addressed
    from isoscope.overviews import levels
    from isoscope.sources import find

    paths = find(where)
    found = [image for path in paths[:2] for image in addressed(path, options)]
    if len(found) != 1:
        raise DataError(f"{where}: got several images; expected one of each kind; name one file")
    address, volume = found[0]
    return Item(volume, address), levels(address)

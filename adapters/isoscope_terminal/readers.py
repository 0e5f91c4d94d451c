"""How files are to be read where they do not say, or say wrong: --axes, --pixel-size, --channels, --level, --series."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from isoscope.errors import DataError
from isoscope_terminal.signatures import Command, with_options

if TYPE_CHECKING:
    from isoscope.reading import ReadOptions

__all__ = ["Reading", "reads"]

_PANEL = "How files are read, where they do not say or say wrong"
_KINDS: dict[str, tuple[Any, str, str]] = {
    "axes": (str | None, "AXES", "What the dimensions are, letters of TCZYX in the file's order, such as ZYX."),
    "pixel_size": (str | None, "[Z,]Y,X", "Pixel size in micrometers, such as 0.5,0.2,0.2."),
    "channels": (str | None, "0,2,...", "Channels to keep, numbers from 0 or names."),
    "level": (int | None, "N", "Level of a pyramid; 0 is the full resolution."),
    "series": (int | None, "N", "Which image, where a file holds several; from 0."),
}


@dataclass(frozen=True, slots=True)
class Reading:
    """What was typed for all images, and for those of one side, by option: `{"axes": "ZYX", "source_axes": "YX"}`."""

    given: Mapping[str, Any]

    def of(self, side: str = "") -> ReadOptions:
        """How the images of a side are to be read.

        Raises:
            DataError: for a value that makes sense for no file.
        """
        from isoscope.reading import ReadOptions

        stated = {kind: self.given.get(f"{side}_{kind}", self.given.get(kind)) for kind in _KINDS}
        return ReadOptions(**{kind: _parsed(kind, value) for kind, value in stated.items() if value is not None})

    def facts(self, side: str = "") -> dict[str, Any]:
        """The same, only what was typed, ready for JSON."""
        options = self.of(side)
        stated = {kind: getattr(options, kind) for kind in _KINDS if {kind, f"{side}_{kind}"} & set(self.given)}
        return {kind: list(value) if isinstance(value, tuple) else value for kind, value in stated.items()}

    def words(self) -> list[str]:
        """The options as they would be typed again."""
        return [word for name, value in self.given.items() for word in (f"--{name.replace('_', '-')}", str(value))]


def reads(*sides: str) -> Callable[[Command], Command]:
    """Give a command the options for reading files; it takes them as `reading`.

    Args:
        sides: sets of images whose options can differ: `--source-axes` goes before `--axes`. Help shows the short ones.
    """

    def decorated(command: Command) -> Command:
        return with_options(command, dict(_options(sides)), _taken, drop="reading")

    return decorated


def _taken(given: dict[str, Any]) -> dict[str, Reading]:
    return {"reading": Reading({name: value for name, value in given.items() if value is not None})}


def _options(sides: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    for kind, (type_, metavar, text) in _KINDS.items():
        own = f" For one side only: {', '.join(_flag(side, kind) for side in sides)}." if sides else ""
        yield kind, _option(type_, _flag("", kind), metavar, text + own, hidden=False)
        for side in sides:
            yield f"{side}_{kind}", _option(type_, _flag(side, kind), metavar, text, hidden=True)


def _flag(side: str, kind: str) -> str:
    return "--" + "-".join(part for part in (side, *kind.split("_")) if part)


def _option(type_: Any, flag: str, metavar: str, text: str, hidden: bool) -> Any:
    least = 0 if metavar == "N" else None
    return Annotated[
        type_, typer.Option(flag, metavar=metavar, min=least, help=text, hidden=hidden, rich_help_panel=_PANEL)
    ]


def _parsed(kind: str, value: Any) -> Any:
    if kind == "axes":
        return value.upper()
    if kind == "channels":
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return _sizes(value) if kind == "pixel_size" else value


def _sizes(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in re.split(r"[,;x×\s]+", text.strip()))
    except ValueError:
        raise DataError(
            f"got pixel size {text!r}; expected y,x or z,y,x in micrometers; write it such as 0.5,0.2,0.2"
        ) from None

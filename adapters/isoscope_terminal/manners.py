"""How much a command says, and where it writes it down: --quiet, --verbose and --log-file, alike for every command."""

from __future__ import annotations

import logging
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TextIO

import typer

from isoscope.errors import DataError, RecipeError
from isoscope_terminal.signatures import Command, with_options

__all__ = ["Manners", "mannered", "manners", "session", "write_down"]

_OURS = re.compile(rb"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} [A-Z]+ isoscope")
_SAID = "isoscope_terminal"
_PANEL = "How much is said"
_OPTIONS: dict[str, Any] = {
    "quiet": Annotated[
        bool | None, typer.Option("--quiet", "-q", help="No progress, no remarks.", rich_help_panel=_PANEL)
    ],
    "verbose": Annotated[
        bool | None,
        typer.Option("--verbose", "-v", help="Say more, such as which files are left out.", rich_help_panel=_PANEL),
    ],
    "log_file": Annotated[
        Path | None,
        typer.Option("--log-file", metavar="FILE", help="Append all that is said to FILE.", rich_help_panel=_PANEL),
    ],
}


@dataclass(slots=True)
class Manners:
    """How the command that runs now behaves.

    Attributes:
        quiet: only results and errors are said.
        verbose: log records from INFO on are shown, not only warnings.
        command: what was typed.
        document: where the JSON document goes; none: stdout.
    """

    quiet: bool = False
    verbose: bool = False
    command: Sequence[str] = ()
    document: TextIO | None = None


manners = Manners()
"""The only state of the terminal: one process runs one command at a time."""


def mannered(command: Command) -> Command:
    """The command with --quiet, --verbose and --log-file."""
    return with_options(command, _OPTIONS, _settle)


def _settle(given: dict[str, Any]) -> Mapping[str, Any]:
    """Obey the options, which may stand before the command's name or after it."""
    manners.quiet |= bool(given["quiet"])
    manners.verbose |= bool(given["verbose"])
    if manners.quiet and manners.verbose:
        raise RecipeError("got both --quiet and --verbose; expected one of them; leave the other out")
    if manners.verbose:
        _show_from(logging.INFO)
    if given["log_file"] is not None:
        _open_log(given["log_file"])
    return {}


class _Lines(logging.Handler):
    """Log records as single lines on whatever stderr is at that moment (a live display may have taken it over)."""

    def emit(self, record: logging.LogRecord) -> None:
        from isoscope_terminal.voice import speak

        if record.name != _SAID:  # those were said when they were written down
            speak(f"{record.levelname.lower()}: {record.getMessage()}")


def _show_from(level: int) -> None:
    root = logging.getLogger()
    for handler in root.handlers:
        if isinstance(handler, _Lines):
            handler.setLevel(level)
    root.setLevel(min(root.level, level))


def _open_log(path: Path) -> None:
    """Write everything that is said to a file as well, after what it already holds.

    Raises:
        DataError: if the file holds anything but such a log.
    """
    if path.exists() and not (path.is_file() and _is_log(path)):
        raise DataError(f"{path} exists and is no log of isoscope; expected a free name; choose another --log-file")
    handler = logging.FileHandler(path, encoding="utf-8", errors="backslashreplace")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(min(root.level, logging.INFO))
    write_down(shlex.join(["isoscope", *manners.command]))


def _is_log(path: Path) -> bool:
    with path.open("rb") as file:
        start = file.read(64)
    return not start or _OURS.match(start) is not None


def write_down(text: str) -> None:
    """Keep in the log file, if there is one, what is said to the user."""
    logging.getLogger(_SAID).info("%s", " ".join(text.split()))


@contextmanager
def session(command: Sequence[str], debug: bool) -> Iterator[None]:
    """While inside, log records are shown from WARNING on; warnings of Python libraries only when debugging."""
    root, libraries, fonts = logging.getLogger(), logging.getLogger("py.warnings"), logging.getLogger("fontTools")
    before = root.handlers, root.level, libraries.level, fonts.level
    fonts.setLevel(logging.WARNING)  # it tells of every letter that goes into a PDF
    manners.quiet, manners.verbose, manners.command = False, False, command
    lines, level = _Lines(), logging.INFO if debug else logging.WARNING
    # the TIFF library's own complaints stand behind our one line, which already names what is damaged
    lines.addFilter(lambda record: debug or record.name != "tifffile")
    root.handlers = [lines]
    root.setLevel(level)
    _show_from(level)
    logging.captureWarnings(True)
    libraries.setLevel(logging.WARNING if debug else logging.CRITICAL)
    try:
        yield
    finally:
        logging.captureWarnings(False)
        for handler in root.handlers:
            handler.close()
        root.handlers = before[0]
        root.setLevel(before[1])
        libraries.setLevel(before[2])
        fonts.setLevel(before[3])

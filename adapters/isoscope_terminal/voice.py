"""How commands speak: results on stdout, progress and complaints on stderr, so that pipes stay clean."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["Voice", "complain", "console", "listen"]

_WIDE = 160


def console(stderr: bool = False) -> Console:
    """A console on the stream as it is now; wide where nobody looks at it, so that tables are not cut."""
    from rich.console import Console

    made = Console(stderr=stderr, highlight=False, markup=False)
    return made if made.is_terminal else Console(stderr=stderr, highlight=False, markup=False, width=_WIDE)


@dataclass(frozen=True, slots=True)
class Voice:
    """What one command says, and where.

    Attributes:
        as_json: stdout carries one JSON document and nothing else; what people read goes to stderr.
        quiet: only results are said.
    """

    as_json: bool = False
    quiet: bool = False

    def say(self, text: str) -> None:
        """Tell something on the way."""
        if not self.quiet:
            console(stderr=self.as_json).print(text, soft_wrap=True)

    def finish(self, text: str, document: dict[str, Any]) -> None:
        """Tell the result: the document with --json, else the text."""
        self.deliver(document) if self.as_json else typer.echo(text)

    def deliver(self, document: Any) -> None:
        """Print the one JSON document."""
        typer.echo(json.dumps(document, indent=2, allow_nan=False))

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[str]], numbers: bool = False) -> None:
        """Draw a table; with `numbers`, every column but the first holds figures."""
        from rich.table import Table

        drawn = Table(*columns)
        for index, column in enumerate(drawn.columns):
            column.justify, column.overflow = ("right" if numbers and index else "left"), "fold"
        for row in rows:
            drawn.add_row(*row)
        console(stderr=self.as_json).print(drawn)


def complain(text: str) -> None:
    """Say one line on stderr, whatever the text holds."""
    typer.echo("isoscope: " + " ".join(text.split()), err=True)


class _Lines(logging.Handler):
    """Log records as single lines on whatever stderr is at that moment (a live display may have taken it over)."""

    def emit(self, record: logging.LogRecord) -> None:
        complain(f"{record.levelname.lower()}: {record.getMessage()}")


def listen(debug: bool) -> None:
    """Show log records from WARNING on; warnings of Python libraries only when debugging."""
    root = logging.getLogger()
    root.handlers = [_Lines()]
    root.setLevel(logging.INFO if debug else logging.WARNING)
    logging.captureWarnings(True)
    logging.getLogger("py.warnings").setLevel(logging.WARNING if debug else logging.CRITICAL)

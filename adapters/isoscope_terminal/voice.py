"""How commands speak: results on stdout, progress and complaints on stderr, so that pipes stay clean."""

from __future__ import annotations

import contextlib
import errno
import io
import json
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TextIO

import typer

from isoscope.errors import IsoscopeError
from isoscope_terminal.manners import manners, write_down

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["Voice", "can_write", "complain", "console", "document_only", "speak", "steady_streams", "told"]


def console(stderr: bool = False) -> Console:
    """A console on the stream as it is now."""
    from isoscope_terminal.screen import screen  # rich takes a while, and not every command draws

    return screen(stderr)


@dataclass(frozen=True, slots=True)
class Voice:
    """What one command says, and where.

    Attributes:
        as_json: stdout carries one JSON document and nothing else; what people read goes to stderr.
    """

    as_json: bool = False

    @property
    def quiet(self) -> bool:
        """Only results are wanted."""
        return manners.quiet

    def say(self, text: str) -> None:
        """Tell something on the way."""
        write_down(text)
        if not manners.quiet:
            self.show(text)

    def show(self, text: str) -> None:
        """Print what was asked for, quiet or not."""
        console(stderr=self.as_json).print(text, soft_wrap=True)

    def finish(self, text: str, document: dict[str, Any]) -> None:
        """Tell the result: the document with --json, else the text."""
        write_down(text)
        self.deliver(document) if self.as_json else typer.echo(text)

    def deliver(self, document: Any) -> None:
        """Print the one JSON document."""
        typer.echo(json.dumps(document, indent=2, allow_nan=False), file=manners.document)

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[str]], numbers: bool = False) -> None:
        """Draw a table; with `numbers`, every column but the first holds figures."""
        from rich.table import Table

        drawn = Table(*columns)
        for index, column in enumerate(drawn.columns):
            column.justify, column.overflow = ("right" if numbers and index else "left"), "fold"
        for row in rows:
            drawn.add_row(*row)
        console(stderr=self.as_json).print(drawn)


def speak(text: str) -> None:
    """Say one line on stderr, whatever the text holds, if anybody is still there to read it."""
    with contextlib.suppress(OSError):
        typer.echo("isoscope: " + " ".join(text.split()), err=True)


def complain(text: str) -> None:
    """Say one line on stderr, and write it down."""
    write_down(text)
    speak(text)


def told(error: Exception) -> tuple[str, int]:
    """One line for an error, and the exit code: 2 where only the user can mend it, 1 where we must."""
    if isinstance(error, IsoscopeError):
        label = "" if error.exit_code == 130 else "error: "
        return f"{label}{error}", error.exit_code
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        return f"error: {error.filename}: got {error.strerror!r}; {_remedy(error)}", 2
    cause = f"{type(error).__name__}: {error}"
    return f"internal error: {cause} (run again with --debug for the traceback)", 1


def _remedy(error: OSError) -> str:
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return "expected to be allowed to read or write there; change its permissions, or choose another place"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "expected room to write; free space, or choose another place"
    return "expected a file or folder that can be read and written; look whether it is there, or choose another place"


def steady_streams() -> None:
    """Write what a terminal's encoding has no sign for as an escape, instead of failing: file names can be anything."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def can_write(text: str) -> bool:
    """Whether stdout's encoding has signs for all of a text."""
    try:
        text.encode(getattr(sys.stdout, "encoding", None) or "ascii")
    except UnicodeEncodeError:
        return False
    return True


@contextlib.contextmanager
def document_only() -> Iterator[None]:
    """While inside, stdout is for the one JSON document: what plug-ins and libraries print there goes to stderr."""
    real = sys.stdout
    with contextlib.ExitStack() as stack:
        manners.document = stack.enter_context(_aside()) if _is_stdout(real) else real
        try:
            with contextlib.redirect_stdout(sys.stderr):
                yield
        finally:
            manners.document = None
            real.flush()


def _is_stdout(stream: TextIO) -> bool:
    """Whether native code and child processes write where this stream does."""
    try:
        return stream.fileno() == 1
    except (OSError, ValueError):
        return False


@contextlib.contextmanager
def _aside() -> Iterator[TextIO]:
    """A stream to what is stdout now; as long as it is open, file descriptor 1 is stderr."""
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        with open(os.dup(kept), "w", encoding=sys.stdout.encoding, errors="backslashreplace") as stream:  # noqa: PTH123
            yield stream
    finally:
        os.dup2(kept, 1)
        os.close(kept)

"""The `isoscope` command: which commands there are, and what becomes of an error."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence
from typing import Annotated

import typer

from isoscope.errors import IsoscopeError
from isoscope_terminal import demo, evaluate, init, look, plugins, predict, train
from isoscope_terminal.voice import complain, listen

__all__ = ["app", "main"]

app = typer.Typer(
    name="isoscope", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode="rich"
)
for command in (demo.demo, look.info, init.init, train.train, predict.predict, evaluate.evaluate):
    app.command()(command)
app.add_typer(plugins.app, name="plugins")


def _version(wanted: bool) -> None:
    if wanted:
        import isoscope

        typer.echo(f"isoscope {isoscope.__version__}")
        raise typer.Exit


@app.callback()
def isoscope(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and leave.")
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the traceback of errors; also ISOSCOPE_DEBUG=1, or after a command.")
    ] = False,
) -> None:
    """Learn to turn one kind of microscopy image into another, without paired examples."""


def _told(error: Exception) -> tuple[str, int]:
    """One line for an error, and the exit code: 2 where only the user can mend it, 1 where we must."""
    if isinstance(error, IsoscopeError):
        label = "" if error.exit_code == 130 else "error: "
        return f"{label}{error}", error.exit_code
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        return f"error: {error.filename}: {error.strerror}", 2
    cause = f"{type(error).__name__}: {error}"
    return f"internal error: {cause} (run again with --debug for the traceback)", 1


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and leave with its exit code.

    Args:
        arguments: what was typed after `isoscope`; none: the process's own.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in given or os.environ.get("ISOSCOPE_DEBUG", "") not in ("", "0")
    listen(debug)
    try:
        app(args=[a for a in given if a != "--debug"], prog_name="isoscope")
    except KeyboardInterrupt:
        complain("stopped")
        sys.exit(130)
    except Exception as error:  # the last line of defence: whatever went wrong is told in one line
        if debug:
            traceback.print_exc()
        text, code = _told(error)
        complain(text)
        sys.exit(code)


if __name__ == "__main__":
    main()

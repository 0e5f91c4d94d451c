"""The `isoscope` command: which commands there are, and what becomes of an error."""

from __future__ import annotations

import contextlib
import os
import sys
import traceback
from collections.abc import Sequence
from typing import Annotated

import typer

from isoscope_terminal import (
    compare,
    convert,
    demo,
    doctor,
    ensemble,
    evaluate,
    figure,
    init,
    labels,
    look,
    pairs,
    plugins,
    predict,
    split,
    sweep,
    train,
    verify,
)
from isoscope_terminal.manners import mannered, session
from isoscope_terminal.voice import complain, document_only, steady_streams, told

__all__ = ["app", "main"]

app = typer.Typer(name="isoscope", no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode="rich")
for command in (
    demo.demo, look.info, convert.convert, split.split, init.init, train.train, predict.predict, labels.labels,
    evaluate.evaluate, figure.figure,
    compare.compare, sweep.sweep, ensemble.ensemble, pairs.pairs, verify.verify, doctor.doctor,
):  # fmt: skip
    app.command()(mannered(command))
app.add_typer(plugins.app, name="plugins")


def _version(wanted: bool) -> None:
    if wanted:
        import isoscope

        typer.echo(f"isoscope {isoscope.__version__}")
        raise typer.Exit


@app.callback()
@mannered
def isoscope(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and leave.")
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the traceback of errors; also ISOSCOPE_DEBUG=1, or after a command.")
    ] = False,
) -> None:
    """Learn to turn one kind of microscopy image into another, without paired examples."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and leave with its exit code.

    Args:
        arguments: what was typed after `isoscope`; none: the process's own.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in given or os.environ.get("ISOSCOPE_DEBUG", "") not in ("", "0")
    steady_streams()
    promised = document_only() if "--json" in given else contextlib.nullcontext()
    with session(given, debug), promised:
        _obey([a for a in given if a != "--debug"], debug)


def _obey(arguments: list[str], debug: bool) -> None:
    try:
        app(args=arguments, prog_name="isoscope")
    except KeyboardInterrupt:
        complain("stopped")
        sys.exit(130)
    except Exception as error:  # the last line of defence: whatever went wrong is told in one line
        if debug:
            traceback.print_exc()
        text, code = told(error)
        complain(text)
        sys.exit(code)


if __name__ == "__main__":
    main()

"""`isoscope ensemble`."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from isoscope.errors import DataError
from isoscope_terminal import options
from isoscope_terminal.facts import counted
from isoscope_terminal.voice import Voice

__all__ = ["ensemble"]


def ensemble(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Runs of one recipe with different seeds.")],
    out: Annotated[Path, typer.Option("--out", help="Folder of the new model.")],
    overwrite: options.Overwrite = False,
    as_json: options.Json = False,
) -> None:
    """Make one model of several runs: the mean of what they make, which errs less than they do on average.

    Train the same images with `--seed 0`, `1` and `2` first. Prediction takes as many times as long.
    """
    from isoscope.model import ensemble as written

    voice = Voice(as_json)
    ours = out.is_dir() and [entry.name for entry in out.iterdir()] == ["model"]  # runs of training hold more
    if out.exists() and not (overwrite and ours):
        raise DataError(f"{out} exists; choose another --out" + (", or --overwrite it" if ours else ""))
    written(runs, out)
    said = f"wrote {out}, the mean of {counted(len(runs), 'run')}"
    text = f"{said}\nnext: isoscope predict {shlex.quote(str(out))} INPUT... --out OUT"
    voice.finish(
        str(out / "model") if voice.quiet else text, {"model": str(out / "model"), "runs": list(map(str, runs))}
    )

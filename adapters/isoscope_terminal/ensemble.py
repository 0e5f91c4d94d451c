"""`isoscope ensemble`."""

from __future__ import annotations

import shlex
import shutil
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
    """Make one model of several runs: the mean of what they make, which errs less than each of them.

    Train the same images with `--seed 0`, `1` and `2` first. Prediction takes as many times as long.
    """
    from isoscope.model import ensemble as written

    voice = Voice(as_json)
    if out.exists() and not (overwrite and (out / "model" / "model.json").is_file()):
        ours = (out / "model" / "model.json").is_file()
        raise DataError(f"{out} exists; choose another --out" + (", or --overwrite it" if ours else ""))
    draft = out.with_name(f".{out.name}.draft")
    shutil.rmtree(draft, ignore_errors=True)
    try:
        written(runs, draft)
        shutil.rmtree(out, ignore_errors=True)
        draft.rename(out)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    said = f"wrote {out}, the mean of {counted(len(runs), 'run')}"
    text = f"{said}\nnext: isoscope predict {shlex.quote(str(out))} INPUT... --out OUT"
    voice.finish(
        str(out / "model") if voice.quiet else text, {"model": str(out / "model"), "runs": list(map(str, runs))}
    )

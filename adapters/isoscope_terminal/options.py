"""Options that several commands share, so that they read and mean the same everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from isoscope.errors import RecipeError

__all__ = [
    "Direction", "Json", "Minutes", "Out", "Overwrite", "Preset", "Resume", "Seed", "Set", "Source", "Target", "either",
]  # fmt: skip

_WHERE = "a file, a store, a folder or a quoted glob"

Source = Annotated[str, typer.Option("--source", help=f"Images to transform (domain A): {_WHERE}.")]
Target = Annotated[str, typer.Option("--target", help=f"Images as they should become (domain B): {_WHERE}.")]
Out = Annotated[Path, typer.Option("--out", help="Folder to write.")]
Preset = Annotated[
    str | None,
    typer.Option("--preset", help="auto, cpu, default, paper, released or utom; else auto.", show_default=False),
]
Set = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY.KEY=VALUE", help="Change one recipe key. Repeatable.")
]
Seed = Annotated[int | None, typer.Option("--seed", min=0, help="Seed of everything random.")]
Minutes = Annotated[float | None, typer.Option("--minutes", help="Train about this long, schedule fitted to it.")]
Direction = Annotated[str, typer.Option("--direction", help="a2b or b2a.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace what is there, whoever wrote it.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on where the same command stopped.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout, nothing else there.")]


def either(**given: bool) -> None:
    """Refuse options that exclude one another.

    Raises:
        RecipeError: if more than one of them was given.
    """
    names = [f"--{name.strip('_').replace('_', '-')}" for name, value in given.items() if value]
    if len(names) > 1:
        raise RecipeError(f"got {' and '.join(names)}; expected one of them; leave the other out")

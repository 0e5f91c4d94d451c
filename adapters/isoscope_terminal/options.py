"""Options that several commands share, so that they read and mean the same everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from isoscope.errors import RecipeError

__all__ = [
    "Baselines", "DataRange", "Direction", "Json", "Method", "Minutes", "Out", "Overwrite", "PairsSource",
    "PairsTarget", "Preset", "PresetTask", "Recipes", "Resume", "Seed", "Set", "Source", "Target", "TestSource",
    "TestTruth", "either",
]  # fmt: skip

_WHERE = "a file, a store, a folder or a quoted glob"

Source = Annotated[str, typer.Option("--source", help=f"Images to transform (domain A): {_WHERE}.")]
Target = Annotated[str, typer.Option("--target", help=f"Images as they should become (domain B): {_WHERE}.")]
Out = Annotated[Path, typer.Option("--out", help="Folder to write.")]
Preset = Annotated[
    str | None,
    typer.Option(
        "--preset",
        help="auto, cpu, default, paper, released or utom; controls: cyclegan, cut, fastcut, supervised. Else auto.",
        show_default=False,
    ),
]
Method = Annotated[
    str | None,
    typer.Option("--method", help="c2gan, cut or supervised (matched pairs), on the preset's networks; else c2gan."),
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

Recipes = Annotated[
    list[str], typer.Argument(metavar="RECIPE...", help="YAML files as `init` writes them, or names of presets.")
]
TestSource = Annotated[str, typer.Option("--test-source", help=f"Images to be scored, as inputs: {_WHERE}.")]
TestTruth = Annotated[str, typer.Option("--test-truth", help="What they should become, in the same order.")]
PairsSource = Annotated[
    str | None, typer.Option("--pairs-source", help="Inputs of pairs, for supervised methods and to tune filters.")
]
PairsTarget = Annotated[str | None, typer.Option("--pairs-target", help="Their truths, in the same order.")]
Baselines = Annotated[
    bool, typer.Option("--baselines", help="Filters and look-up tables beside the recipes, as far as they fit.")
]
PresetTask = Annotated[str | None, typer.Option("--task", help="What presets learn; recipe files say it themselves.")]
DataRange = Annotated[
    tuple[float, float] | None,
    typer.Option(metavar="LO HI", help="Lowest and highest grey value; else from the truth's type, or range."),
]


def either(**given: bool) -> None:
    """Refuse options that exclude one another.

    Raises:
        RecipeError: if more than one of them was given.
    """
    names = [f"--{name.strip('_').replace('_', '-')}" for name, value in given.items() if value]
    if len(names) > 1:
        raise RecipeError(f"got {' and '.join(names)}; expected one of them; leave the other out")

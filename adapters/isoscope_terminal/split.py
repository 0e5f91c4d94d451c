"""`isoscope split`."""

from __future__ import annotations

import shlex
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from isoscope.errors import DataError
from isoscope_terminal import options
from isoscope_terminal.facts import counted
from isoscope_terminal.progress import Live
from isoscope_terminal.voice import Voice

if TYPE_CHECKING:
    from isoscope.splits.roles import Manifest

__all__ = ["split"]

_WHERE = "a file, a store, a folder or a quoted glob"


def split(
    a: Annotated[str, typer.Argument(metavar="A", help=f"Images to transform: {_WHERE}.")],
    b: Annotated[str, typer.Argument(metavar="B", help=f"Images as they should become: {_WHERE}.")],
    out: options.Out,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Another seed gives another split.")] = 0,
    test: Annotated[
        float | None, typer.Option("--test", metavar="FRACTION", help="Held out for testing; else 1/6")
    ] = None,
    validation: Annotated[float, typer.Option("--validation", metavar="FRACTION", help="Held out for choosing.")] = 0.0,
    matched: Annotated[
        bool,
        typer.Option("--matched/--independent", help="Image i of A and image i of B, as sorted, show the same place."),
    ] = False,
    guard: Annotated[
        int | None,
        typer.Option("--guard", metavar="PX", min=1, help="Gap between the blocks of a single image; else 128."),
    ] = None,
    field: Annotated[
        str | None,
        typer.Option("--field", metavar="REGEX", help="Names that match it alike show one slide or place."),
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Give every image one part: to learn from, as source or as target, or to test on.

    No field of view is in both domains, or both learned from and tested on. OUT gets a folder for each part and a
    manifest that `isoscope train` checks again; files are linked, not copied, where the disk allows.
    """
    from isoscope.sources import find
    from isoscope.splits.materialising import materialise
    from isoscope.splits.splitting import GUARD, TEST
    from isoscope.splits.splitting import split as plan

    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise DataError(f"{out} exists and is not an empty folder; expected a new one; choose another --out")
    voice = Voice(as_json)
    with Live("comparing images") as live:
        manifest = plan(
            find(a), find(b), matched=matched, seed=seed, test=TEST if test is None else test, validation=validation,
            guard=guard or GUARD, field=field, progress=live.update,
        )  # fmt: skip
    with Live("writing images") as live:
        made = materialise(manifest, out, live.update)
    _report(voice, made, out)


def _report(voice: Voice, manifest: Manifest, out: Path) -> None:
    parts = Counter(item.role for item in manifest.items)
    document = {
        "out": str(out), "manifest": str(out / "manifest.json"), "seed": manifest.seed, "matched": manifest.matched,
        "guard": manifest.guard, "notes": list(manifest.notes),
        "parts": {role: [_name(out, item) for item in manifest.of(role)] for role in parts},
    }  # fmt: skip
    lines = [f"{role:18}{counted(number, 'image')}" for role, number in sorted(parts.items()) if role != "dropped"]
    if parts["dropped"]:
        lines.append(f"{'left out':18}{counted(parts['dropped'], 'image')}: the other side of a field that is used")
    where = ["--source", str(out / "source"), "--target", str(out / "target")]
    command = shlex.join(["isoscope", "train", "--task", "TASK", *where, "--out", "RUN"])
    voice.finish("\n".join([*lines, f"wrote {out}", f"next: {command}"]), document)


def _name(out: Path, item: Any) -> str:
    """Where an image lies now, as seen from OUT; what is left out stays where it was."""
    path: Path = item.path
    home = out.absolute()
    return path.relative_to(home).as_posix() if path.is_relative_to(home) else str(path)

"""`isoscope init`: a recipe to read and change before training."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from isoscope.errors import DataError, RecipeError
from isoscope_terminal import options
from isoscope_terminal.checks import compared, facts_of, warned
from isoscope_terminal.facts import describe, domain_facts, preset_reason
from isoscope_terminal.readers import Reading, reads
from isoscope_terminal.voice import Voice
from isoscope_terminal.wishes import gathered, method_keys

if TYPE_CHECKING:
    from isoscope.proposal import Proposal
    from isoscope.splits.mismatch import Finding
    from isoscope.volume import Volume

__all__ = ["init"]

_NOTES = {
    "task": "what is learned; `isoscope plugins` lists the tasks",
    "preset": "where the values below came from",
    "source": "domain A: the images to transform",
    "target": "domain B: how they should become",
    "limits": "[low, high] grey values per channel that map to -0.9 and 0.9",
    "polarity": "is content bright or dark against the background?",
    "threshold": "grey value that separates content from background",
    "method": "networks and optimisation; `isoscope plugins show methods c2gan` explains each key",
    "rate": "learning rate",
    "losses": "the terms of the objective; `isoscope plugins show losses NAME` explains their keys",
    "weight": "of this term in the sum",
    "schedule": "constant, exp or cosine over the run",
    "use": "the loss plug-in",
    "training": "how long, on what patches",
    "steps": "optimisation steps; --steps and --minutes win over it",
    "batch": "patches per step",
    "inference": "how predictions are tiled; it never changes the picture",
    "output": "what comes out",
    "codec": "compression of OME-Zarr outputs",
}

Sides = tuple[list["Volume"], list["Volume"]]


@reads("source", "target")
def init(
    task: Annotated[str, typer.Argument(help="What to learn, such as denoise; see `isoscope plugins`.")],
    source: options.Source,
    target: options.Target,
    reading: Reading,
    out: Annotated[Path, typer.Option("--out", "-o", help="Recipe to write.")] = Path("recipe.yaml"),
    preset: options.Preset = None,
    method: options.Method = None,
    set_: options.Set = None,
    overwrite: options.Overwrite = False,
    as_json: options.Json = False,
) -> None:
    """Look at the images and write a recipe with comments, for `isoscope train`."""
    from isoscope.durable import write_text
    from isoscope.proposal import propose
    from isoscope.sources import open_all

    _check_free(out, overwrite)
    asked = gathered(None, {}, set_ or [], method_keys(None, method))
    sides = open_all(source, reading.of("source")), open_all(target, reading.of("target"))
    proposal = propose(*sides, task=task, preset=preset, user=asked)
    out.parent.mkdir(parents=True, exist_ok=True)
    findings = compared(proposal, *sides)
    reason = preset_reason(preset, None, proposal.recipe.preset)
    write_text(out, _commented(proposal, sides, reason, warned(findings)))
    where = ["--source", source, "--target", target, *reading.words()]
    command = shlex.join(["isoscope", "train", str(out), *where, "--out", "RUN"])
    _report(Voice(as_json), proposal, sides, findings, out, command)


def _check_free(out: Path, overwrite: bool) -> None:
    from isoscope.overrides import read

    if out.exists() and not (overwrite and out.is_file()):
        raise DataError(f"{out} exists; choose another --out, or --overwrite it")
    try:
        if out.exists():
            read(out)
    except RecipeError as error:
        raise DataError(f"{out} is no recipe, so it is not overwritten ({error}); choose another --out") from None


def _report(
    voice: Voice, proposal: Proposal, sides: Sides, findings: Sequence[Finding], out: Path, command: str
) -> None:
    notes = warned(findings)
    document = {
        "path": str(out), "source": domain_facts(proposal.source, sides[0]),
        "target": domain_facts(proposal.target, sides[1]), "notes": notes, "checks": facts_of(findings),
        "recipe": proposal.recipe.model_dump(mode="json"),
    }  # fmt: skip
    for note in notes:
        voice.say(f"note: {note}")
    voice.finish(f"wrote {out}\nnext: {command}", document)


def _commented(proposal: Proposal, sides: Sides, reason: str, notes: Sequence[str]) -> str:
    """The whole recipe as YAML, under what was found in the images."""
    from isoscope.recipe import Recipe

    values = proposal.recipe.model_dump(mode="json")
    return "\n".join([*_header(proposal, sides, reason, notes), "", *_lines(values, Recipe), ""])


def _header(proposal: Proposal, sides: Sides, reason: str, notes: Sequence[str]) -> Iterator[str]:
    yield f"# isoscope recipe: {proposal.recipe.task}, {reason}"
    yield "# Every key can be changed or left out; what is left out comes from task and preset again."
    for domain, volumes in zip((proposal.source, proposal.target), sides, strict=True):
        yield f"#\n# {domain.name}:"
        yield from (f"#   {line}" for line in describe(domain, volumes))
    yield "#\n# do the domains fit together?" + (" Nothing speaks against it." if not notes else "")
    yield from (f"#   WARNING: {note}" for note in notes)


def _lines(values: Mapping[str, Any], model: Any, depth: int = 0) -> Iterator[str]:
    """Nested keys as YAML, each with what it means where that is known."""
    pad = "  " * depth
    for key, value in values.items():
        field = getattr(model, "model_fields", {}).get(key)
        note = _NOTES.get(key) or (field.description if field else None)
        comment = f"  # {note}" if note else ""
        if isinstance(value, Mapping) and value:
            yield f"{pad}{key}:{comment}"
            yield from _lines(value, field.annotation if field else None, depth + 1)
        else:
            yield f"{pad}{key}: {_scalar(value)}{comment}"
        if depth == 0 and isinstance(value, Mapping):
            yield ""


def _scalar(value: Any) -> str:
    import yaml

    text: str = yaml.safe_dump(value, default_flow_style=True, width=10_000)
    return text.removesuffix("...\n").strip()

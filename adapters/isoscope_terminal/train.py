"""`isoscope train`."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from isoscope_terminal import options
from isoscope_terminal.checks import check_split, compared, facts_of, refuse_failures, say_findings
from isoscope_terminal.facts import announced, counted, domains_said, gains_said, parameters_said, preset_reason
from isoscope_terminal.progress import Live
from isoscope_terminal.readers import Reading, reads
from isoscope_terminal.stopping import stoppable
from isoscope_terminal.verdicts import attempts_said, inversion_said, verdict_facts, verdicts_said
from isoscope_terminal.voice import Voice, complain
from isoscope_terminal.wishes import duration_keys, gathered, method_keys, stored_recipe

if TYPE_CHECKING:
    from isoscope.proposal import Proposal
    from isoscope.recipe import Recipe
    from isoscope.run import Run
    from isoscope.training import Progress
    from isoscope.volume import Volume

__all__ = ["Finished", "run_training", "train"]

_MUCH = 0.2
"""Share of the time waited for images from which on something should be done about it."""


@dataclass(slots=True)
class Finished:
    """A run and its newest report, kept for the summary."""

    progress: Progress | None = None
    run: Run | None = None


@reads("source", "target")
def train(
    source: options.Source,
    target: options.Target,
    out: options.Out,
    reading: Reading,
    recipe: Annotated[
        Path | None, typer.Argument(metavar="[RECIPE.yaml]", help="As `isoscope init` writes it.")
    ] = None,
    task: Annotated[str | None, typer.Option(help="What to learn, such as denoise; see `isoscope plugins`.")] = None,
    preset: options.Preset = None,
    method: options.Method = None,
    steps: Annotated[int | None, typer.Option("--steps", min=1, help="Train this many steps.")] = None,
    minutes: options.Minutes = None,
    seed: options.Seed = None,
    from_: Annotated[
        Path | None, typer.Option("--from", metavar="MODEL", help="Begin with the weights of an old run or model.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where this run stopped.")] = False,
    overwrite: options.Overwrite = False,
    set_: options.Set = None,
    as_json: options.Json = False,
) -> None:
    """Learn to turn images like SOURCE into images like TARGET, without pairs.

    Ctrl-C saves and stops; the same command with --resume goes on from there. Images that `isoscope split` prepared
    are held against its manifest, and the two sides against each other, before training starts.
    """
    from isoscope.sources import open_all
    from isoscope.training import check_folder

    voice = Voice(as_json)
    options.either(resume=resume, from_=from_ is not None)
    more = duration_keys(steps, minutes, seed) | method_keys(recipe, method)
    asked = gathered(recipe, {"task": task, "preset": preset}, set_ or [], more)
    check_folder(out, resume, overwrite)
    checks: dict[str, Any] = {}
    if resume:
        given = {k: v for k, v in (("task", task), ("preset", preset)) if v}
        settled = stored_recipe(out, asked | given)
        sides = open_all(source, reading.of("source")), open_all(target, reading.of("target"))
        voice.say(f"going on with {out} as its recipe.yaml says")
    else:
        sides = open_all(source, reading.of("source")), open_all(target, reading.of("target"))
        proposal = _proposed(asked, task, preset, sides, voice)
        settled, checks = proposal.recipe, _checked(proposal, source, target, sides, voice)
    last = run_training(settled, sides, out, voice, resume=resume, overwrite=overwrite, weights=from_)
    _summary(voice, out, settled, last, checks)
    if last.run and last.run.vigil.inverted:
        raise typer.Exit(1)


def _checked(
    proposal: Proposal, source: str, target: str, sides: tuple[list[Volume], list[Volume]], voice: Voice
) -> dict[str, Any]:
    """What speaks for and against training on these images.

    Raises:
        DataError: if it would be pointless, or a test image would be learned from.
    """
    manifests = check_split(source, target, voice)
    findings = compared(proposal, *sides)
    say_findings(findings, voice)
    refuse_failures(findings)
    return {"manifests": manifests, "checks": facts_of(findings)}


def _proposed(
    asked: dict[str, Any], task: str | None, preset: str | None, sides: tuple[list[Volume], list[Volume]], voice: Voice
) -> Proposal:
    """The recipe for these images, and what was found on the way."""
    from isoscope.device import pick
    from isoscope.proposal import propose

    proposal = propose(*sides, task=task, preset=preset, user=asked)
    chosen = proposal.recipe
    reason = preset_reason(preset, asked.get("preset"), chosen.preset)
    voice.say(f"task {chosen.task}; {reason}; device {pick()}")
    for line in domains_said(proposal, *sides):
        voice.say(line)
    return proposal


def run_training(
    recipe: Recipe, sides: tuple[list[Volume], list[Volume]], out: Path, voice: Voice, *, resume: bool = False,
    overwrite: bool = False, weights: Path | None = None,
) -> Finished:  # fmt: skip
    """Train with live progress, previews and a Ctrl-C that saves; say what was kept and what the watchdog saw.

    Raises:
        Interrupted: after Ctrl-C; everything so far is saved.
    """
    from isoscope import training

    voice.say(announced(recipe, out))
    last = Finished()
    with stoppable() as stop, Live("training") as live:
        training.train(
            recipe, *sides, out, report=_both(live.training, last), stop=stop, preview=_preview, resume=resume,
            overwrite=overwrite, weights=weights, ready=partial(_tell_beginning, voice, last),
        )  # fmt: skip
    for line in (*parameters_said(last.run, "ended with"), *verdicts_said(last.run)) if last.run else ():
        voice.say(line)
    if last.run and last.run.vigil.inverted:
        complain(inversion_said(last.run))
    return last


def _tell_beginning(voice: Voice, last: Finished, run: Run) -> None:
    last.run = run
    begins = *parameters_said(run, "begins with"), *gains_said(run)
    for line in (*attempts_said(run), *run.supply.reading, *begins):
        voice.say(line)


def _both(show: Callable[[Progress], None], last: Finished) -> Callable[[Progress], None]:
    def report(progress: Progress) -> None:
        last.progress = progress
        show(progress)

    return report


def _preview(run: Run, step: int) -> None:
    from isoscope.preview import save

    try:
        save(run, step)
    except Exception as error:  # a picture that cannot be drawn must not cost hours of training
        complain(f"warning: no preview at step {step}: {error}")


def _summary(voice: Voice, out: Path, recipe: Recipe, end: Finished, checks: dict[str, Any]) -> None:
    last = end.progress
    recipe = end.run.recipe if end.run else recipe  # another seed may have taken over
    document = {
        "run": str(out), "model": str(out / "model"), "task": recipe.task, "preset": recipe.preset,
        "steps": last.step if last else None, "losses": dict(last.losses) if last else {},
        "waited_for_images": last.waited if last else None,
        "recipe": recipe.model_dump(mode="json"), **verdict_facts(end.run), **checks,
    }  # fmt: skip
    done = f"trained {counted(last.step, 'step')}" if last else "nothing was left to train"
    text = f"{done}; the model is in {out}\nnext: isoscope predict {shlex.quote(str(out))} INPUT... --out OUT"
    remarks = f"{text}{_hint(last.waited if last else 0.0)}"
    voice.finish(document["model"] if voice.quiet else remarks, document)


def _hint(waited: float) -> str:
    """What to do about much waiting."""
    if waited <= _MUCH:
        return ""
    return (
        f"\nhint: {waited:.0%} of the time training waited for images; OME-Zarr (isoscope convert) decodes faster, "
        f"--set training.ram_gib=N holds more of them in memory, and other programs may take the processor"
    )

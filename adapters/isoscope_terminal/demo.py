"""`isoscope demo`: the whole way once, on real images that are already installed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from isoscope.errors import DataError
from isoscope_terminal import options
from isoscope_terminal.checks import compared, say_findings
from isoscope_terminal.evaluate import number
from isoscope_terminal.facts import domains_said, preset_reason
from isoscope_terminal.next_steps import WHITE_ERROR, next_steps
from isoscope_terminal.progress import Live
from isoscope_terminal.stopping import stoppable
from isoscope_terminal.train import run_training
from isoscope_terminal.voice import Voice

if TYPE_CHECKING:
    from isoscope.samples import Sample
    from isoscope.volume import Volume

__all__ = ["demo"]

_TILE = 64
_METRICS = ("psnr", "ssim", "chroma_rmse")
_ROWS = {"input": "grey input", "tint": "grey + mean tint", "table": "luminance table", "prediction": "c2GAN"}


@dataclass(frozen=True, slots=True)
class _Places:
    """What the demo writes."""

    home: Path

    @property
    def run(self) -> Path:
        return self.home / "run"

    @property
    def prediction(self) -> Path:
        return self.home / "prediction.ome.zarr"

    def image(self, name: str) -> Path:
        return self.home / f"{name}.png"


def demo(
    task: Annotated[
        str, typer.Option("--task", help="coloration, denoise, superres, axial, labeling or segment.")
    ] = "coloration",
    out: Annotated[Path, typer.Option("--out", help="Folder to write.")] = Path("isoscope-demo"),
    minutes: Annotated[float, typer.Option("--minutes", help="Train about this long.")] = 3.0,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of everything random.")] = 0,
    overwrite: options.Overwrite = False,
    as_json: options.Json = False,
) -> None:
    """Train, predict and score in a few minutes: learn the colours of a stain from unpaired images of real tissue.

    The other tasks do so on simulated fields, beside filters.
    """
    from isoscope import samples
    from isoscope_terminal.demonstrations import SIMULATED, check_demo, demonstrate
    from isoscope_terminal.object_demo import demonstrate_objects

    voice, places = Voice(as_json), _Places(out)
    if task in SIMULATED:
        demonstrate(task, out, minutes, seed, overwrite, voice)
        return
    if task == "segment":
        demonstrate_objects(out, minutes, seed, overwrite, voice)
        return
    if task not in samples.TASKS:
        known = ", ".join((*samples.TASKS, *SIMULATED, "segment"))
        raise DataError(f"no demo for task {task!r}; tasks with a demo: {known}")
    given = samples.sample(task)
    check_demo(out, overwrite, "run", "held_out.png")
    images = _written(given, places)
    voice.say(
        f"real images are in {out}: source.png (grey), target.png (colour, other tissue), held_out.png, truth.png"
    )
    _trained(images, places, task, minutes, seed, voice, overwrite)
    prediction = _predicted(images["held_out"], places)
    scores = _scores(given, prediction, images["truth"])
    _kept(scores, places)
    _compared(images["held_out"], prediction, images["truth"], places.image("comparison"))
    _told(voice, scores, places, task)


def _written(given: Sample, places: _Places) -> dict[str, Volume]:
    """The images as files, opened again as a user would open them."""
    from isoscope.sources import open_one

    parts = {"source": given.source, "target": given.target, "held_out": given.held_out, "truth": given.truth}
    for name, volume in parts.items():
        _write(volume, places.image(name))
    return {name: open_one(places.image(name))[0] for name in parts}


def _write(volume: Volume, path: Path) -> None:
    from isoscope.volume import Box
    from isoscope.writing.whole import write_whole

    header = volume.header
    write_whole(path, volume.read(Box.whole(header.shape)), "TCZYX", rgb=header.rgb, channels=header.channels)


def _trained(
    images: dict[str, Volume], places: _Places, task: str, minutes: float, seed: int, voice: Voice, overwrite: bool
) -> None:
    from isoscope.device import pick
    from isoscope.proposal import propose

    sides = [images["source"]], [images["target"]]
    proposal = propose(*sides, task=task, user={"training": {"minutes": minutes, "seed": seed}})
    voice.say(f"task {task}; {preset_reason(None, None, proposal.recipe.preset)}; device {pick()}")
    for line in domains_said(proposal, *sides):
        voice.say(line)
    say_findings(compared(proposal, *sides), voice)
    run_training(proposal.recipe, sides, places.run, voice, overwrite=overwrite)


def _predicted(held_out: Volume, places: _Places) -> Volume:
    """The held-out image through tiles into OME-Zarr, opened again."""
    from isoscope import inference
    from isoscope.sources import open_one, store_for_writing

    model = inference.load(places.run).model
    plan = inference.plan(model, held_out, tile=_TILE)
    sink = store_for_writing(places.prediction).create(places.prediction, plan.header, plan.layout)
    with stoppable() as stop, Live("predicting") as live:
        inference.stream(plan, model, held_out, sink, progress=live.update, stop=stop)
    return open_one(places.prediction)[0]


def _scores(given: Sample, prediction: Volume, truth: Volume) -> dict[str, dict[str, float]]:
    """PSNR, SSIM and chroma error of the prediction, the grey input and what colours it without learning shapes."""
    from isoscope.evaluation import evaluate
    from isoscope.samples import references

    report = evaluate([prediction], [truth], [given.held_out])["mean"]
    found = {"input": report["baseline"], "prediction": report["prediction"]}
    for name, volume in references(given).items():
        found[name] = evaluate([volume], [truth])["mean"]["prediction"]
    return {name: {m: found[name][m] for m in _METRICS} for name in _ROWS}


def _better(scores: dict[str, dict[str, float]]) -> dict[str, bool]:
    """Whether the prediction beats each reference in PSNR and in chroma error."""
    mine = scores["prediction"]
    others = {name: s for name, s in scores.items() if name != "prediction"}
    return {name: mine["psnr"] > s["psnr"] and mine["chroma_rmse"] < s["chroma_rmse"] for name, s in others.items()}


def _kept(scores: dict[str, dict[str, float]], places: _Places) -> None:
    from isoscope.durable import write_text

    write_text(
        places.home / "scores.json", json.dumps({"scores": scores, "better_than": _better(scores)}, indent=2) + "\n"
    )


def _compared(held_out: Volume, prediction: Volume, truth: Volume, path: Path) -> None:
    """Input | prediction | truth | error, the left half of the image above the right half, on one grey scale."""
    from isoscope.pictures import error_map, panel, to_display
    from isoscope.volume import Box
    from isoscope.writing.whole import write_whole

    before, made, real = (v.read(Box.whole(v.header.shape)) for v in (held_out, prediction, truth))
    limits = (0.0, 255.0)
    shown = [to_display(image, limits) for image in (before, made, real)] + [error_map(made, real, WHITE_ERROR)]
    middle = shown[0].shape[1] // 2
    rows = [panel([p[:, half] for p in shown]) for half in (slice(None, middle), slice(middle, None))]
    write_whole(path, panel([row.swapaxes(0, 1) for row in rows]).swapaxes(0, 1), "YXC")


def _told(voice: Voice, scores: dict[str, dict[str, float]], places: _Places, task: str) -> None:
    better = _better(scores)
    rows = [[_ROWS[name], *(number(s[m], 1 if m != "ssim" else 3) for m in _METRICS)] for name, s in scores.items()]
    columns = ["held-out tissue", "RGB PSNR (dB)", "SSIM", "chroma RMSE (grey values)"]
    voice.say("the higher PSNR and SSIM, and the lower the chroma error, the better")
    voice.table(columns, rows, numbers=True)
    voice.finish(
        f"{_verdict(better)}\n\n{next_steps(places.home, task)}",
        {"out": str(places.home), "scores": scores, "better_than": better},
    )


def _verdict(better: dict[str, bool]) -> str:
    worse = [_ROWS[name] for name, won in better.items() if not won]
    if not worse:
        return "The trained model is better than all of them, in PSNR and in colour."
    return (
        f"The trained model is NOT better than: {', '.join(worse)}. Train longer (--minutes), or with another --seed."
    )

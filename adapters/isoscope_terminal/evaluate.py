"""`isoscope evaluate`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from isoscope_terminal import options
from isoscope_terminal.facts import counted
from isoscope_terminal.progress import Live
from isoscope_terminal.readers import Reading, reads
from isoscope_terminal.voice import Voice

__all__ = ["evaluate", "number"]

_OF_LABELS = ("dice", "iou", "object_f1", "object_count_error", "objects")
"""Measures of labels; grey values of labels are numbers of objects, and their errors mean nothing."""

_WHERE = "file, store, folder or quoted glob"
_NAMES = {
    "psnr": "PSNR (dB)", "ssim": "SSIM", "nrmse": "NRMSE", "pearson": "Pearson", "psnr_affine": "PSNR, affine (dB)",
    "ssim_affine": "SSIM, affine", "power_low": "lowest radial power ratio", "power_high": "highest radial power ratio",
    "chroma_rmse": "chroma RMSE (grey values)", "dice": "Dice", "iou": "IoU",
    "object_f1": "object F1 at IoU 0.5", "object_count_error": "object count error", "objects": "objects",
    "ssim_foreground": "SSIM of foreground", "frc_pixels": "resolution by FRC (pixels)",
    "frc": "resolution by FRC (truth's unit)", "resolved_pairs": "resolved pairs of peaks",
    "pairs": "pairs in the truth",
}  # fmt: skip

_OF_CHANNELS = ("pearson", "ssim", "ssim_foreground")


@reads("prediction", "truth", "baseline")
def evaluate(
    prediction: Annotated[str, typer.Argument(help=f"What is scored: {_WHERE}.")],
    truth: Annotated[str, typer.Argument(help=f"What it should be: {_WHERE}; paired by sorted order.")],
    reading: Reading,
    baseline: Annotated[str | None, typer.Option("--baseline", help="What was there before: the input.")] = None,
    data_range: Annotated[
        tuple[float, float] | None,
        typer.Option(metavar="LO HI", help="Lowest and highest grey value; else from the truth's type, or range."),
    ] = None,
    norm: Annotated[str, typer.Option(help="Divisor of NRMSE: range, mean or euclidean.")] = "range",
    labels: Annotated[bool, typer.Option("--labels", help="The images are masks or label maps.")] = False,
    resolution: Annotated[
        bool, typer.Option("--resolution", help="Also Fourier ring correlation and resolved pairs of peaks.")
    ] = False,
    as_json: options.Json = False,
) -> None:
    """Measure how far predictions are from the truth, beside the untreated input if it is given."""
    from isoscope import evaluation
    from isoscope.sources import open_all

    predictions, truths = open_all(prediction, reading.of("prediction")), open_all(truth, reading.of("truth"))
    before = open_all(baseline, reading.of("baseline")) if baseline else None
    done = 0
    with Live("evaluating") as live:

        def progress(name: str) -> None:
            nonlocal done
            done += 1
            live.update(done, len(truths), name)

        report = evaluation.evaluate(
            predictions,
            truths,
            before,
            data_range=data_range,
            norm=norm,
            labels=labels,
            resolution=resolution,
            progress=progress,
        )
    Voice(as_json).deliver(report) if as_json else _tables(Voice(), report)


def number(value: float | None, digits: int = 3) -> str:
    """A score for a table; what could not be computed is a dash."""
    return "-" if value is None else f"{value:.{digits}f}"


def _tables(voice: Voice, report: dict[str, Any]) -> None:
    sides = list(report["mean"])
    low, high = report["data_range"]
    spread = ", mean ± sd over images" if len(report["images"]) > 1 else ""
    voice.say(f"{counted(len(report['images']), 'image')}, data range {low:g} to {high:g}{spread}")
    voice.table(["", *sides], _rows(report, sides), numbers=True)
    if len(report["mean"][sides[0]]["channels"]) > 1 and "pearson" in report["mean"][sides[0]]:
        channels = enumerate(zip(*(report["mean"][s]["channels"] for s in sides), strict=True))
        columns = ["channel", *(f"{s} {_NAMES[m]}" for s in sides for m in _OF_CHANNELS)]
        voice.table(
            columns,
            ([str(n), *(number(c.get(m)) for c in each for m in _OF_CHANNELS)] for n, each in channels),
            numbers=True,
        )
    if len(report["images"]) > 1:
        brief = ("dice", *_OF_LABELS[2:4]) if "dice" in report["mean"][sides[0]] else ("psnr", "ssim")
        columns = ["image", *(f"{s} {_NAMES[m]}" for s in sides for m in brief)]
        voice.table(columns, ([i["name"], *_brief(i, sides, brief)] for i in report["images"]), numbers=True)
        worst = report["worst"]
        voice.say(f"worst by {_NAMES[worst['measure']]}: {', '.join(worst['images'])}")


def _rows(report: dict[str, Any], sides: list[str]) -> list[list[str]]:
    means, spreads = report["mean"], report["sd"]
    known = [key for key in means[sides[0]] if key != "channels"]
    keys = _OF_LABELS if "dice" in known else known
    return [[_NAMES.get(key, key), *(_pair(means[s].get(key), spreads[s].get(key)) for s in sides)] for key in keys]


def _pair(mean: float | None, spread: float | None) -> str:
    return number(mean) if spread is None else f"{number(mean)} ± {number(spread)}"


def _brief(image: dict[str, Any], sides: list[str], measures: tuple[str, ...]) -> list[str]:
    return [number(image[s][m]) for s in sides for m in measures]

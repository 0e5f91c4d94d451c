"""The table of a comparison, and what has to be said below it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from isoscope_terminal.evaluate import number
from isoscope_terminal.facts import counted

__all__ = ["standings"]

_FEW = 5
"""Test images below which an interval says little."""
_COLUMNS = {
    "psnr_affine": ("PSNR affine", 2), "ssim_affine": ("SSIM affine", 3), "psnr": ("PSNR", 2), "ssim": ("SSIM", 3),
    "nrmse": ("NRMSE", 3), "pearson": ("Pearson", 3), "chroma_rmse": ("chroma", 2),
}  # fmt: skip


def standings(document: dict[str, Any], rgb: bool) -> tuple[list[str], list[list[str]], list[str]]:
    """Columns, a row for each arm, and notes.

    Args:
        document: from `comparison.document`.
        rgb: colour pictures are judged as they are, grey ones after an affine fit.
    """
    main = "psnr" if rgb else "psnr_affine"
    shown = {key: column for key, column in _COLUMNS.items() if any(key in arm["mean"] for arm in document["arms"])}
    reference = document["reference"]
    columns = ["arm", *(_headed(key, main, name) for key, (name, _) in shown.items())]
    columns += ["power ratio", f"{shown[main][0]} − {reference}", "min"]
    rows = [_row(arm, shown, main, reference) for arm in document["arms"]]
    return columns, rows, list(_notes(document))


def _headed(key: str, main: str, name: str) -> str:
    return f"{name} [95 %]" if key == main else name


def _row(arm: dict[str, Any], shown: dict[str, tuple[str, int]], main: str, reference: str) -> list[str]:
    mean, minutes = arm["mean"], [run["minutes"] for run in arm["seeds"] if run["minutes"] is not None]
    cells = []
    for key, (_, digits) in shown.items():
        span = _span(arm["interval"].get(key), digits) if key == main else ""
        cells.append(number(mean.get(key), digits) + span)
    difference = arm["difference"].get(main) if arm["name"] != reference else None
    gap = "-" if difference is None else f"{difference['mean']:+.2f}{_span(difference['interval'], 2)}"
    power = f"{number(mean.get('power_low'), 2)} – {number(mean.get('power_high'), 2)}"
    return [arm["name"], *cells, power, gap, number(sum(minutes) / len(minutes), 1) if minutes else "-"]


def _span(interval: list[float] | None, digits: int) -> str:
    return "" if interval is None else f" [{interval[0]:.{digits}f}, {interval[1]:.{digits}f}]"


def _notes(document: dict[str, Any]) -> Iterator[str]:
    for arm in document["arms"]:
        settings = ", ".join(f"{key} {value:g}" for key, value in arm["parameters"].items())
        if told := "; ".join(part for part in (settings, arm["note"]) if part):
            yield f"{arm['name']}: {told}"
        for run in arm["seeds"]:
            if run["failed"]:
                yield f"{arm['name']}, seed {run['seed']}: failed and left out ({run['failed']})"
    images = len(document["images"])
    most = max(len(arm["seeds"]) for arm in document["arms"])
    low, high = document["data_range"]
    yield (
        f"means over {counted(images, 'test image')} and {counted(most, 'seed')}; data range {low:g} to {high:g}; "
        f"affine: after one positive fit per image and channel; chroma: RMSE of colour alone in grey values; power "
        f"ratio: lowest and highest radial power over the truth's up to half of Nyquist, 1 is right"
    )
    if images < _FEW:
        yield f"intervals over {counted(images, 'image')} say little: test on more"

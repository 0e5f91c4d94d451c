"""The table, the notes and the panels of a sweep."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from isoscope_terminal.evaluate import number
from isoscope_terminal.facts import counted
from isoscope_terminal.plotting import Level, Panel, Series

__all__ = ["learning_notes", "learning_rows", "panels"]

Document = Mapping[str, Any]

_GREY = {"psnr_affine": ("PSNR affine", 2), "ssim_affine": ("SSIM affine", 3), "nrmse": ("NRMSE", 3)}
_COLOUR = {"psnr": ("PSNR", 2), "ssim": ("SSIM", 3), "chroma_rmse": ("chroma", 2)}


def _metrics(rgb: bool) -> dict[str, tuple[str, int]]:
    """Colour pictures are judged as they are, grey ones after an affine fit; the first is the one that counts."""
    return _COLOUR if rgb else _GREY


def learning_rows(document: Document, rgb: bool) -> tuple[list[str], list[list[str]]]:
    """Columns, and a row for every recipe and size, then for every filter.

    Args:
        document: from `comparison.document`, with its `curves`.
        rgb: the test images are in colour.
    """
    shown = _metrics(rgb)
    columns = ["recipe", "patches", *(name if n else f"{name} [95 %]" for n, (name, _) in enumerate(shown.values()))]
    rows = [
        [curve["name"], str(point["patches"]), *_cells(point, shown), _spread(point, next(iter(shown)))]
        for curve in document["curves"]
        for point in curve["points"]
    ]
    rows += [[arm["name"], "-", *_cells(arm, shown), "-"] for arm in _baselines(document)]
    return [*columns, "SD of seeds"], rows


def _baselines(document: Document) -> list[Document]:
    return [arm for arm in document["arms"] if arm["kind"] == "baseline"]


def _cells(point: Document, shown: Mapping[str, tuple[str, int]]) -> Iterator[str]:
    for n, (key, (_, digits)) in enumerate(shown.items()):
        span = point["interval"].get(key) if n == 0 else None
        ends = f" [{span[0]:.{digits}f}, {span[1]:.{digits}f}]" if span else ""
        yield number(point["mean"].get(key), digits) + ends


def _spread(point: Document, key: str) -> str:
    return number(point["sd"].get(key), 2)


def learning_notes(document: Document, rgb: bool) -> Iterator[str]:
    """Where curves level off, what failed, and what the figures are."""
    key, (name, _) = next(iter(_metrics(rgb).items()))
    for curve in document["curves"]:
        at, largest = curve["plateau"].get(key), curve["points"][-1]["patches"]
        if at is not None and at < largest:
            yield f"{curve['name']}: {name} levels off at {at} patches (within one SD of seeds of the best)"
        elif at is not None:
            yield f"{curve['name']}: {name} still rises at {at} patches"
        for point in curve["points"]:
            if point["failed"]:
                yield f"{curve['name']}, {point['patches']} patches: {counted(point['failed'], 'seed')} failed"
    low, high = document["data_range"]
    yield (
        f"means over {counted(len(document['images']), 'test image')} and seeds; data range {low:g} to {high:g}; "
        f"limits of grey values and thresholds are those of all images"
    )


def panels(document: Document, rgb: bool) -> list[Panel]:
    """A panel for every metric that was scored, filters as dashed lines."""
    made = []
    for key, (name, _) in _metrics(rgb).items():
        series = [s for curve in document["curves"] if (s := _series(curve["name"], curve["points"], key)).xs]
        levels = [Level(a["name"], a["mean"][key]) for a in _baselines(document) if a["mean"].get(key) is not None]
        if series:
            made.append(Panel(name, "patches of each side", series, levels))
    return made


def _series(name: str, points: Sequence[Document], key: str) -> Series:
    known = [point for point in points if point["mean"].get(key) is not None]
    ys = [point["mean"][key] for point in known]
    spans = [point["interval"].get(key) or (y, y) for point, y in zip(known, ys, strict=True)]
    lows, highs = ([span[end] for span in spans] for end in (0, 1))
    return Series(name, [point["patches"] for point in known], ys, lows, highs)

"""`isoscope info`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from isoscope_terminal import options
from isoscope_terminal.bars import bars
from isoscope_terminal.facts import counted
from isoscope_terminal.readers import Reading, reads
from isoscope_terminal.voice import Voice

if TYPE_CHECKING:
    from isoscope.reading import ReadOptions
    from isoscope.volume import Volume

__all__ = ["info"]

_MOST = 8
"""Images that are looked into one by one; a set of more is looked at as a whole."""


@reads()
def info(
    path: Annotated[str, typer.Argument(help="A file, a store, a folder or a quoted glob.")],
    reading: Reading,
    as_json: options.Json = False,
) -> None:
    """Say what images are: size, axes, type, pixel size, channels, grey values and how much of them is content.

    Only samples are read, so that it takes no longer for large images.
    """
    document = _looked_at(path, reading.of())
    voice = Voice(as_json)
    if as_json:
        voice.deliver(document)
    else:
        voice.show("\n\n".join(_pages(document)))


def _looked_at(where: str, options: ReadOptions) -> dict[str, Any]:
    """Facts of the first images each, of the others what their files say, and of the set as a whole."""
    from isoscope.sources import find, open_one
    from isoscope_terminal.measured import levels, measured, stated

    images: list[dict[str, Any]] = []
    volumes: list[Volume] = []
    for path in find(where):
        for volume in open_one(path, options):
            facts = stated(volume)
            if len(volumes) < _MOST:
                facts |= {"levels": levels(path, options), **measured([volume])}
            images.append(facts)
            volumes.append(volume)
    return {"images": images, "set": _set(volumes)}


def _set(volumes: Sequence[Volume]) -> dict[str, Any] | None:
    """What training would see in several images of one kind; for one image, and for a mixture, nothing."""
    from isoscope.errors import DataError
    from isoscope.survey import check_alike
    from isoscope_terminal.measured import measured

    if len(volumes) == 1:
        return None
    try:
        check_alike(volumes, "the images")
    except DataError as error:
        return {"images": len(volumes), "note": str(error)}
    return {"images": len(volumes), **measured(volumes)}


_LABELS = {
    "shape": "shape (TCZYX)", "axes": "axes in the file", "dtype": "type", "pixel_size_zyx": "pixel size (z, y, x)",
    "unit": "unit", "channels": "channels", "rgb": "RGB", "chunk": "chunk (TCZYX)", "shard": "shard (TCZYX)",
    "not_finite": "NaN or infinite", "foreground": "content, fraction", "threshold": "content, threshold",
    "polarity": "content is", "note": "note",
}  # fmt: skip


def _pages(document: Mapping[str, Any]) -> Iterator[str]:
    images, whole = document["images"], document["set"]
    for facts in images[:_MOST]:
        yield "\n".join([facts["name"], *_lines(facts)])
    if images[_MOST:]:
        yield "\n".join(f"{f['name']}  {_said(f['shape'])}  {f['dtype']}" for f in images[_MOST:])
    if whole is not None:
        yield "\n".join([f"all {counted(whole['images'], 'image')} together", *_lines(whole)])


def _lines(facts: Mapping[str, Any]) -> Iterator[str]:
    """One image or set, a fact per line; what is not known is left out."""
    known = {key: facts.get(key) for key in _LABELS}
    yield from (f"  {_LABELS[key]:22}{_said(value)}" for key, value in known.items() if value not in (None, []))
    if len(facts.get("levels", [])) > 1:
        yield f"  {'levels (y, x)':22}" + ", ".join(f"{n}: {y} x {x}" for n, (*_, y, x) in enumerate(facts["levels"]))
    for q, values in facts.get("quantiles", {}).items():
        yield f"  {f'{float(q):.0%} of values up to':22}{_said(values)}"
    yield from _drawn(facts)
    yield from _tasks(facts.get("tasks", {}))


def _drawn(facts: Mapping[str, Any]) -> Iterator[str]:
    """A histogram for each of the first channels."""
    names = ["red", "green", "blue"] if facts.get("rgb") else facts.get("channels") or []
    found = facts.get("histograms", [])
    for channel, counts in enumerate(found[:3]):
        if counts is not None:
            name = "" if len(found) == 1 else f" of {names[channel] if channel < len(names) else f'channel {channel}'}"
            yield f"  histogram{name}, square roots of counts"
            yield from (f"    {line}" for line in bars(counts["counts"]))
            low, high = _said(counts["low"]), _said(counts["high"])
            yield f"    {low}{high:>{max(1, len(counts['counts']) - len(low))}}"


def _tasks(tasks: Mapping[str, Any]) -> Iterator[str]:
    for name, sides in tasks.items():
        for side, answer in sides.items():
            yield f"  {f'{name}, as {side}':22}{_answer(answer)}"


def _answer(answer: Mapping[str, Any]) -> str:
    if not answer["fits"]:
        return f"no: {answer['why_not']}"
    sets = "".join(f", {key}={str(value).lower()}" for key, value in answer["sets"].items())
    return f"yes, with {answer['with']}{sets}"


def _said(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(_said, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "-" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)

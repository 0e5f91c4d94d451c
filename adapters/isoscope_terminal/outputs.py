"""Where predictions go: names and formats of outputs, and refusals before anything is computed."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from isoscope.errors import DataError, PluginError

if TYPE_CHECKING:
    from isoscope.volume import Header, Layout
    from isoscope_terminal.inputs import Item

__all__ = ["Plan", "check_places", "check_writable", "finished", "place"]

_FALLBACK = ".ome.zarr"
_RESUMABLE = (".ome.zarr", ".zarr")


class Plan(Protocol):
    """What is known of an output before it is computed: a prediction's plan, or a conversion's."""

    @property
    def header(self) -> Header:
        """What it will be."""

    @property
    def layout(self) -> Layout:
        """How it will be cut."""


def _written() -> list[str]:
    """Every suffix that some store writes, longest first."""
    from isoscope import kinds

    found: set[str] = set()
    for name in kinds.stores:
        try:
            found |= set(kinds.stores[name]().writes)
        except PluginError:  # a broken store writes nothing, and harms nobody
            continue
    return sorted(found, key=len, reverse=True)


def _suffix(path: Path) -> str | None:
    return next((s for s in _written() if path.name.lower().endswith(s)), None)


def place(
    items: Sequence[Item], plans: Sequence[Plan], out: Path, suffix: str | None = None, *, unusable: int = 0
) -> list[Path]:
    """The output of each image: OUT itself for one image and an OUT with a suffix, else files in the folder OUT.

    Args:
        items: the images.
        plans: what becomes of each.
        out: a file or a folder.
        suffix: of the files in a folder; none: the input's own where it can be written, else OME-Zarr's.
        unusable: how many more images were given.

    Raises:
        DataError: if OUT cannot be either, or two images would become one file.
    """
    named = re.search(r"\.[A-Za-z][A-Za-z0-9]*$", out.name) is not None
    given = len(items) + unusable
    if given == 1 and named and (_suffix(out) or not out.is_dir()):
        check_writable(plans[0], out.name)
        return [out]
    if _suffix(out) or out.is_file():
        raise DataError(f"got {given} image(s) for the one file {out}; expected a folder; give another output")
    places = [out / _name(item, plan, suffix) for item, plan in zip(items, plans, strict=True)]
    for path, first, second in _twice(places, items):
        raise DataError(f"{first} and {second} would both become {path}; give them different folders")
    return places


def _twice(places: Sequence[Path], items: Sequence[Item]) -> Iterator[tuple[Path, Path, Path]]:
    seen: dict[Path, Path] = {}
    for path, item in zip(places, items, strict=True):
        if path in seen:
            yield path, seen[path], item.path
        seen[path] = item.path


def _name(item: Item, plan: Plan, wanted: str | None) -> str:
    """The stem of an image with the suffix wanted, or its own, or OME-Zarr's where that format cannot hold it."""
    if wanted is not None:
        name = item.volume.header.name + wanted
        check_writable(plan, name)
        return name
    stem, suffix = item.volume.header.name, _suffix(item.path)
    if suffix is not None:
        try:
            check_writable(plan, stem + suffix)
        except DataError:
            suffix = None
    return stem + (suffix or _FALLBACK)


def check_writable(plan: Plan, name: str) -> None:
    """Start such an image in a scratch folder and give it up at once, to know whether the format can hold it.

    Raises:
        DataError: if it cannot.
    """
    from isoscope.sources import store_for_writing

    with tempfile.TemporaryDirectory(prefix="isoscope-") as scratch:
        path = Path(scratch) / name
        try:
            store_for_writing(path).create(path, plan.header, plan.layout).discard()
        except DataError as error:
            raise DataError(str(error).replace(str(path), name)) from error


def finished(path: Path, resume: bool) -> bool:
    """Whether a resumed command leaves an output alone: OME-Zarr tells itself whether it is the same, others cannot."""
    return resume and path.exists() and _suffix(path) not in _RESUMABLE


def check_places(places: Sequence[Path], items: Sequence[Item], overwrite: bool, resume: bool = False) -> None:
    """Refuse to write over an input, over anything without --overwrite, and over a folder that is no image.

    What an interrupted command has done counts as much as what is finished: it may be the work of hours.

    Raises:
        DataError: naming the first such output.
    """
    from isoscope.writing.draft import pending

    inputs = [item.path.resolve() for item in items]
    for path in places:
        _check_apart(path, inputs)
        if not (resume or overwrite) and pending(path):
            raise DataError(f"{path} was begun and is not finished; --resume it, or --overwrite it")
        if path.exists() and not resume:
            _check_replaceable(path, overwrite)


def _check_apart(path: Path, inputs: Sequence[Path]) -> None:
    home = path.resolve()
    for given in inputs:
        if home == given or given in home.parents or home in given.parents:
            raise DataError(f"the output {path} lies in the input {given} or holds it; choose another --out")


def _check_replaceable(path: Path, overwrite: bool) -> None:
    from isoscope.sources import open_one
    from isoscope.writing.verification import has_ledger

    if not overwrite:
        raise DataError(f"{path} exists; choose another --out, or --overwrite it")
    if (path.is_dir() or _suffix(path) == _FALLBACK) and not has_ledger(path):
        try:
            open_one(path)
        except DataError as error:
            raise DataError(f"{path} exists and is not an image, so it is not overwritten ({error})") from None

"""From what a user names (a file, a store, a folder, a glob) to volumes."""

from __future__ import annotations

import glob
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from isoscope import kinds
from isoscope.errors import DataError, PluginError
from isoscope.kinds import Store
from isoscope.listing import listed
from isoscope.parameters import Component, build
from isoscope.reading import ReadOptions, adjust
from isoscope.volume import Volume

__all__ = ["find", "open_all", "open_one", "store_for_reading", "store_for_writing", "virtual"]

_log = logging.getLogger(__name__)
_REMEDY = "save images as one of these, or choose another place"


def _stores() -> Iterator[Store]:
    return (store for _, store in _named_stores())


def _named_stores() -> Iterator[tuple[str, Store]]:
    """Every store that can be imported: a broken third-party one must not break the others."""
    for name in kinds.stores:
        try:
            yield name, kinds.stores[name]()
        except PluginError as error:
            _log.warning("%s", error)


def store_for_reading(path: Path) -> Store | None:
    """The store that claims a path, or None."""
    return next((store for store in _stores() if store.claims(path)), None)


def store_for_writing(path: Path, parameters: Mapping[str, Any] | None = None) -> Store:
    """The store that writes files with this suffix.

    Args:
        path: the output.
        parameters: of the store, such as `{"version": "0.4"}` of OME-Zarr.

    Raises:
        DataError: if none does.
        RecipeError: if it has no such parameters.
    """
    known: list[str] = []
    for name, store in _named_stores():
        if any(path.name.lower().endswith(s) for s in store.writes):
            return build(kinds.stores, Component(name=name, **parameters)) if parameters else store
        known += store.writes
    raise DataError(f"cannot write {path.name!r}; expected one of {', '.join(sorted(known))}")


def virtual(path: Path) -> bool:
    """Whether a store makes the images of that name, so that nothing need lie there."""
    return ":" in path.name and getattr(store_for_reading(path), "virtual", False)


def _readable(path: Path) -> bool:
    return not path.name.startswith(".") and store_for_reading(path) is not None


def find(where: str | Path) -> list[Path]:
    """The image paths behind a file, store, folder or glob, sorted by name, or in a CSV file, in its order.

    What a CSV names and nobody finds comes as it is named: opening it tells, and stops no other image of the list.

    Raises:
        DataError: if there is nothing, or nothing readable.
    """
    path = Path(where)
    if path.suffix.lower() == ".csv":
        return [found for entry in listed(path) for found in _entered(entry)]
    if virtual(path) or path.is_file() or (path.is_dir() and store_for_reading(path)):
        return [path]
    if path.is_dir():
        inside = sorted(path.iterdir())
        found = [p for p in inside if _readable(p)]
        for other in set(inside) - set(found):
            if not other.name.startswith("."):
                _log.info("%s is not an image that we read; left out", other)
        if not found:
            held = f"{len(inside)} {'entry' if len(inside) == 1 else 'entries'}"
            raise DataError(f"{path} holds no image that we read ({held}); expected {_formats()}; {_REMEDY}")
        return found
    matches = sorted(Path(p) for p in glob.glob(str(where), recursive=True))  # noqa: PTH207 (where may be absolute)
    if not matches:
        raise DataError(f"nothing at {where}; expected a file, a store, a folder, a CSV or a quoted glob")
    return matches


def _entered(entry: Path) -> list[Path]:
    """What an entry of a CSV names; another list is none, as it might name the first."""
    try:
        return [entry] if entry.suffix.lower() == ".csv" else find(entry)
    except DataError:
        return [entry]


def _formats() -> str:
    return ", ".join(sorted({s for store in _stores() for s in store.suffixes}))


def open_one(path: Path, options: ReadOptions = ReadOptions()) -> list[Volume]:
    """The volumes of one file or store, read as the user says.

    Raises:
        DataError: if no store claims it, it cannot be read, or it has not what was asked for.
    """
    if not path.exists() and not virtual(path):
        raise DataError(f"nothing at {path}; expected a file, a store, a folder or a quoted glob")
    store = store_for_reading(path)
    if store is None:
        raise DataError(f"{path} is not an image that we read; expected {_formats()}; {_REMEDY}")
    asked = options.file != ReadOptions()  # a store that takes no options is good enough where there are none
    volumes = store.open(path, options.file) if asked else store.open(path)
    return [adjust(volume, options, path) for volume in volumes]


def open_all(where: str | Path, options: ReadOptions = ReadOptions()) -> list[Volume]:
    """All volumes behind a file, store, folder, glob or CSV, in sorted order, each read as the user says."""
    return [v for path in find(where) for v in open_one(path, options)]

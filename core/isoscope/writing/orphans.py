"""What `durable.publish` leaves behind when its process is killed: files under temporary names."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from pathlib import Path

from isoscope.writing import lease

__all__ = ["is_temporary", "sweep", "sweep_beside"]

_TEMPORARY = re.compile(r"\.(.+)\.(\d+)-[0-9a-f]+\.partial")
_STALE = 3600.0
"""Seconds after which nobody can still be writing a temporary file, whatever process has its number."""


def is_temporary(file: Path) -> bool:
    """Whether a file has such a name."""
    return _TEMPORARY.fullmatch(file.name) is not None


def sweep(folder: Path) -> None:
    """Remove what is in a folder or below, but for what a living process may be writing."""
    _remove(folder.rglob(".*.partial"))


def sweep_beside(path: Path) -> None:
    """Remove what should have become the file `path`."""
    found = path.parent.glob(".*.partial")
    _remove(f for f in found if (named := _TEMPORARY.fullmatch(f.name)) and named[1] == path.name)


def _remove(files: Iterable[Path]) -> None:
    for file in files:
        if file.is_file() and _abandoned(file):
            file.unlink(missing_ok=True)


def _abandoned(file: Path) -> bool:
    named = _TEMPORARY.fullmatch(file.name)
    return named is not None and (not lease.runs(int(named[2])) or time.time() - file.stat().st_mtime > _STALE)

"""What is left behind when a process is killed: files of `durable.publish` and begun drafts, under temporary names."""

from __future__ import annotations

import re
import shutil
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
    """Remove what should have become `path`."""
    found = path.parent.glob(".*.partial")
    _remove(f for f in found if (named := _TEMPORARY.fullmatch(f.name)) and named[1] == path.name)


def _remove(files: Iterable[Path]) -> None:
    for file in files:
        if not _abandoned(file):
            continue
        if file.is_dir():
            shutil.rmtree(file, ignore_errors=True)
        else:
            file.unlink(missing_ok=True)


def _abandoned(file: Path) -> bool:
    named = _TEMPORARY.fullmatch(file.name)
    if named is None:
        return False
    try:
        return not lease.runs(int(named[2])) or time.time() - file.stat().st_mtime > _STALE
    except FileNotFoundError:  # whoever wrote it has just moved it to its place
        return False

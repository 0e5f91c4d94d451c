"""Images listed in a CSV file."""

from __future__ import annotations

import csv
from pathlib import Path

from isoscope.errors import refusal

__all__ = ["listed"]

_COLUMNS = ("path", "input", "image", "file")
_LIMIT = 64 * 2**20


def listed(path: Path) -> list[Path]:
    """The files, stores and folders in the column `path` (or input, image, file) of a CSV, relative to where it lies.

    A CSV of one column needs no heading. Empty lines are passed over.

    Raises:
        DataError: if it is no such file, or names nothing.
    """
    rows = _rows(path)
    names = [cell.strip().lower() for cell in rows[0]]
    column = next((names.index(known) for known in _COLUMNS if known in names), None)
    if column is None and len(names) > 1:
        raise refusal(path, f"columns {', '.join(names)}", f"one called {' or '.join(_COLUMNS)}", "name it in line 1")
    cells = [row[column or 0].strip() if len(row) > (column or 0) else "" for row in rows[column is not None :]]
    found = [path.parent / cell for cell in cells if cell]
    if not found:
        raise refusal(path, "no image in it", "one per line", "list some")
    return found


def _rows(path: Path) -> list[list[str]]:
    try:
        if (size := path.stat().st_size) > _LIMIT:
            raise refusal(path, f"{size} bytes", f"a list of at most {_LIMIT}", "split it")
        with path.open(encoding="utf-8-sig", newline="") as handle:
            rows = [row for row in csv.reader(handle, skipinitialspace=True) if any(cell.strip() for cell in row)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise refusal(path, f"no list ({error})", "a CSV file", "check the path, or write it as UTF-8") from error
    if not rows:
        raise refusal(path, "an empty file", "one image per line", "list some")
    return rows

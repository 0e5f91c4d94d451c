"""The losses of a run, as a plain CSV file."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from isoscope.durable import write_text

__all__ = ["HistoryFile"]


class HistoryFile:
    """A CSV file that grows by a row per report and can be cut back to a checkpoint.

    Args:
        path: of the file; the header is written with the first row.
        columns: of every row; a term that is switched off leaves its cell empty.
    """

    def __init__(self, path: Path, columns: Sequence[str]) -> None:
        self.path, self.columns = path, list(columns)

    def write(self, row: Mapping[str, float]) -> None:
        """Append one row; names that are not columns are dropped."""
        fresh = not self.path.exists() or not self.path.stat().st_size
        with self.path.open("a", newline="", encoding="utf-8") as handle:
            writer = csv.DictWriter(handle, self.columns, extrasaction="ignore")
            if fresh:
                writer.writeheader()
            writer.writerow(row)

    def cut(self, step: int) -> None:
        """Drop the rows after `step`, which a resumed run will write again."""
        if not self.path.exists():
            return
        with self.path.open(newline="", encoding="utf-8") as handle:
            rows = [r for r in csv.DictReader(handle) if int(r["step"]) <= step]
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, self.columns)
        writer.writeheader()
        writer.writerows(rows)
        write_text(self.path, text.getvalue())

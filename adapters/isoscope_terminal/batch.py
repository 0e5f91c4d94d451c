"""Many images, one after another: what fails stops only itself, and is told at the end."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from isoscope.durable import write_json
from isoscope.errors import Interrupted
from isoscope_terminal.facts import counted
from isoscope_terminal.progress import Live
from isoscope_terminal.stopping import stoppable
from isoscope_terminal.voice import Voice, complain, told

if TYPE_CHECKING:
    from isoscope.volume import Box, Sink

__all__ = ["REPORT", "Tidy", "Work", "run_all", "summary", "unfamiliar_said"]

REPORT = "isoscope-report.json"
"""What became of every image of a folder, beside them."""

_MANY = 0.005
"""Part of an input beyond what a model learned from, from which on it is told."""

Progress = Callable[[int], None]
Stop = Callable[[], bool]


@dataclass(frozen=True, slots=True)
class Work:
    """What is to be done for one image.

    Attributes:
        name: of the image.
        output: what is written.
        size: parts of the work, for the progress.
        do: does it, given what is told how many parts are done and what says whether to stop; facts for the report.
        done_before: the output is there and stays as it is.
    """

    name: str
    output: Path
    size: int
    do: Callable[[Progress, Stop], Mapping[str, Any]]
    done_before: bool = False


def run_all(works: Sequence[Work], label: str) -> list[dict[str, Any]]:
    """Do everything; seconds and facts of each, or the `error` that ended it and its exit `code`.

    Raises:
        IsoscopeError: that of the only image.
        Interrupted: after Ctrl-C; what is finished stays.
    """
    reports: list[dict[str, Any]] = []
    total, before = sum(work.size for work in works), 0
    with stoppable() as stop, Live(label) as live:
        for number, work in enumerate(works, 1):
            detail = work.name if len(works) == 1 else f"{number} of {counted(len(works), 'image')}: {work.name}"

            def progress(done: int, start: int = before, detail: str = detail) -> None:
                live.update(start + done, total, detail)

            reports.append(_one(work, progress, stop, alone=len(works) == 1))
            before += work.size
            progress(work.size)
    return reports


def _one(work: Work, progress: Progress, stop: Stop, alone: bool) -> dict[str, Any]:
    if work.done_before:
        return {"seconds": 0.0, "kept": True, "error": None}
    started = time.monotonic()
    try:
        with _no_new_folder(work.output) if alone else contextlib.nullcontext():
            facts = work.do(progress, stop)
    except Exception as error:
        if alone or isinstance(error, Interrupted):
            raise
        text, code = told(error)
        return {"error": text.removeprefix("error: "), "code": code}
    return {**facts, "seconds": round(time.monotonic() - started, 3), "kept": False, "error": None}


@contextlib.contextmanager
def _no_new_folder(path: Path) -> Iterator[None]:
    """Where work fails, remove the folders that were made for its output and hold nothing."""
    missing = [folder for folder in path.parents if not folder.exists()]
    try:
        yield
    except BaseException:
        with contextlib.suppress(OSError):  # the first that holds something ends it: --resume may need what it holds
            for folder in missing:
                folder.rmdir()
        raise


class Tidy:
    """A sink that, given up, keeps for --resume what of its output is written, and leaves nothing of any other.

    Args:
        sink: where the shards go.
        boxes: gives its shards.
    """

    def __init__(self, sink: Sink, boxes: Callable[[], Iterable[Box]]) -> None:
        self._sink, self._boxes = sink, boxes
        self.write, self.written, self.close, self.discard = sink.write, sink.written, sink.close, sink.discard

    def abort(self) -> None:
        """Stop here."""
        # any shard: others may have made them in another order, or the first may be the damaged one
        self._sink.abort() if any(map(self._sink.written, self._boxes())) else self._sink.discard()


def summary(voice: Voice, out: Path, reports: Sequence[Mapping[str, Any]], document: dict[str, Any]) -> None:
    """Tell what became of every image, and leave with the exit code of the failures.

    Raises:
        Exit: if any failed: 1 if one of them was our fault, else 2.
    """
    failed = [r for r in reports if r.get("error")]
    if len(reports) > 1 and not voice.quiet:
        columns = ["image", "output", "seconds", "clipped", ""]
        voice.table(columns, [_row(r) for r in reports])
    for report in failed:
        complain(f"error: {report['error']}")
    left = f"; {len(failed)} failed" if failed else ""
    text = f"wrote {counted(len(reports) - len(failed), 'image')} to {out}{left}"
    document = {**document, "failed": len(failed)}
    kept = len(reports) < 2 or not out.is_dir() or _written(out / REPORT, document)
    voice.finish(text, document)
    if failed or not kept:
        raise typer.Exit(min([r["code"] for r in failed], default=2))


def _written(path: Path, document: Mapping[str, Any]) -> bool:
    """Write the report; a disk that refuses it is told of, and takes back nothing that was done."""
    try:
        write_json(path, document)
    except OSError as error:
        complain(f"error: {path}: cannot be written ({error.strerror}); free space, and go on with --resume")
        return False
    return True


def _row(report: Mapping[str, Any]) -> list[str]:
    if report.get("error"):
        return [report["name"], "-", "-", "-", "failed"]
    clipped = report.get("clipped_fraction")
    share = "-" if clipped is None else f"{clipped:.2%}"
    state = "kept" if report["kept"] else "done" + unfamiliar_said(report)
    return [report["name"], report["output"], f"{report['seconds']:.1f}", share, state]


def unfamiliar_said(report: Mapping[str, Any]) -> str:
    """That much of an input is beyond all that a model learned from, where it is."""
    share = report.get("unfamiliar_fraction") or 0.0
    return f", {share:.1%} of the input beyond what it learned from: trust nothing there" if share > _MANY else ""

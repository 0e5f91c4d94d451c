"""Whether outputs are what was written: each file of them against the ledger that lies in them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from isoscope import kinds
from isoscope.durable import fault
from isoscope.errors import DataError, Interrupted, PluginError, refusal
from isoscope.sources import find, store_for_reading
from isoscope.writing import lease
from isoscope.writing.decoding import decode
from isoscope.writing.draft import draft_path, final_path
from isoscope.writing.gathering import INSIDE
from isoscope.writing.ledger import HIDDEN, Ledger
from isoscope.writing.orphans import is_temporary

__all__ = ["Fault", "Report", "examine", "has_ledger", "outputs"]

Progress = Callable[[int, int], None]
Stop = Callable[[], bool]


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is not as it should be: of which part, in which file (a path within the output), what."""

    part: str
    file: str | None
    what: str


@dataclass(slots=True)
class Report:
    """What was found of one output.

    Attributes:
        output: its name, whether it has it yet or not.
        state: finished; unfinished; decoded, where there is no ledger to check it against.
        parts: how many it consists of: shards of all levels, and metadata.
        damaged: what is no longer as it was written.
        missing: what is not there.
        leftover: files that do not belong to it, as paths within it.
        remade: parts that were written again with other bytes than the first time.
        notes: what else is worth knowing.
        fingerprint: all that decided its bytes.
    """

    output: Path
    state: Literal["finished", "unfinished", "decoded"]
    parts: int = 0
    damaged: list[Fault] = field(default_factory=list)
    missing: list[Fault] = field(default_factory=list)
    leftover: list[str] = field(default_factory=list)
    remade: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    fingerprint: dict[str, Any] = field(default_factory=dict)

    @property
    def well(self) -> bool:
        """Whether it is whole and as it was written, as far as that can be told."""
        return self.state != "unfinished" and not self.damaged and not self.missing


def outputs(where: str | Path) -> list[Path]:
    """What can be examined behind a file, store, folder or glob: finished outputs, and the drafts of unfinished ones.

    Raises:
        DataError: if there is nothing.
    """
    path = Path(where)
    found = _named(path)
    if not found and path.is_dir():
        found = [p for p in sorted(path.iterdir()) if _is_draft(p) or (not p.name.startswith(".") and _is_output(p))]
    if not (found := found or [root for image in find(where) for root in _listed(image)]):
        raise refusal(where, "neither an image nor an output of ours", "one of them", "check the path")
    return found


def _listed(image: Path) -> list[Path]:
    """The same; what a list names has to be there."""
    if not (found := _named(image)) and not image.exists():
        raise refusal(image, "nothing there", "an image or an output of ours", "correct the list")
    return found


def _named(path: Path) -> list[Path]:
    beside = [draft_path(path)] if path.name else []  # the folder "." has none
    return [path] * (_is_output(path) or _is_draft(path)) + [root for root in beside if _is_draft(root)]


def _is_draft(root: Path) -> bool:
    ours = (root / HIDDEN).is_dir() or _ledger_file(root) is not None
    return final_path(root) is not None and root.is_dir() and ours


def _is_output(path: Path) -> bool:
    return path.exists() and (_ledger_file(path) or store_for_reading(path)) is not None


def has_ledger(path: Path) -> bool:
    """Whether a folder is a finished output of ours, in whatever state the rest of it is."""
    return _ledger_file(path) is not None


def _ledger_file(root: Path) -> str | None:
    """Where the ledger of a finished output lies in it: its store knows."""
    return next((file for file in _ledger_files() if (root / file).is_file()), None)


def _ledger_files() -> Iterator[str]:
    for name in kinds.stores:
        try:
            file = getattr(kinds.stores[name](), "ledger", None)
        except PluginError:  # what a broken store wrote is not to be found
            continue
        if file is not None:
            yield file


def examine(root: Path, *, progress: Progress | None = None, stop: Stop | None = None) -> Report:
    """Check every file of an output by size and checksum; without a ledger, only whether it decodes.

    Args:
        root: one of `outputs`.
        progress: called with (parts checked, parts).
        stop: asked after each part; true raises Interrupted.
    """

    def step(done: int, total: int) -> None:
        if progress:
            progress(done, total)
        if stop and stop():
            raise Interrupted(f"stopped after {done} of {total} parts of {root.name}")

    name = final_path(root) if _is_draft(root) else None
    report = Report(name or root, "unfinished" if name else "finished")
    try:
        _examined(report, root, step)
    except DataError as error:
        report.damaged.append(Fault("ledger", _ledger_file(root), str(error)))
    return report


def _examined(report: Report, root: Path, step: Progress) -> None:
    ledger = Ledger.find(root, _ledger_file(root))
    inside = next((p for p in (root / INSIDE, draft_path(root / INSIDE)) if p.is_dir()), None)
    if (who := lease.holder(root / HIDDEN)) is not None:
        report.notes.append(f"{who} is writing it")
    if ledger is None and report.state == "finished":
        _decode(report, root, step)
    elif inside is not None:  # the image waits in a store of its own to become a file of another format
        _examined(report, inside, step)
    elif ledger is None or not ledger.parts:
        report.notes.append("nothing of it was written yet")
    else:
        _compare(report, ledger, step)


def _compare(report: Report, ledger: Ledger, step: Progress) -> None:
    report.parts, report.fingerprint = len(ledger.parts), ledger.fingerprint
    for done, part in enumerate(ledger.parts, 1):
        marker = ledger.marker(part)
        if marker is None:
            report.missing.append(Fault(part, None, "was never written"))
        elif marker.get("remade"):
            report.remade.append(part)
        for name, sums in (marker or {}).get("files", {}).items():
            if (what := fault(ledger.root / name, *sums)) is not None:
                (report.damaged if (ledger.root / name).exists() else report.missing).append(Fault(part, name, what))
        step(done, len(ledger.parts))
    report.leftover += _strange(ledger, only_temporary=report.state == "unfinished")
    if report.state == "unfinished" and not report.missing and not report.damaged:
        report.notes.append("all of it is written; what is left is to give it its name")


def _strange(ledger: Ledger, only_temporary: bool) -> Iterator[str]:
    """Files that no part has; those of a draft that are not temporary may be just about to be recorded."""
    known = {name for said in (ledger.closed or {}).values() for name in said["files"]} | {_ledger_file(ledger.root)}
    if not only_temporary and (ledger.root / HIDDEN).is_dir():  # of a finished one: it was killed just then
        yield HIDDEN
    for path in sorted(p for p in ledger.root.rglob("*") if p.is_file()):
        name = path.relative_to(ledger.root).as_posix()
        ours = is_temporary(path) or not (only_temporary or name.startswith(f"{HIDDEN}/"))
        if name not in known and ours:
            yield name


def _decode(report: Report, path: Path, step: Progress) -> None:
    report.state = "decoded"
    try:
        report.parts = decode(path, step)
    except DataError as error:
        report.damaged.append(Fault("image", None, str(error)))

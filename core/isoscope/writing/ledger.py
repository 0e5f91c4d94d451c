"""What of an output is done, and whether the disk still agrees: one plan, and one small marker per part.

A part's files come first, each synced; its marker comes after them. So a marker never promises what a power cut can
take back, and a missing marker only means: do it again. Markers carry the plan's hash, and a checksum of themselves.
"""

from __future__ import annotations

import hashlib
import json
import logging
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from isoscope.durable import fault, keep, made, read_json, unsealed, write_sealed
from isoscope.errors import DataError, refusal
from isoscope.sources import virtual
from isoscope.writing.fingerprint import differences, digest, plain

__all__ = ["FORMAT", "HIDDEN", "PLAN", "Ledger", "identity"]

_log = logging.getLogger(__name__)

FORMAT = 2
HIDDEN = ".isoscope"
"""The folder of plan and markers in an unfinished output."""
PLAN = f"{HIDDEN}/plan.json"
Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Ledger:
    """The parts of one output that are done.

    Attributes:
        root: the folder that the output is written in.
        fingerprint: all that decides its bytes, as JSON gives it back.
        parts: the names of all parts that the whole output has.
        closed: of a finished output, what is said of every part; no marker counts any more.
        remade: parts that `put` wrote again with other bytes.
    """

    root: Path
    fingerprint: Document
    parts: tuple[str, ...] = ()
    closed: dict[str, Document] | None = None
    remade: set[str] = field(default_factory=set)

    @classmethod
    def begin(cls, root: Path, fingerprint: Mapping[str, Any], parts: Sequence[str] = ()) -> Ledger:
        """Start a ledger in a folder."""
        ledger = cls(root, plain(fingerprint), tuple(parts))
        made(root / HIDDEN / "markers")
        write_sealed(root / PLAN, {**ledger._about(), "parts": list(parts)})
        return ledger

    @classmethod
    def find(cls, root: Path, file: str | None = None) -> Ledger | None:
        """The ledger that `begin` or, in `file`, `close` left in a folder; None if there is none.

        Raises:
            DataError: if it is damaged, or of another format.
        """
        if file is not None and (root / file).is_file():
            document = _sealed(root / file)
            return cls(root, document["fingerprint"], tuple(document["parts"]), document["parts"])
        if not (root / PLAN).is_file():
            return None
        document = _sealed(root / PLAN)
        return cls(root, document["fingerprint"], tuple(document["parts"]))

    @classmethod
    def resume(
        cls, root: Path, fingerprint: Mapping[str, Any], file: str | None = None, parts: Sequence[str] = ()
    ) -> Ledger | None:
        """The same, to go on with it.

        Raises:
            DataError: if it was begun with another fingerprint, is damaged, or of another format.
        """
        wanted = plain(fingerprint)
        if (found := cls.find(root, file)) is None:
            return None
        _check_same(root, found.fingerprint, wanted)
        return cls(root, wanted, tuple(parts), found.closed)

    def put(self, part: str, files: Mapping[str, bytes], **facts: Any) -> None:
        """Write the files of a part (paths within the root), then its marker with what else is worth knowing of it.

        Of a finished output nothing is recorded before `close`: until then, what came out with other bytes is as
        damaged as before, and with it what was made of it.

        Raises:
            DataError: if the output's folder is gone.
        """
        if not self.root.is_dir():
            raise refusal(self.root, "nothing there", "the draft", "another process finished or removed it: look there")
        before = self.marker(part)
        for name, content in files.items():
            keep(self.root / name, content, within=self.root)
        sums = {name: [len(content), zlib.crc32(content)] for name, content in sorted(files.items())}
        marker = plain({"files": sums, **facts, **self._again(part, before, sums)})
        if self.closed is None:
            write_sealed(self._marker(part), {"plan": digest(self.fingerprint), **marker})
        else:
            self.closed[part] = marker

    def _again(self, part: str, before: Document | None, sums: Document) -> Document:
        """The mark of a part whose bytes are no longer those first written: the same plan, another machine or library.

        It is as good as the first one was; to refuse it would leave the output damaged for ever.
        """
        if before is None or before["files"] == sums:
            return {"remade": True} if before and before.get("remade") else {}
        self.remade.add(part)
        return {"remade": True}

    def marker(self, part: str) -> Document | None:
        """What is said of a part, or None where its marker is missing, damaged or another plan's."""
        if self.closed is not None:
            return self.closed.get(part)
        try:
            document = unsealed(read_json(self._marker(part)))
        except (OSError, ValueError):
            return None
        return document if document.pop("plan", None) == digest(self.fingerprint) else None

    def holds(self, part: str, **facts: Any) -> bool:
        """Whether a part is done, with these facts, and every file of it is as it was written."""
        marker = self.marker(part) or {}
        same = all(marker.get(name) == value for name, value in facts.items())
        files = marker.get("files", {}).items() if same else ()
        return bool(files) and all(fault(self.root / name, *sums) is None for name, sums in files)

    def state(self, parts: Iterable[str]) -> str:
        """What changes with any byte of these parts, and so tells whether what was made of them is up to date."""
        return digest([(self.marker(part) or {}).get("files") for part in parts])

    def close(self, file: str) -> None:
        """Gather what is said of all parts in one compact file; from then on markers count no more.

        They stay until the output has its name, as other processes may be at work by them.

        Raises:
            DataError: if the marker of a part is gone.
        """
        document = {**self._about(), "parts": {part: self._said(part) for part in self.parts}}
        if self.remade:
            _log.warning("%s: parts that came out with other bytes than before: %d; the same plan made them, so their "
                         "checksums are replaced", self.root.name, len(self.remade))  # fmt: skip
        if self.closed is None or document != _sealed(self.root / file):
            write_sealed(self.root / file, document)

    def _about(self) -> Document:
        return {"format": FORMAT, "plan": digest(self.fingerprint), "fingerprint": self.fingerprint}

    def _said(self, part: str) -> Document:
        if (marker := self.marker(part)) is None:
            raise refusal(self.root, f"no marker of {part}", "one for every part", "resume to write it again")
        return marker

    def _marker(self, part: str) -> Path:
        return self.root / HIDDEN / "markers" / f"{part}.json"


def _sealed(file: Path) -> Document:
    try:
        document = read_json(file)
        _check_format(file, document)
        return unsealed(document)
    except (OSError, ValueError):
        raise refusal(file, "a damaged ledger", "the one that was written", "start anew with --overwrite") from None


def _check_format(root: Path, document: Document) -> None:
    if document.get("format") != FORMAT:
        raise refusal(root, f"ledger format {document.get('format')!r}", str(FORMAT), "start anew with --overwrite")


def _check_same(root: Path, found: Document, wanted: Document) -> None:
    if changed := differences(found, wanted):
        more = f" and {len(changed) - 4} more" if len(changed) > 4 else ""
        told = "; ".join(changed[:4]) + more
        raise DataError(f"{root.name}: cannot resume what was begun otherwise ({told}); expected the same; "
                        f"give what it was begun with, or start anew with --overwrite")  # fmt: skip


def identity(path: Path) -> str:
    """What tells that an input is as before, unread: names, sizes and times; a made one has its name only."""
    if virtual(path):
        return hashlib.sha256(path.name.encode()).hexdigest()[:32]
    files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    facts = ((p.relative_to(path).as_posix(), p.stat().st_size, p.stat().st_mtime_ns) for p in files)
    return hashlib.sha256(json.dumps(list(facts)).encode()).hexdigest()[:32]

"""What of an output is done, and whether the disk still agrees: one plan, and one small marker per part.

A part's files come first, each synced; its marker comes after them. So a marker never promises what a power cut can
take back, and a missing marker only means: do it again.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from isoscope.durable import publish, read_json, sync_folder, write_json, write_text
from isoscope.errors import DataError, refusal

__all__ = ["FORMAT", "HIDDEN", "Ledger", "differences", "identity", "keep", "made"]

FORMAT = 1
HIDDEN = ".isoscope"
"""The folder of plan and markers in an unfinished output."""
_BLOCK = 2**20
Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Ledger:
    """The parts of one output that are done.

    Attributes:
        root: the folder that the output is written in.
        fingerprint: all that decides its bytes, as JSON gives it back.
        closed: the files of every part, size and CRC-32 each, once the output is finished: no marker counts any more.
    """

    root: Path
    fingerprint: Document
    closed: Mapping[str, Document] | None = None

    @classmethod
    def begin(cls, root: Path, fingerprint: Mapping[str, Any]) -> Ledger:
        """Start a ledger in a folder."""
        ledger = cls(root, _plain(fingerprint))
        made(root / HIDDEN / "markers")
        write_json(root / HIDDEN / "plan.json", {"format": FORMAT, "fingerprint": ledger.fingerprint})
        return ledger

    @classmethod
    def resume(cls, root: Path, fingerprint: Mapping[str, Any], file: str | None = None) -> Ledger | None:
        """The ledger that `begin` or, in `file`, `close` left in a folder; None if there is none.

        Raises:
            DataError: if it was begun with another fingerprint.
        """
        wanted = _plain(fingerprint)
        for found in (root / name for name in (file, f"{HIDDEN}/plan.json") if name):
            if (document := _load(found)) is not None:
                _check(root, document, wanted)
                return cls(root, wanted, document.get("parts"))
        return None

    def put(self, part: str, files: Mapping[str, bytes], **facts: Any) -> None:
        """Write the files of a part (paths within the root), then its marker with what else is worth knowing of it.

        Raises:
            DataError: if the output's folder is gone.
        """
        if not self.root.is_dir():
            raise refusal(self.root, "nothing there", "the draft", "another process finished or removed it: look there")
        for name, content in files.items():
            keep(self.root / name, content)
        sums = {name: [len(content), zlib.crc32(content)] for name, content in sorted(files.items())}
        if self.closed is None:
            write_json(self._marker(part), {"plan": self._hash, "files": sums, **facts})

    def marker(self, part: str) -> Document | None:
        """What the marker of a part says, or None where it is missing, damaged or another plan's."""
        if self.closed is not None:
            return {"files": self.closed[part]} if part in self.closed else None
        document = _load(self._marker(part))
        return document if document and document.get("plan") == self._hash else None

    def holds(self, part: str) -> bool:
        """Whether a part is done and every file of it still has the size and the checksum that were written."""
        marker = self.marker(part)
        files = (marker or {}).get("files") or {}
        return bool(files) and all(_same(self.root / name, *sums) for name, sums in files.items())

    def close(self, file: str, parts: Iterable[str]) -> None:
        """Gather the markers in one compact file and remove them.

        Raises:
            DataError: if the marker of a part is gone.
        """
        gathered = {part: self._files(part) for part in parts}
        document = {"format": FORMAT, "fingerprint": self.fingerprint, "parts": gathered}
        write_text(self.root / file, json.dumps(document, separators=(",", ":"), allow_nan=False) + "\n")
        shutil.rmtree(self.root / HIDDEN)

    def _files(self, part: str) -> Document:
        if (marker := self.marker(part)) is None:
            raise refusal(self.root, f"no marker of {part}", "one for every part", "resume to write it again")
        return dict(marker["files"])

    def _marker(self, part: str) -> Path:
        return self.root / HIDDEN / "markers" / f"{part}.json"

    @property
    def _hash(self) -> str:
        return hashlib.sha256(json.dumps(self.fingerprint, sort_keys=True).encode()).hexdigest()[:16]


def _plain(fingerprint: Mapping[str, Any]) -> Document:
    """As it will be read back: tuples become lists, keys text."""
    plain: Document = json.loads(json.dumps(dict(fingerprint), allow_nan=False))
    return plain


def _load(file: Path) -> Document | None:
    """A JSON object, or None where there is none: what cannot be read was never finished."""
    try:
        return read_json(file)
    except (OSError, ValueError):
        return None


def _same(file: Path, size: int, crc32: int) -> bool:
    try:
        if file.stat().st_size != size:
            return False
        with file.open("rb") as handle:
            found = 0
            while block := handle.read(_BLOCK):
                found = zlib.crc32(block, found)
    except OSError:
        return False
    return found == crc32


def _check(root: Path, document: Document, wanted: Document) -> None:
    if document.get("format") != FORMAT:
        raise refusal(root, f"ledger format {document.get('format')!r}", str(FORMAT), "start anew with --overwrite")
    found = document.get("fingerprint")
    if changed := differences(found if isinstance(found, dict) else {}, wanted):
        more = f" and {len(changed) - 4} more" if len(changed) > 4 else ""
        told = "; ".join(changed[:4]) + more
        raise DataError(f"{root.name}: cannot resume what was begun otherwise ({told}); expected the same; "
                        f"give what it was begun with, or start anew with --overwrite")  # fmt: skip


def differences(found: Mapping[str, Any], wanted: Mapping[str, Any], prefix: str = "") -> list[str]:
    """What differs between two fingerprints, one entry per key: "tile was 512, now 256"."""
    return list(_differences(found, wanted, prefix))


def _differences(found: Mapping[str, Any], wanted: Mapping[str, Any], prefix: str) -> Iterator[str]:
    for key in sorted({*found, *wanted}):
        old, new = found.get(key), wanted.get(key)
        if isinstance(old, dict) and isinstance(new, dict):
            yield from _differences(old, new, f"{prefix}{key}.")
        elif old != new:
            yield f"{prefix}{key} was {_short(old)}, now {_short(new)}"


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 40 else f"{text[:36]}..."


def keep(file: Path, content: bytes) -> None:
    """Write a file, and the folders above it, so that a power cut cannot take them back."""
    made(file.parent)
    publish(file, lambda draft: draft.write_bytes(content))


def made(folder: Path) -> None:
    """Create a folder and those above it, and make them durable."""
    if not folder.is_dir():
        made(folder.parent)
        folder.mkdir(exist_ok=True)
        sync_folder(folder.parent)


def identity(path: Path) -> str:
    """What tells that an input is the same file or store as before, without reading it: names, sizes and times."""
    files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    facts = ((p.relative_to(path).as_posix(), p.stat().st_size, p.stat().st_mtime_ns) for p in files)
    return hashlib.sha256(json.dumps(list(facts)).encode()).hexdigest()[:32]

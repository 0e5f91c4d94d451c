"""The folder in which an output grows before it has its name, and who is at work there.

It lies beside the output as `.NAME.partial`, so that whoever resumes finds it. The lease in it only saves work: two
processes that write one draft write the same bytes.
"""

from __future__ import annotations

import contextlib
import logging
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from isoscope.durable import made, sync_folder, temporary
from isoscope.errors import refusal
from isoscope.writing import lease
from isoscope.writing.ledger import HIDDEN, Ledger
from isoscope.writing.orphans import is_temporary, sweep, sweep_beside

__all__ = ["Draft", "draft_path", "final_path", "pending"]

_log = logging.getLogger(__name__)


def draft_path(path: Path) -> Path:
    """Where the output `path` grows."""
    return path.with_name(f".{path.name}.partial")


def final_path(root: Path) -> Path | None:
    """The output that grows in a folder of this name; None if it is no draft's name."""
    name = root.name.removeprefix(".").removesuffix(".partial")
    draft = name and root.name == f".{name}.partial" and not is_temporary(root)
    return root.with_name(name) if draft else None


def pending(path: Path) -> bool:
    """Whether an unfinished output of this name waits to be resumed, and nobody is at work on it."""
    root = draft_path(path)
    return root.is_dir() and lease.holder(root / HIDDEN) is None


@dataclass(frozen=True, slots=True)
class Draft:
    """An output on its way: `root` holds its files, `ledger` says which are done.

    With `ledger.closed` nothing is missing but, perhaps, the name.
    """

    path: Path
    root: Path
    ledger: Ledger

    @classmethod
    def open(
        cls, path: Path, fingerprint: Mapping[str, Any], *,
        parts: Sequence[str] = (), resume: bool = False, file: str | None = None,
    ) -> Draft:  # fmt: skip
        """Start a draft, or go on with the one that is there, or with the finished output.

        Args:
            path: the output's final name.
            fingerprint: all that decides its bytes.
            parts: the names of all its parts.
            resume: go on; else an older draft is removed.
            file: where in the output the finished ledger lies.

        Raises:
            DataError: if a living process writes there, or resuming would mix two plans.
        """
        root = draft_path(path)
        _restore(path)
        while True:  # again, if another process began meanwhile: then there is something to join, or to be refused for
            if resume and (found := cls._resumed(path, root, fingerprint, file, parts)):
                return found
            _clear(root, file)
            if (begun := _begun(path, root, fingerprint, parts)) is not None:
                return cls(path, root, begun)

    @classmethod
    def _resumed(
        cls, path: Path, root: Path, fingerprint: Mapping[str, Any], file: str | None, parts: Sequence[str]
    ) -> Draft | None:
        if (ledger := Ledger.resume(root, fingerprint, file, parts)) is not None:
            _join(root)
            return cls(path, root, ledger)
        if file is None or not path.exists():
            return None
        if (finished := Ledger.resume(path, fingerprint, file, parts)) is None:
            raise refusal(path, "a finished output without a ledger", "one to resume", "replace it with --overwrite")
        sweep(path)
        shutil.rmtree(path / HIDDEN, ignore_errors=True)
        return cls(path, path, finished)

    def beat(self) -> None:
        """Show that somebody is at work here."""
        lease.beat(self.root / HIDDEN)

    def leave(self) -> None:
        """Keep the draft for whoever resumes."""
        lease.leave(self.root / HIDDEN)

    def discard(self) -> None:
        """Remove the draft, unless another process is at work there."""
        if self.root != self.path and not lease.others(self.root / HIDDEN):
            shutil.rmtree(self.root, ignore_errors=True)

    def publish(self) -> None:
        """Give the output its name; an older one steps aside first, and goes only when the new one stands."""
        if self.root == self.path:
            sync_folder(self.path.parent)  # whoever named it may not have come so far
            return
        aside = _aside(self.path)
        if self.root.is_dir() and self.path.exists():
            self.path.rename(aside)
        try:
            self.root.rename(self.path)
        finally:
            _restore(self.path)  # another process may have been faster: then what stepped aside is that
        shutil.rmtree(self.path / HIDDEN, ignore_errors=True)
        sync_folder(self.path.parent)


def _aside(path: Path) -> Path:
    return path.with_name(f".{path.name}.replaced")


def _restore(path: Path) -> None:
    """Undo, or finish, a `publish` that was killed between its two renames."""
    aside = _aside(path)
    if aside.is_dir() and not path.exists():
        aside.rename(path)
    shutil.rmtree(aside, ignore_errors=True)


def _begun(path: Path, root: Path, fingerprint: Mapping[str, Any], parts: Sequence[str]) -> Ledger | None:
    """Move a draft into place with plan and lease in it, as two plans may never share one; None: another was faster."""
    made(root.parent)
    sweep_beside(path)
    fresh = temporary(path)
    (fresh / HIDDEN).mkdir(parents=True)
    try:
        lease.take(fresh / HIDDEN)
        ledger = Ledger.begin(fresh, fingerprint, parts)
        fresh.rename(root)
    except OSError:
        shutil.rmtree(fresh, ignore_errors=True)
        if root.exists():
            return None
        raise
    sync_folder(root.parent)
    return replace(ledger, root=root)


def _clear(root: Path, file: str | None) -> None:
    """Remove an older draft of ours, if nobody is at work there."""
    if not root.exists():
        return
    ours = (root / HIDDEN).is_dir() or (file is not None and (root / file).is_file())
    if not root.is_dir() or (any(root.iterdir()) and not ours):
        raise refusal(root, "something that is no draft of ours", "a free name", "move it away")
    if (who := lease.holder(root / HIDDEN)) is not None:
        raise refusal(root, f"a draft that {who} is writing", "nobody at work", "wait for it, or stop it")
    with contextlib.suppress(FileNotFoundError):  # another process may be at it too
        shutil.rmtree(root)


def _join(root: Path) -> None:
    """Go on with a draft: alone, after sweeping what a kill left half-written, or beside whoever is at work there."""
    if (who := lease.holder(root / HIDDEN)) is not None:
        _log.warning("%s writes %s too; both will write the same", who, root.name)
        return
    (root / HIDDEN).mkdir(exist_ok=True)
    lease.take(root / HIDDEN)
    for orphan in root.rglob(".*.partial"):  # whoever began them is gone: the lease says so
        if orphan.is_file():
            orphan.unlink(missing_ok=True)

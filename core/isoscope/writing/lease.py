"""Who is at work in a folder, so that nobody does the same again: it saves work, and nothing rests on it."""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import time
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from isoscope.durable import read_json, write_json

__all__ = ["beat", "holder", "leave", "others", "runs", "take"]

_FRESH = 3600.0
"""Seconds after which a lease without a beat binds nobody."""


def take(folder: Path) -> None:
    """Say that this process is at work in a folder."""
    pid = os.getpid()
    write_json(_file(folder), {"host": socket.gethostname(), "pid": pid, "token": _token(pid)})


def beat(folder: Path) -> None:
    """Show that it still is."""
    with contextlib.suppress(OSError):
        os.utime(_file(folder))


def leave(folder: Path) -> None:
    """Say that it is no longer."""
    if _said(folder).get("token") == _token(os.getpid()):
        _file(folder).unlink(missing_ok=True)


def holder(folder: Path) -> str | None:
    """The living process that is at work in a folder, in words; a kill leaves leases behind."""
    said = _said(folder)
    try:
        stale = time.time() - _file(folder).stat().st_mtime > _FRESH
    except OSError:
        return None
    if stale or not said or (said.get("host") == socket.gethostname() and not _lives(said)):
        return None
    return f"process {said.get('pid')} on {said.get('host')}"


def others(folder: Path) -> bool:
    """Whether a living process other than this one is at work in a folder."""
    return holder(folder) is not None and _said(folder).get("token") != _token(os.getpid())


def runs(pid: int) -> bool:
    """Whether a process of this number runs on this machine; Windows is taken at its word."""
    if os.name == "nt":  # there, signal 0 would end it
        return True
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):  # a number that no process can have
        return False
    except OSError:
        return True
    return True


def _lives(said: Mapping[str, Any]) -> bool:
    pid = said.get("pid")
    if pid == os.getpid():
        return bool(said.get("token") == _token(pid))
    return not isinstance(pid, int) or runs(pid)


@cache
def _token(_pid: int) -> str:
    """What tells this process from others of its number, which is given again, as to the first of each container."""
    return secrets.token_hex(8)


def _file(folder: Path) -> Path:
    return folder / "lease.json"


def _said(folder: Path) -> dict[str, Any]:
    try:
        return read_json(_file(folder))
    except (OSError, ValueError):
        return {}

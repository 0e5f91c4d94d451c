"""Write files so that a crash leaves either the old bytes or the new, never a torn mixture."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path

__all__ = ["publish", "sync", "sync_tree"]


def sync(path: Path) -> None:
    """Ask the disk to keep a file or folder."""
    with contextlib.suppress(PermissionError):  # Windows has no handles on folders
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def sync_tree(folder: Path) -> None:
    """Sync every folder below, and the metadata files in them; the shards were synced when written."""
    for parent, _, files in os.walk(folder):
        for name in files:
            if name == "zarr.json":
                sync(Path(parent, name))
        sync(Path(parent))


def publish(file: Path, content: bytes) -> None:
    """Write a whole file under a temporary name, then move it into place."""
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_name(f".{file.name}.{os.getpid()}-{secrets.token_hex(4)}.partial")
    try:
        with draft.open("xb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        draft.replace(file)
    finally:
        draft.unlink(missing_ok=True)
    sync(file.parent)

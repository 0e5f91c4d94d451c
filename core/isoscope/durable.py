"""Write files so that a kill or a power cut leaves either the old file or the new one, and tell whether they last."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import secrets
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

__all__ = [
    "fault", "keep", "made", "publish", "read_json", "sha256", "sync_folder", "temporary", "unsealed", "write_json",
    "write_sealed", "write_tensors", "write_text",
]  # fmt: skip

_BLOCK = 2**20
_SEAL = "crc32"


def sync_folder(folder: Path) -> None:
    """Make renames inside a folder durable; platforms that cannot open folders need no help."""
    with _handle(folder) as handle:
        if handle is not None:
            os.fsync(handle)


@contextmanager
def _handle(folder: Path) -> Iterator[int | None]:
    """A folder by its handle, which stays its own whatever it is called meanwhile; None where none can be had."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        yield None
        return
    try:
        yield handle
    finally:
        os.close(handle)


def temporary(path: Path) -> Path:
    """A name beside a path that no thread or process uses, and that tells which process it was."""
    return path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.partial")


def publish(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` make a file under a temporary name, then move it into place. Threads and processes may race."""
    draft = temporary(path)
    with _handle(path.parent) as folder:  # another process may give the folder its final name: nothing stays in there
        try:
            write(draft)
            with draft.open("rb") as handle:
                os.fsync(handle.fileno())
            draft.replace(path)
        finally:
            _unlink(draft, folder)
        if folder is not None:
            os.fsync(folder)


def _unlink(file: Path, folder: int | None) -> None:
    with contextlib.suppress(FileNotFoundError):
        if folder is not None and os.unlink in os.supports_dir_fd:
            os.unlink(file.name, dir_fd=folder)
        else:
            file.unlink()


def made(folder: Path, within: Path | None = None) -> None:
    """Create a folder and those above it, and make them durable.

    Args:
        folder: what is to be there.
        within: a folder above it that has to be there already.

    Raises:
        FileNotFoundError: if that is not.
    """
    if not folder.is_dir():
        if folder == within:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(folder))
        made(folder.parent, within)
        folder.mkdir(exist_ok=True)
        sync_folder(folder.parent)


def keep(file: Path, content: bytes, within: Path | None = None) -> None:
    """Write a file, and the folders above it as `made`, so that a power cut cannot take them back."""
    made(file.parent, within)
    publish(file, lambda draft: draft.write_bytes(content))


def write_text(path: Path, text: str) -> None:
    """Replace a text file atomically."""
    publish(path, lambda draft: draft.write_text(text, encoding="utf-8"))


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    """Replace a JSON file atomically."""
    write_text(path, json.dumps(values, indent=2, allow_nan=False) + "\n")


def read_json(path: Path) -> dict[str, Any]:
    """A JSON file that holds an object.

    Raises:
        OSError: if it cannot be read.
        ValueError: if it holds anything else.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except RecursionError:
        raise ValueError(f"{path} is nested too deeply") from None
    if not isinstance(values, dict):
        raise ValueError(f"{path} does not hold a JSON object")
    return values


def write_sealed(path: Path, values: Mapping[str, Any]) -> None:
    """Replace a JSON file that carries its own checksum, so that not even a digit in it can change unnoticed."""
    compact = json.dumps({**values, _SEAL: _seal(values)}, separators=(",", ":"), allow_nan=False)
    write_text(path, compact + "\n")


def unsealed(values: Mapping[str, Any]) -> dict[str, Any]:
    """What `write_sealed` was given, from the JSON object in its file.

    Raises:
        ValueError: if that is not what was written.
    """
    plain = {name: value for name, value in values.items() if name != _SEAL}
    if values.get(_SEAL) != _seal(plain):
        raise ValueError("the checksum is not that of the content")
    return plain


def _seal(values: Mapping[str, Any]) -> int:
    return zlib.crc32(json.dumps(values, allow_nan=False).encode())


def write_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Replace a safetensors file atomically."""
    from safetensors.torch import save_file

    plain = {k: v.detach().cpu().contiguous().clone() for k, v in tensors.items()}
    publish(path, lambda p: save_file(plain, p))


def sha256(path: Path) -> str:
    """The hash of a file's bytes."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def fault(path: Path, size: int, crc32: int) -> str | None:
    """What is wrong with a file that should hold so many bytes with this CRC-32, in words; None if nothing is."""
    try:
        if (found := path.stat().st_size) != size:
            return f"holds {found} bytes, {size} were written"
        return None if _crc32(path) == crc32 else "holds other bytes than were written"
    except FileNotFoundError:
        return "is gone"
    except OSError as error:
        return f"cannot be read ({error.strerror})"


def _crc32(path: Path) -> int:
    found = 0
    with path.open("rb") as handle:
        while block := handle.read(_BLOCK):
            found = zlib.crc32(block, found)
    return found

"""Look into a NumPy archive without unpacking it, and map or unpack one array of it."""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any
from zipfile import ZIP_STORED, ZipFile, ZipInfo

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from isoscope.errors import refusal

__all__ = ["Member", "members", "read_text"]

_HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
_LOCAL = 30  # the fixed part of the record before each file in a zip
_MAX_UNPACKED = 8 * 2**30
_MAX_RATIO = 1100  # deflate packs 1032 to 1 at best
_MAX_TEXT = 4096


@dataclass(frozen=True)
class Member:
    """One array of an archive. Packed arrays are unpacked whole on first use, and shared by all who read them."""

    path: Path
    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    fortran: bool
    offset: int | None
    _kept: dict[str, NDArray[Any]] = field(default_factory=dict, compare=False, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, compare=False, repr=False)

    def array(self) -> NDArray[Any]:
        """The array: mapped if it lies open in the file, so that only what is touched is read."""
        if self.offset is not None:
            order: Any = "F" if self.fortran else "C"
            return np.memmap(self.path, self.dtype, "r", self.offset, self.shape, order)
        with self._lock:
            if self.name not in self._kept:
                with np.load(self.path, allow_pickle=False) as archive:
                    self._kept[self.name] = archive[self.name]
            return self._kept[self.name]

    def __reduce__(self) -> tuple[Any, ...]:
        return Member, (self.path, self.name, self.shape, self.dtype, self.fortran, self.offset)


def members(path: Path) -> dict[str, Member]:
    """The arrays of numbers in an archive by name, each checked from its own header.

    Raises:
        DataError: if one of them is unsafe or senseless to read.
    """
    with ZipFile(path) as archive, path.open("rb") as raw:
        infos = [info for info in archive.infolist() if info.filename.endswith(".npy")]
        named = {info.filename.removesuffix(".npy"): info for info in infos}
        return {name: _member(path, name, archive, info, raw) for name, info in named.items() if name != "axes"}


def _member(path: Path, name: str, archive: ZipFile, info: ZipInfo, raw: IO[bytes]) -> Member:
    with archive.open(info) as stream:
        version = npy.read_magic(stream)
        if version not in _HEADERS:
            raise refusal(path, f"{name} in npy format {version}", "1.0 or 2.0", "save plain numbers")
        shape, fortran, dtype = _HEADERS[version](stream)
        _check(path, name, info, stream.tell(), shape, dtype)
        begin = stream.tell()
    offset = _data_offset(raw, info) + begin if info.compress_type == ZIP_STORED else None
    return Member(path, name, shape, dtype, fortran, offset)


def _check(path: Path, name: str, info: ZipInfo, begin: int, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    if dtype.kind not in "biuf" or dtype.itemsize > 8:
        raise refusal(path, f"{name} of type {dtype}", "integers or floats of at most 64 bits", "convert it")
    if min(shape, default=0) < 1:
        raise refusal(path, f"{name} of shape {shape}", "positive lengths", "save it again")
    declared, packed = math.prod(shape) * dtype.itemsize, info.compress_type != ZIP_STORED
    if declared != info.file_size - begin or declared > (_MAX_RATIO if packed else 1) * info.compress_size:
        got = f"{name} of {declared} bytes, {info.file_size - begin} of them stored in {info.compress_size}"
        raise refusal(path, got, "as many as declared", "copy the file again from its origin")
    if packed and declared > _MAX_UNPACKED:
        raise refusal(path, f"{name}, packed, of {declared} bytes", f"at most {_MAX_UNPACKED}", "use np.savez")


def _data_offset(raw: IO[bytes], info: ZipInfo) -> int:
    """Where a file's bytes begin; the record before them may be longer than the directory's copy of it."""
    raw.seek(info.header_offset)
    record = raw.read(_LOCAL)
    lengths = int.from_bytes(record[26:28], "little") + int.from_bytes(record[28:30], "little")
    return info.header_offset + _LOCAL + lengths


def read_text(path: Path, name: str) -> str | None:
    """A short text in the archive, or None if there is none of that name."""
    with ZipFile(path) as archive:
        entry = f"{name}.npy"
        if entry not in archive.namelist():
            return None
        if archive.getinfo(entry).file_size > _MAX_TEXT:
            raise refusal(path, f"{archive.getinfo(entry).file_size} bytes of {name}", "a few letters", "save it again")
    with np.load(path, allow_pickle=False) as loaded:
        value = loaded[name]
    return value.item().decode() if value.dtype.kind == "S" else str(value.item())

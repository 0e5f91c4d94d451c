"""The `zarr` store: reads OME-Zarr and bare zarr, writes OME-Zarr."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from isoscope.reading import ReadOptions
from isoscope.volume import Header, Layout, Sink, Volume

__all__ = ["LEDGER", "Version", "ZarrStore", "zarr"]

LEDGER = "0/isoscope.json"
"""Size and checksum of every other file of a store. zarr frowns on unknown files in groups, not in arrays."""
Version = Literal["0.4", "0.5"]

_MARKS = ("zarr.json", ".zgroup", ".zarray", ".zattrs")


@dataclass(frozen=True, slots=True)
class ZarrStore:
    """Folders that hold zarr: OME-Zarr 0.4 and 0.5 images and plates, bare arrays, and arrays inside a store."""

    version: Version = "0.5"
    suffixes: tuple[str, ...] = (".ome.zarr", ".zarr")
    writes: tuple[str, ...] = (".ome.zarr", ".zarr")
    ledger: str = LEDGER

    def claims(self, path: Path, /) -> bool:
        """Whether the name ends in .zarr or the folder holds zarr metadata."""
        return path.name.lower().endswith(self.suffixes) or any((path / mark).is_file() for mark in _MARKS)

    def open(self, path: Path, options: ReadOptions = ReadOptions(), /) -> list[Volume]:
        """The image in the store, or every field of a plate; of a pyramid one level, of several images one series.

        Raises:
            DataError: if it is no zarr, or one that cannot be read safely or without guessing.
        """
        from isoscope_zarr.plate import open_volumes  # zarr takes long to import and `claims` is asked of every path

        return open_volumes(path, options)

    def create(
        self, path: Path, header: Header, layout: Layout, /, *,
        fingerprint: Mapping[str, Any] | None = None, resume: bool = False,
    ) -> Sink:  # fmt: skip
        """Start or resume an OME-Zarr image with its pyramid, always TCZYX; sharded in 0.5, in plain chunks in 0.4.

        Raises:
            DataError: if something that is no zarr store is in the way, zarr cannot hold such an image, or what is
                there was begun with another fingerprint.
        """
        from isoscope_zarr.writer import ZarrSink

        return ZarrSink(path, header, layout, version=self.version, fingerprint=fingerprint, resume=resume)


def zarr(*, version: Version = "0.5") -> ZarrStore:
    """Read OME-Zarr (0.4, 0.5) and bare zarr (v2, v3); write OME-Zarr.

    Args:
        version: of OME-Zarr to write: 0.5 (zarr v3, sharded), or 0.4 (zarr v2) for software that knows no other.
    """
    return ZarrStore(version)

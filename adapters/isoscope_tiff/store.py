"""The `tiff` store: reads TIFF in its many forms, writes OME-TIFF, ImageJ hyperstacks and plain TIFF."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from isoscope.reading import ReadOptions
from isoscope.volume import Header, Layout, Sink, Volume

__all__ = ["TiffStore", "tiff"]

_WRITES = (".ome.tif", ".ome.tiff", ".tif", ".tiff")


@dataclass(frozen=True, slots=True)
class TiffStore:
    """TIFF files: OME, ImageJ, plain, and the slides that are TIFF inside."""

    suffixes: tuple[str, ...] = (*_WRITES, ".btf", ".tf8", ".svs", ".ndpi", ".lsm", ".stk")
    writes: tuple[str, ...] = _WRITES

    def claims(self, path: Path, /) -> bool:
        """Whether the name ends as a TIFF's does."""
        return path.name.lower().endswith(self.suffixes)

    def open(self, path: Path, options: ReadOptions = ReadOptions(), /) -> list[Volume]:
        """The image in the file; of several the series asked for, of a pyramid the level.

        Raises:
            DataError: if it is damaged, declares a senseless size, or holds no grey values or RGB.
        """
        from isoscope_tiff.reader import open_volume  # tifffile takes long to import, `claims` is asked of every path

        return [open_volume(path, options)]

    def create(
        self, path: Path, header: Header, layout: Layout, /, *,
        fingerprint: Mapping[str, Any] | None = None, resume: bool = False,
    ) -> Sink:  # fmt: skip
        """Start an image; `.ome.tif` becomes OME-TIFF, `.tif` what ImageJ opens, if it can hold the grey values.

        Raises:
            DataError: if TIFF cannot hold such an image, or what is there was begun with another fingerprint.
        """
        from isoscope_tiff.writer import TiffSink

        return TiffSink(path, header, layout, fingerprint=fingerprint, resume=resume)


def tiff() -> TiffStore:
    """Read TIFF, OME-TIFF, ImageJ stacks and TIFF slides; write OME-TIFF and TIFF."""
    return TiffStore()

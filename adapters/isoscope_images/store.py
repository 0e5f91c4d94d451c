"""The `images` store: reads PNG and JPEG, writes PNG."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from isoscope.reading import ReadOptions
from isoscope.volume import Header, Layout, Sink, Volume

__all__ = ["ImageStore", "images"]


@dataclass(frozen=True, slots=True)
class ImageStore:
    """Single pictures, grey or colour, of 8 or 16 bits."""

    suffixes: tuple[str, ...] = (".png", ".jpg", ".jpeg")
    writes: tuple[str, ...] = (".png",)  # JPEG would change the grey values

    def claims(self, path: Path, /) -> bool:
        """Whether the name ends as a PNG's or JPEG's does."""
        return path.name.lower().endswith(self.suffixes)

    def open(self, path: Path, options: ReadOptions = ReadOptions(), /) -> list[Volume]:
        """The picture in the file.

        Raises:
            DataError: if it is damaged, declares a senseless size, is neither grey nor RGB, or has not what was
                asked for.
        """
        from isoscope_images.reader import open_volume  # `claims` is asked of every path, and must stay quick

        return [open_volume(path, options)]

    def create(
        self, path: Path, header: Header, layout: Layout, /, *,
        fingerprint: Mapping[str, Any] | None = None, resume: bool = False,
    ) -> Sink:  # fmt: skip
        """Start a PNG of one plane with one or three channels of 8 or 16 bits.

        Raises:
            DataError: if PNG cannot hold such an image.
        """
        from isoscope_images.writer import PngSink

        return PngSink(path, header, layout, fingerprint=fingerprint, resume=resume)


def images() -> ImageStore:
    """Read PNG and JPEG; write PNG."""
    return ImageStore()

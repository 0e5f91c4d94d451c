"""Gather an image, in memory or in a draft that can be resumed, and stream it into a TIFF file at the end."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from isoscope.durable import publish
from isoscope.errors import blame
from isoscope.volume import Box, Header, Layout
from isoscope.writing.gathering import LARGE, gather
from isoscope.writing.shrinking import pyramid
from isoscope_tiff.options import Kind, kind_of, notes, page_options, size_of
from isoscope_tiff.streaming import write_file

__all__ = ["TiffSink"]

_REMEDY = "free space or choose another place"


class TiffSink:
    """One image on its way into a TIFF file. Threads may write different boxes at once."""

    def __init__(
        self, path: Path, header: Header, layout: Layout, *,
        fingerprint: Mapping[str, Any] | None = None, resume: bool = False,
    ) -> None:  # fmt: skip
        if resume and fingerprint is None:
            raise ValueError("resuming needs the fingerprint that the image was begun with")
        self._path, self._header = path, header
        self._kind = kind_of(path, header)
        notes(header)
        self._uuid = None if fingerprint is None else _name(header, fingerprint)
        self._ended = False
        layout = replace(layout, levels=_levels(self._kind, header, layout))
        with blame(path, "cannot be created", _REMEDY):
            self._held = gather(path, header, layout, fingerprint=fingerprint, resume=resume)

    def write(self, box: Box, values: NDArray[Any], /) -> None:
        """Keep one box until `close`."""
        if self._ended:
            raise ValueError(f"{self._path} is closed")
        self._held.write(box, values)

    def written(self, box: Box, /) -> bool:
        """Whether the box is kept in a draft, byte for byte."""
        return not self._ended and self._held.written(box)

    def close(self) -> None:
        """Write the file under a temporary name, then move it into place."""
        if self._ended:
            return
        with blame(self._path, "cannot be written", _REMEDY):
            levels, options = self._held.levels(), page_options(self._kind, self._header, self._uuid)
            beat = self._held.beat
            publish(self._path, lambda draft: write_file(draft, self._kind, self._header, levels, options, beat))
        self.discard()

    def abort(self) -> None:
        """Stop here; what was gathered on disk stays if it was given a fingerprint to resume by."""
        if not self._ended:
            self._held.abort()
            self._ended = True

    def discard(self) -> None:
        """Forget what was gathered."""
        if not self._ended:
            self._held.discard()
            self._ended = True


def _levels(kind: Kind, header: Header, layout: Layout) -> int:
    """Only OME-TIFF has a place for smaller copies, and only large images need them; none is one pixel wide."""
    if kind != "ome" or (layout.levels is None and size_of(header) < LARGE):
        return 1
    return max(1, sum(shape[4] > 1 for shape in pyramid(header.shape, layout.levels)))


def _name(header: Header, fingerprint: Mapping[str, Any]) -> str:
    """A UUID for all that decides the file."""
    facts = [header.name, header.shape, str(header.dtype), header.attributes, fingerprint]
    return str(uuid.uuid5(uuid.NAMESPACE_OID, json.dumps(facts, sort_keys=True)))

"""Gather a picture, in memory or in a draft that can be resumed, and write it as PNG in one go."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import imagecodecs
from numpy.typing import NDArray

from isoscope.durable import publish
from isoscope.errors import DataError, blame, refusal
from isoscope.volume import Box, Header, Layout
from isoscope.writing.gathering import gather

__all__ = ["PngSink"]

_AFTER_HEADER = 33  # the signature and IHDR have a fixed length
_MAX_SIDE = 1_000_000  # libpng's limit
_REMEDY = "free space or choose another place"


class PngSink:
    """One picture on its way into a PNG file. Threads may write different boxes at once."""

    def __init__(
        self, path: Path, header: Header, layout: Layout, *,
        fingerprint: Mapping[str, Any] | None = None, resume: bool = False,
    ) -> None:  # fmt: skip
        if resume and fingerprint is None:
            raise ValueError("resuming needs the fingerprint that the picture was begun with")
        _check(path, header)
        self._path = path
        self._note = _chunk(b"tEXt", b"isoscope\0" + _notes(header))
        self._ended = False
        with blame(path, "cannot be created", _REMEDY):
            self._held = gather(path, header, replace(layout, levels=1), fingerprint=fingerprint, resume=resume)

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
            (volume,) = self._held.levels()
            planes = volume.read(Box.whole(volume.header.shape))[0, :, 0]  # the encoder takes only whole pictures
            picture = planes[0] if len(planes) == 1 else planes.transpose(1, 2, 0)
            encoded = bytes(imagecodecs.png_encode(picture.copy()))  # it refuses the strides of a transposed view
            content = encoded[:_AFTER_HEADER] + self._note + encoded[_AFTER_HEADER:]
            publish(self._path, lambda draft: draft.write_bytes(content))
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


def _check(path: Path, header: Header) -> None:
    t, c, z, y, x = header.shape
    if path.suffix.lower() != ".png":
        raise refusal(path, f"{path.suffix} to write", ".png", "JPEG changes grey values: choose .png")
    if (t, z) != (1, 1) or c not in (1, 3) or (header.rgb and c != 3):
        raise refusal(path, f"shape {header.shape}", "one plane of 1 or 3 channels", "write .ome.zarr or .ome.tif")
    if header.dtype.name not in ("uint8", "uint16"):
        raise refusal(path, f"{header.dtype} pixels", "uint8 or uint16", "write .ome.zarr or .ome.tif")
    if not 0 < min(y, x) <= max(y, x) <= _MAX_SIDE:
        raise refusal(path, f"{x} x {y} pixels", f"sides of 1 to {_MAX_SIDE}", "write .ome.zarr or .ome.tif")


def _notes(header: Header) -> bytes:
    notes = {
        "pixel_size": header.pixel_size, "unit": header.unit, "channels": header.channels, "rgb": header.rgb,
        "attributes": header.attributes,
    }  # fmt: skip
    try:
        return json.dumps(notes, ensure_ascii=True).encode("ascii")
    except (TypeError, ValueError) as error:
        raise DataError(f"got attributes beyond JSON ({error}); expected plain values; convert them") from error


def _chunk(kind: bytes, content: bytes) -> bytes:
    """One PNG chunk: length, kind, content, checksum."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

"""What PNG and JPEG files hold, and how to decode it without losing bits."""

from __future__ import annotations

import io
import json
import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile

from isoscope.errors import refusal

__all__ = ["Picture", "decode", "inspect"]

_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8\xff"
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 1, 6: 3}  # by PNG colour type: grey, RGB, palette, grey and RGB with alpha
_MAX_BYTES = 8 * 2**30
_MAX_RATIO = 10_000
_ALWAYS_SAFE = 64 * 2**20
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Picture:
    """A file's declared size, channels and sample type, what to remark about it, and our own notes in it."""

    path: Path
    width: int
    height: int
    channels: int
    dtype: np.dtype[Any]
    remarks: dict[str, Any] = field(default_factory=dict)
    notes: dict[str, Any] = field(default_factory=dict)

    @property
    def axes(self) -> str:
        """The axes of the pixels as they are stored."""
        return "YXC" if self.channels > 1 else "YX"

    @property
    def shape(self) -> tuple[int, ...]:
        """The lengths of those axes."""
        return (self.height, self.width, self.channels)[: len(self.axes)]


def inspect(path: Path) -> Picture:
    """Read what the file declares, and refuse what cannot be right; decodes no pixels.

    Raises:
        DataError: naming what was found.
    """
    with path.open("rb") as stream:
        start = stream.read(26)
    if start.startswith(_PNG):
        return _checked(_inspect_png(path, bits=start[24], colour=start[25]))
    if start.startswith(_JPEG):
        return _checked(_inspect_jpeg(path))
    raise refusal(path, f"a file that begins with {start[:8]!r}", "PNG or JPEG", "name it after what it is")


def _inspect_png(path: Path, bits: int, colour: int) -> Picture:
    # Not Image.open: its size limit is one for the whole process, and warns of ordinary slides. We have our own.
    with PngImageFile(path) as image:
        (width, height), text = image.size, image.info.get("isoscope")
        transparent = colour in (4, 6) or (colour != 3 and "transparency" in image.info)
    if transparent:
        _log.warning("%s: transparency is left out; only grey values and colours are read", path)
    remarks = {"palette": "index"} if colour == 3 else {}
    dtype = np.dtype("u2" if bits == 16 else "u1")
    return Picture(path, width, height, _CHANNELS[colour], dtype, remarks, _notes(text))


def _inspect_jpeg(path: Path) -> Picture:
    with JpegImageFile(path) as image:
        (width, height), mode = image.size, image.mode
    if mode not in ("L", "RGB"):
        raise refusal(path, f"{mode} colours", "grey or RGB", "save it as RGB")
    return Picture(path, width, height, len(mode), np.dtype("u1"))


def _notes(text: Any) -> dict[str, Any]:
    try:
        found = json.loads(text) if text else {}
    except (TypeError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _checked(picture: Picture) -> Picture:
    declared = picture.width * picture.height * picture.channels * picture.dtype.itemsize
    allowed = min(_MAX_BYTES, max(_ALWAYS_SAFE, _MAX_RATIO * picture.path.stat().st_size))
    if not 0 < declared <= allowed:
        got = f"{picture.width} x {picture.height} pixels, {declared} bytes"
        raise refusal(picture.path, got, f"1 to {allowed} bytes in such a file", "check it, or save it as tiled TIFF")
    return picture


def decode(picture: Picture) -> NDArray[Any]:
    """All pixels as [Y, X] or [Y, X, 3]; palette indices stay indices, and black and white become 0 and 255."""
    content = picture.path.read_bytes()
    if picture.dtype.itemsize == 2:  # Pillow would cut 16-bit colours to 8 bits, and not say so
        values = imagecodecs.png_decode(content)
    else:
        with (PngImageFile if content.startswith(_PNG) else JpegImageFile)(io.BytesIO(content)) as image:
            values = np.asarray(image)
    if values.dtype == bool:
        values = values * np.uint8(255)
    deep = values.reshape(picture.height, picture.width, -1)
    return deep[..., : picture.channels] if picture.channels > 1 else deep[..., 0]

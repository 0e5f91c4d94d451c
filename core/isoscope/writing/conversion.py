"""From one format to another, shard by shard and bit by bit unless asked otherwise."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from isoscope.errors import refusal
from isoscope.frames import REC601
from isoscope.volume import Box, Header, Layout, Sink, Volume
from isoscope.writing.carrying import Tally, carry
from isoscope.writing.narrowing import Counted, narrow
from isoscope.writing.shrinking import shrink

__all__ = ["Conversion", "plan", "run"]

_CHUNK = 512
_TOGETHER = 4
_RGB = ("red", "green", "blue")


@dataclass(frozen=True, slots=True)
class Conversion:
    """An image as it shall be written. It is a Volume too: `read` computes what is asked for.

    Attributes:
        volume: the input.
        header: of the output.
        layout: of the output; one shard is read, changed and written at a time.
        crop: the part of the input that is kept, in its own pixels.
        grey: red, green and blue become luminance.
        downsample: side of the squares of pixels that become their mean.
    """

    volume: Volume
    header: Header
    layout: Layout
    crop: Box
    grey: bool = False
    downsample: int = 1

    def fingerprint(self, **more: Any) -> dict[str, Any]:
        """All that decides the output; `more` should tell the input's content, such as `ledger.identity(path)`."""
        given = self.volume.header
        return {
            "input": {"name": given.name, "shape": given.shape, "dtype": str(given.dtype), **more},
            "crop": [self.crop.start, self.crop.stop], "grey": self.grey, "downsample": self.downsample,
        }  # fmt: skip

    def boxes(self) -> Iterator[Box]:
        """The shards, row by row."""
        shape, shard = self.header.shape, self.layout.shard
        for corner in product(*(range(0, n, s) for n, s in zip(shape, shard, strict=True))):
            t, c, z, y, x = corner
            t1, c1, z1, y1, x1 = (min(a + s, n) for a, s, n in zip(corner, shard, shape, strict=True))
            yield Box((t, c, z, y, x), (t1, c1, z1, y1, x1))

    def read(self, box: Box, /) -> NDArray[Any]:
        """The converted pixels of a box of the output."""
        return self.counted(box)[0]

    def counted(self, box: Box) -> Counted:
        """The converted pixels of a box, how many were clipped, and how many rounded."""
        (_, _, _, top, _), (_, _, _, bottom, _) = box.start, box.stop
        rows = max(1, (bottom - top) // self.downsample)  # a band of the input is no wider than it is high
        bands = [self._band(box, y, min(y + rows, bottom)) for y in range(top, bottom, rows)]
        return narrow(bands[0] if len(bands) == 1 else np.concatenate(bands, -2), self.header.dtype)

    def _band(self, box: Box, top: int, bottom: int) -> NDArray[Any]:
        values = self.volume.read(self._source(box, top, bottom))
        if self.grey:
            values = np.tensordot(values.astype(np.float64), np.asarray(REC601), (1, 0))[:, None]
        return shrink(values, self.downsample)

    def _source(self, box: Box, top: int, bottom: int) -> Box:
        """The input's pixels behind rows of a box of the output."""
        (t, c, z, _, x), (t1, c1, z1, _, x1) = box.start, box.stop
        f, first, last = self.downsample, self.crop.start, self.crop.stop
        start = (first[0] + t, first[1] + c, first[2] + z, first[3] + top * f, first[4] + x * f)
        y1, x1 = min(first[3] + bottom * f, last[3]), min(first[4] + x1 * f, last[4])
        return Box(start, (first[0] + t1, last[1] if self.grey else first[1] + c1, first[2] + z1, y1, x1))


def plan(
    volume: Volume, *, dtype: DTypeLike | None = None, grey: bool = False, crop: Box | None = None,
    downsample: int = 1, codec: str = "zstd", shard: int = 1024, levels: int | None = None,
) -> Conversion:  # fmt: skip
    """What converting a volume will do, checked; no pixels are read.

    Args:
        volume: the input.
        dtype: another type: values are clipped and rounded where they must be, and never rescaled.
        grey: turn red, green and blue into luminance.
        crop: keep only this part.
        downsample: average squares of pixels of this side in y and x; the pixel size grows with it.
        codec: of the output, where its format has a choice.
        shard: side of what is written at once, in pixels.
        levels: of the pyramid, the full resolution counted; none: as many as are of use.

    Raises:
        DataError: if the image cannot be changed so.
    """
    given = volume.header
    region = _checked(given, crop or Box.whole(given.shape))
    if downsample < 1 or shard < 1:
        raise refusal(given.name, f"--downsample {downsample}, shards of {shard}", "1 or more", "give whole numbers")
    header = _smaller(_cropped(given, region), downsample)
    header = _greyed(header) if grey else header
    header = replace(header, dtype=np.dtype(dtype or given.dtype).newbyteorder("="))
    asked = _asked(given, header, region, grey, downsample)
    header = replace(header, attributes={**given.attributes, **asked})
    return Conversion(volume, header, _layout(header, codec, shard, levels), region, grey, downsample)


def _checked(given: Header, crop: Box) -> Box:
    inside = zip(crop.start, crop.stop, given.shape, strict=True)
    if not all(0 <= a < b <= n for a, b, n in inside):
        raise refusal(given.name, f"a crop from {crop.start} to {crop.stop} (TCZYX)", f"a part of {given.shape}",
                      "crop within the image")  # fmt: skip
    return crop


def _cropped(given: Header, region: Box) -> Header:
    first, last = region.start[1], region.stop[1]
    names = _RGB if given.rgb else given.channels
    if last - first == given.shape[1]:
        return replace(given, shape=region.shape)
    return replace(given, shape=region.shape, rgb=False, channels=names[first:last])


def _smaller(header: Header, factor: int) -> Header:
    t, c, z, y, x = header.shape
    size = header.pixel_size
    return replace(
        header, shape=(t, c, z, -(-y // factor), -(-x // factor)),
        pixel_size=size and (size[0], size[1] * factor, size[2] * factor),
    )  # fmt: skip


def _greyed(header: Header) -> Header:
    if not header.rgb:
        raise refusal(header.name, f"{header.shape[1]} channels that are no colours", "RGB", "leave out --grey")
    t, _, z, y, x = header.shape
    return replace(header, shape=(t, 1, z, y, x), rgb=False, channels=(), axes=header.axes.replace("C", ""))


def _asked(given: Header, header: Header, region: Box, grey: bool, downsample: int) -> dict[str, Any]:
    """What was done beyond copying, for whoever looks at the output; the crop tells where in the input it lay."""
    steps: dict[str, Any] = {"grey": True} if grey else {}
    if region != Box.whole(given.shape):
        steps["crop"] = [list(region.start), list(region.stop)]
    if downsample > 1:
        steps["downsample"] = downsample
    if header.dtype != given.dtype:
        steps["dtype"] = str(given.dtype)
    return {"converted": {"from": given.name, **steps}} if steps else {}


def _layout(header: Header, codec: str, side: int, levels: int | None) -> Layout:
    """Shards of about side x side pixels: of small planes, several; of few channels, all."""
    _, c, z, y, x = header.shape
    inner = max(d for d in range(1, min(side, _CHUNK) + 1) if side % d == 0)
    per_chunk = max(1, inner**2 // (min(y, inner) * min(x, inner)))
    deep = per_chunk * max(1, side**2 // (min(y, side) * min(x, side)) // per_chunk)
    channels = c if c <= _TOGETHER else 1
    if z == 1:
        return Layout((deep, channels, 1, side, side), (per_chunk, 1, 1, inner, inner), codec, levels)
    return Layout((1, channels, deep, side, side), (1, 1, per_chunk, inner, inner), codec, levels)


def run(
    conversion: Conversion, sink: Sink, *, workers: int = 2,
    progress: Callable[[int, int], None] | None = None, stop: Callable[[], bool] | None = None,
) -> Tally:  # fmt: skip
    """Carry every shard that is not there yet into a sink made for the header and layout; see `carrying.carry`."""
    name, boxes = conversion.header.name, list(conversion.boxes())
    return carry(sink, boxes, conversion.counted, name=name, workers=workers, progress=progress, stop=stop)

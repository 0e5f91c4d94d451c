"""The ports through which images enter and leave: Volume (read) and Sink (write), and their in-memory doubles.

Every volume has five axes, TCZYX. A file with fewer has length 1 on the others; `Header.axes` remembers which it had.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from isoscope.errors import DataError

__all__ = [
    "AXES", "ArraySink", "ArrayVolume", "Box", "Header", "Layout", "Shape", "Sink", "Volume", "as_tczyx", "layout_of",
]  # fmt: skip

AXES = "TCZYX"
Shape = tuple[int, int, int, int, int]
Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Box:
    """A half-open region of a volume, in pixels, axes TCZYX."""

    start: Shape
    stop: Shape

    @property
    def shape(self) -> Shape:
        """Side lengths in pixels."""
        t, c, z, y, x = (b - a for a, b in zip(self.start, self.stop, strict=True))
        return t, c, z, y, x

    @property
    def slices(self) -> tuple[slice, ...]:
        """The region as an index into a TCZYX array."""
        return tuple(slice(a, b) for a, b in zip(self.start, self.stop, strict=True))

    def within(self, outer: Box) -> tuple[slice, ...]:
        """The region as an index into the pixels of a box around it."""
        return tuple(slice(a - b, c - b) for a, b, c in zip(self.start, outer.start, self.stop, strict=True))

    @classmethod
    def whole(cls, shape: Shape) -> Box:
        """The box that covers an array of this shape."""
        return cls((0, 0, 0, 0, 0), shape)


@dataclass(frozen=True, slots=True)
class Header:
    """What a volume says of itself.

    Attributes:
        name: short name without suffix, used for outputs.
        shape: lengths along TCZYX.
        dtype: numpy type of the grey values.
        axes: the axes the file really has, a subset of TCZYX in the file's order ("YXC" for interleaved RGB).
        pixel_size: (z, y, x) in `unit`, or None where the file does not say.
        unit: OME unit name of `pixel_size`, such as "micrometer".
        channels: channel names; empty where the file has none.
        rgb: the channels are the red, green and blue of a colour picture.
        attributes: anything else worth carrying to an output, JSON-serialisable.
    """

    name: str
    shape: Shape
    dtype: np.dtype[Any]
    axes: str = "YX"
    pixel_size: tuple[float, float, float] | None = None
    unit: str = "micrometer"
    channels: tuple[str, ...] = ()
    rgb: bool = False
    attributes: dict[str, Any] = field(default_factory=dict)

    def renamed(self, name: str) -> Header:
        """The same header under another name."""
        return replace(self, name=name)


@dataclass(frozen=True, slots=True)
class Layout:
    """How an image lies in its file, or how a sink should lay it out.

    Attributes:
        shard: the write unit, TCZYX.
        chunk: the read unit, TCZYX, which is decoded whole; shards hold whole chunks.
        codec: the compression's name.
        levels: of the pyramid, the full resolution counted: 1 for none; none: until the larger side is at most 256.
    """

    shard: Shape
    chunk: Shape
    codec: str = "zstd"
    levels: int | None = None


@runtime_checkable
class Volume(Protocol):
    """An image that can be read in boxes. It may offer `layout`, where reading a pixel decodes its whole chunk."""

    @property
    def header(self) -> Header:
        """What the image says of itself; cheap, reads no pixels."""

    def read(self, box: Box, /) -> Array:
        """The pixels of `box`, shape `box.shape`, in the file's own dtype and grey values."""


def layout_of(volume: Volume) -> Layout | None:
    """How the volume lies in its file; none where any box costs its own pixels only, or nobody knows."""
    layout: Layout | None = getattr(volume, "layout", None)
    return layout


@runtime_checkable
class Sink(Protocol):
    """An image that is written in boxes; each box is one whole shard (clipped at the array's edge)."""

    def write(self, box: Box, values: Array, /) -> None:
        """Store `values` (shape `box.shape`, the sink's dtype). Boxes never overlap and may come in any order."""

    def written(self, box: Box, /) -> bool:
        """Whether the box is stored for good: by the same plan, and the disk still holds it as it was written.

        Always false where nothing would outlive an abort.
        """

    def close(self) -> None:
        """Finish the image. Only now does it appear under its final name."""

    def abort(self) -> None:
        """Stop here. What is written stays for a `create` that resumes, if this one was given a fingerprint.

        Harmless after close.
        """

    def discard(self) -> None:
        """Give up and remove whatever was written under a temporary name. Harmless after close."""


class ArrayVolume:
    """A numpy array as a Volume: for notebooks, tests and data held in memory."""

    def __init__(self, array: Array, axes: str = "TCZYX", header: Header | None = None) -> None:
        self._array = as_tczyx(array, axes)
        t, c, z, y, x = self._array.shape
        self._header = header or Header("array", (t, c, z, y, x), self._array.dtype, axes)

    @property
    def header(self) -> Header:
        """What the array says of itself."""
        return self._header

    def read(self, box: Box, /) -> Array:
        """A view of the array."""
        return self._array[box.slices]


class ArraySink:
    """A Sink that keeps what it was given: `array` is TCZYX. For tests and `predict(array)`."""

    def __init__(self, header: Header) -> None:
        self.header = header
        self.array: Array = np.zeros(header.shape, header.dtype)

    def write(self, box: Box, values: Array, /) -> None:
        """Store one box."""
        self.array[box.slices] = values

    def written(self, _box: Box, /) -> bool:
        """Never: memory outlives no process."""
        return False

    def close(self) -> None:
        """Nothing to finish."""

    def abort(self) -> None:
        """Nothing to keep."""

    def discard(self) -> None:
        """Nothing to remove."""


def as_tczyx(array: Array, axes: str) -> Array:
    """View an array with the named axes (any order, each of TCZYX at most once) as TCZYX.

    Raises:
        DataError: if the names do not fit the array.
    """
    if len(axes) != array.ndim or len(set(axes)) != len(axes) or set(axes) - set(AXES):
        raise DataError(f"got axes {axes!r} for an array of shape {array.shape}; expected one of {AXES} per dimension")
    order = [axes.index(a) for a in AXES if a in axes]
    view = array.transpose(order)
    return view[tuple(slice(None) if a in axes else None for a in AXES)]

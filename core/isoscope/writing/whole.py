"""Write an image that is in memory already."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from isoscope.sources import store_for_writing
from isoscope.volume import Box, Header, Layout, as_tczyx

__all__ = ["write_whole"]


def write_whole(path: Path, array: NDArray[Any], axes: str = "YX", *, name: str | None = None, **facts: Any) -> Path:
    """Write an array in the format that the suffix names; it appears when it is whole.

    Args:
        path: where; its folder is made.
        array: grey values.
        axes: of the array, such as "YX" or "ZYX"; "YXC" with three channels is an RGB picture.
        name: of the image; none: the file's, up to the first dot.
        facts: what else its header says: pixel_size, unit, channels, attributes.

    Raises:
        DataError: if no store writes this suffix, or the format cannot hold such an image.
    """
    values = as_tczyx(array, axes)
    t, c, z, y, x = values.shape
    rgb = facts.pop("rgb", axes == "YXC" and c == 3)
    header = Header(name or path.name.split(".")[0], (t, c, z, y, x), values.dtype, axes, rgb=rgb, **facts)
    path.parent.mkdir(parents=True, exist_ok=True)
    sink = store_for_writing(path).create(path, header, Layout((t, c, z, y, x), (t, c, z, y, x)))
    try:
        sink.write(Box.whole(header.shape), values)
        sink.close()
    except BaseException:
        sink.abort()
        raise
    return path

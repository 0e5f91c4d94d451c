"""Label images and masks as a smooth map that networks can learn to write: how deep each pixel lies in its object."""

from __future__ import annotations

from dataclasses import replace
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isoscope.errors import DataError
from isoscope.preparation.margins import widened
from isoscope.volume import Box, Header, Layout, Volume, layout_of

__all__ = ["DepthVolume", "depth_of"]


def depth_of(labels: NDArray[Any], most: float) -> NDArray[np.float32]:
    """Depth of each pixel of a plane [H, W] in its object, in pixels; 0 is background.

    1 on the object's outline, then growing with the distance from it up to `most`. Pixels of another label are outside;
    the image's edge is no outline, as objects go on beyond it.
    """
    from scipy.ndimage import distance_transform_edt
    from skimage.segmentation import find_boundaries

    outline = find_boundaries(labels, connectivity=2, mode="inner")  # type: ignore[no-untyped-call]
    inside = np.full(labels.shape, most) if not outline.any() else 1 + distance_transform_edt(~outline)
    return np.where(labels > 0, np.minimum(inside, most), 0).astype(np.float32)


class DepthVolume:
    """A label image or mask whose planes are read as depth, float32.

    Only the part of the depth below a limit is told, so that a box is the same whatever is read around it.

    Args:
        volume: labels: 0 is background; touching objects differ in their labels.
        most: depth in pixels at which the map ends to grow.

    Raises:
        DataError: for images in colour or with other channels.
    """

    def __init__(self, volume: Volume, most: float) -> None:
        header = volume.header
        if header.shape[1] != 1:
            raise DataError(
                f"{header.name} has {header.shape[1]} channels; expected one, of labels; "
                f"choose it with --target-channels"
            )
        self._volume, self._most = volume, most
        self._header = replace(header, dtype=np.dtype(np.float32))

    @property
    def header(self) -> Header:
        """What the volume says of itself, but for the type."""
        return self._header

    @property
    def layout(self) -> Layout | None:
        """How the image lies on disk."""
        return layout_of(self._volume)

    def read(self, box: Box, /) -> NDArray[Any]:
        """The depth of the pixels of a box."""
        wider = widened(box, ceil(self._most) + 1, self._header.shape)
        planes = self._volume.read(wider).reshape(-1, *wider.shape[-2:])
        depths = np.stack([depth_of(plane, self._most) for plane in planes]).reshape(wider.shape)
        return depths[box.within(wider)]

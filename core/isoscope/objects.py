"""Objects with a number each, from a depth map or straight from an image: threshold, markers, watershed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isoscope.errors import DataError
from isoscope.volume import Box, Header, Volume

__all__ = ["LARGEST", "LabelVolume", "by_depth", "by_otsu", "parted"]

Plane = NDArray[Any]
Numbered = NDArray[np.uint32]

LARGEST = 2**26
"""Pixels of a plane: objects are told apart in whole planes, which takes about 40 bytes a pixel."""
_FINE = 16
"""Steps per pixel of depth in which maxima are looked for."""


def parted(mask: Plane, height: Plane, dip: float, smallest: int = 0) -> Numbered:
    """Number the objects of a mask [H, W]: one for each summit of a height map inside it, from 1.

    Args:
        mask: what belongs to some object.
        height: in pixels, higher towards the middle of objects.
        dip: how far one has to go down between two summits for them to be two objects.
        smallest: objects of fewer pixels are left out.
    """
    from skimage.segmentation import relabel_sequential, watershed

    steps = np.rint(np.where(mask, height, 0) * _FINE).astype(np.int32)
    flood: Callable[..., Plane] = watershed
    renumber: Callable[..., tuple[Plane, Any, Any]] = relabel_sequential
    objects = flood(-steps, _summits(steps, max(1, round(dip * _FINE))), mask=mask)
    small = np.bincount(objects.ravel()) < smallest
    return renumber(np.where(small[objects], 0, objects))[0].astype(np.uint32)


def _summits(steps: Plane, dip: int) -> Plane:
    """The summits of a height map, numbered; those with a shallower dip between them are one, equally high or not."""
    from skimage.measure import label
    from skimage.morphology import local_maxima, reconstruction

    # around the image lies ground, so that what fills it is a summit too
    ground = np.pad(steps, 1)
    raised: Callable[..., Plane] = reconstruction
    highest: Callable[..., Plane] = local_maxima
    numbers: Plane = label(highest(raised(ground - dip, ground)))  # type: ignore[no-untyped-call]
    return numbers[1:-1, 1:-1]


def by_depth(depth: Plane, *, threshold: float = 0.5, dip: float = 0.25, smallest: int = 16) -> Numbered:
    """Objects of a depth map [H, W] as `segment` predicts it.

    Args:
        depth: of each pixel in its object, in pixels; 1 on outlines.
        threshold: depth from which a pixel belongs to an object.
        dip: least depth, in pixels, of a seam between two objects.
        smallest: objects of fewer pixels are left out.
    """
    return parted(depth >= threshold, depth, dip, smallest)


def by_otsu(image: Plane, *, sigma: float = 1.0, dip: float = 1.0, smallest: int = 16) -> Numbered:
    """Bright objects of an image [H, W] without anything learned: blur, Otsu's threshold, watershed of distances.

    Args:
        image: grey values.
        sigma: of the Gaussian blur, in pixels.
        dip: least waist of two touching objects: how much narrower it is, in pixels of radius.
        smallest: objects of fewer pixels are left out.
    """
    from scipy.ndimage import distance_transform_edt, gaussian_filter
    from skimage.filters import threshold_otsu

    blurred = gaussian_filter(image.astype(np.float64), sigma)
    if not np.ptp(blurred):
        return np.zeros(image.shape, np.uint32)
    mask = blurred > threshold_otsu(blurred)  # type: ignore[no-untyped-call]
    return parted(mask, gaussian_filter(distance_transform_edt(mask), 1.0), dip, smallest)


class LabelVolume:
    """The objects of an image, plane by plane, uint32; 0 is background, numbers begin anew in each plane.

    Args:
        volume: one channel: depth, or an image.
        find: from a plane to its objects.
        facts: how they were found, for the output's attributes.

    Raises:
        DataError: for several channels, or planes that are too large to be looked at whole.
    """

    def __init__(self, volume: Volume, find: Callable[[Plane], Numbered], facts: dict[str, Any]) -> None:
        given = volume.header
        height, width = given.shape[3:]
        if given.shape[1] != 1:
            raise DataError(f"{given.name} has {given.shape[1]} channels; expected one; choose it with --channels")
        if height * width > LARGEST:
            raise DataError(
                f"{given.name} has planes of {height} x {width} px; expected at most {LARGEST} px, as objects are told "
                f"apart in whole planes; cut it with isoscope convert --crop"
            )
        self._volume, self._find = volume, find
        attributes = {**given.attributes, "labels": {"of": given.name, **facts}}
        self._header = replace(given, dtype=np.dtype(np.uint32), channels=(), rgb=False, attributes=attributes)
        self._plane = lru_cache(maxsize=1)(self._found)

    @property
    def header(self) -> Header:
        """What the input says of itself, but for the type."""
        return self._header

    def _found(self, t: int, z: int) -> Numbered:
        *_, height, width = self._header.shape
        plane = self._volume.read(Box((t, 0, z, 0, 0), (t + 1, 1, z + 1, height, width)))[0, 0, 0]
        if not np.isfinite(plane).all():
            raise DataError(f"{self._header.name} holds NaN or infinite values; expected finite ones; replace them")
        return self._find(plane)

    def read(self, box: Box, /) -> NDArray[Any]:
        """The objects in a box; the planes that it touches are computed whole, the last one is kept."""
        (t0, _, z0, y0, x0), (t1, _, z1, y1, x1) = box.start, box.stop
        planes = [self._plane(t, z)[y0:y1, x0:x1] for t in range(t0, t1) for z in range(z0, z1)]
        return np.stack(planes).reshape(box.shape)

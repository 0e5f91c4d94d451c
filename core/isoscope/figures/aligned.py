"""Images of one field of view, pixel on pixel, one plane of each: read in boxes, or as a whole in few pixels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from isoscope import overviews
from isoscope.errors import DataError
from isoscope.volume import Header, Volume

__all__ = ["Image", "aligned", "pixel_size"]

Floats = NDArray[np.float64]

_MICROMETERS = {"nanometer": 1e-3, "micrometer": 1.0, "millimeter": 1e3}
_SAME = 1.01
"""Pixel sizes that differ by less than this factor are the same, rounded otherwise."""


@dataclass(frozen=True, slots=True)
class Image:
    """One plane of an image.

    Attributes:
        role: "input", "prediction" or "truth".
        levels: its pyramid, the full resolution first.
        time: index of the time point.
        plane: index of the z plane.
    """

    role: str
    levels: tuple[Volume, ...]
    time: int = 0
    plane: int = 0

    @property
    def header(self) -> Header:
        """Of the full resolution."""
        return self.levels[0].header

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.header.shape[3], self.header.shape[4]

    def crop(self, ys: slice, xs: slice) -> Floats:
        """Grey values of a part at full resolution, [C, h, w].

        Raises:
            DataError: if any is NaN or infinite.
        """
        return overviews.plane(self.levels[0], (self.time, self.plane), ys, xs)

    def overview(self, step: int) -> Floats:
        """The whole plane, each pixel the mean of `step` x `step`: [C, ceil(H / step), ceil(W / step)]."""
        return overviews.overview(self.levels, (self.time, self.plane), step)

    def shown(self, values: Floats, channel: int, channels: int) -> Floats:
        """Of values [C, h, w] the one channel of a row, or all three colours of RGB.

        Args:
            values: with all channels.
            channel: of the row.
            channels: rows of the figure; an image of another number shows its first channel in all of them.
        """
        return values if self.header.rgb else values[[channel if len(values) == channels else 0]]


def aligned(pyramids: Mapping[str, Sequence[Volume]], *, plane: int | None = None, time: int = 0) -> dict[str, Image]:
    """One plane of each image, refused where they do not lie pixel on pixel.

    Args:
        pyramids: by role, the full resolution first; "input" and "prediction", and "truth" where there is one.
        plane: index along z, of images that have several; none: the middle.
        time: index of the time point, of images that have several.

    Raises:
        DataError: if heights, widths or depths differ, a truth has other channels than the prediction, or there is no
            such plane or time point.
    """
    headers = {role: levels[0].header for role, levels in pyramids.items()}
    for role, header in headers.items():
        _check_size(header, role, headers["prediction"])
    depth = _common("planes", [(h.name, h.shape[2]) for h in headers.values()])
    times = _common("time points", [(h.name, h.shape[0]) for h in headers.values()])
    chosen = depth // 2 if plane is None else plane
    _check_index("plane", chosen, depth)
    _check_index("time point", time, times)
    return {
        role: Image(
            role, tuple(levels), time if headers[role].shape[0] > 1 else 0, chosen if headers[role].shape[2] > 1 else 0
        )
        for role, levels in pyramids.items()
    }


def _check_size(header: Header, role: str, prediction: Header) -> None:
    if header.shape[3:] != prediction.shape[3:]:
        raise DataError(
            f"{role} {header.name} is {_said(header.shape[3:])} px, the prediction {prediction.name} "
            f"{_said(prediction.shape[3:])}; expected aligned images of one size; crop or resample one of them"
        )
    if role == "truth" and (header.shape[1], header.rgb) != (prediction.shape[1], prediction.rgb):
        raise DataError(
            f"truth {header.name} has {_kind(header)}, the prediction {prediction.name} {_kind(prediction)}; "
            f"expected the same; choose with --truth-channels or --prediction-channels"
        )


def _kind(header: Header) -> str:
    return "colours (RGB)" if header.rgb else f"{header.shape[1]} channel{'s' * (header.shape[1] != 1)}"


def _said(size: Sequence[int]) -> str:
    return " x ".join(map(str, size))


def _common(what: str, counts: Sequence[tuple[str, int]]) -> int:
    """How many there are in those images that have several."""
    many = {count: name for name, count in counts if count > 1}
    if len(many) > 1:
        (a, first), (b, second) = list(many.items())[:2]
        raise DataError(f"{first} has {a} {what}, {second} has {b}; expected as many in both, or one; cut one of them")
    return next(iter(many), 1)


def _check_index(what: str, index: int, count: int) -> None:
    if not 0 <= index < count:
        known = "0" if count == 1 else f"0 to {count - 1}"
        raise DataError(f"got {what} {index} of {count}; expected {known}; choose another")


def pixel_size(images: Mapping[str, Image]) -> tuple[float, float] | None:
    """Height and width of a pixel in micrometers, as the headers state it; none where none does.

    Raises:
        DataError: if they state different sizes.
    """
    known = [(image.header.name, size) for image in images.values() if (size := _micrometers(image.header))]
    for name, size in known[1:]:
        first, expected = known[0]
        if max(max(a / b, b / a) for a, b in zip(size, expected, strict=True)) > _SAME:
            raise DataError(
                f"{first} has pixels of {expected[0]:g} x {expected[1]:g} µm, {name} of {size[0]:g} x {size[1]:g} µm; "
                f"expected one size in aligned images; state the right one with --pixel-size"
            )
    return known[0][1] if known else None


def _micrometers(header: Header) -> tuple[float, float] | None:
    if header.pixel_size is None or header.unit not in _MICROMETERS:
        return None
    return header.pixel_size[1] * _MICROMETERS[header.unit], header.pixel_size[2] * _MICROMETERS[header.unit]

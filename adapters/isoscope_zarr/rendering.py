"""How viewers show an image at first: a colour and a range of grey values for each channel (`omero` in OME-NGFF)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isoscope.volume import Header

__all__ = ["RGB_NAMES", "Window", "omero", "seen", "windows"]

Document = dict[str, Any]
Window = tuple[float, float]

RGB_NAMES = ("red", "green", "blue")
_RGB_COLOURS = ("FF0000", "00FF00", "0000FF")
_COLOURS = ("00FF00", "FF00FF", "00FFFF", "FFFF00", "FF0000", "0000FF")


def seen(values: NDArray[Any]) -> list[Window | None]:
    """The range of grey values of each channel of an array, TCZYX; none where nothing is finite."""
    low, high = (reduce(values, axis=(0, 2, 3, 4)) for reduce in (np.fmin.reduce, np.fmax.reduce))
    ranges = [(float(a), float(b)) for a, b in zip(low, high, strict=True)]
    return [(a, b) if np.isfinite(b - a) else None for a, b in ranges]


def windows(channels: int, markers: Iterable[Mapping[str, Any]]) -> list[Window]:
    """The range of each channel over the markers of all shards; 0 to 1 where nothing finite was seen."""
    found: list[list[Window]] = [[] for _ in range(channels)]
    for marker in markers:
        for channel, window in enumerate(marker["seen"], marker["first_channel"]):
            if window:
                found[channel].append(tuple(window))
    return [(min(a for a, _ in w), max(b for _, b in w)) if w else (0.0, 1.0) for w in found]


def omero(header: Header, found: list[Window]) -> Document:
    """The metadata; channels without names get none, or they would be read back as named.

    Args:
        header: of the image.
        found: the range of grey values of each channel.
    """
    names = RGB_NAMES if header.rgb else header.channels
    colours = _RGB_COLOURS if header.rgb else _COLOURS if len(found) > 1 else ("FFFFFF",)
    shown = [_picture(header.dtype, found)] * len(found) if header.rgb else [_widened(window) for window in found]
    channels: list[Document] = []
    for i, window in enumerate(shown):
        low, high = _limits(header.dtype, window)
        view = {"min": low, "max": high, "start": window[0], "end": window[1]}
        named = {"label": names[i]} if names else {}
        channels.append({**named, "color": colours[i % len(colours)], "active": True, "window": view})
    return {"channels": channels}


def _picture(dtype: np.dtype[Any], found: list[Window]) -> Window:
    """One range for all colours, or white would be tinted: the type's, of floats 0 to 1 unless they exceed it."""
    low, high = min(a for a, _ in found), max(b for _, b in found)
    return _limits(dtype, (0.0, 1.0) if low >= 0 and high <= 1 else _widened((low, high)))


def _widened(window: Window) -> Window:
    """Viewers refuse empty ranges: a flat image is shown white if it is above zero, else black."""
    low, high = window
    if low < high:
        return window
    return (min(low, 0.0), max(high, 0.0)) if low else (0.0, 1.0)


def _limits(dtype: np.dtype[Any], window: Window) -> Window:
    """How far the range can be drawn: over the whole type, of floats over what was seen."""
    if dtype.kind == "f":
        return window
    info = np.iinfo(dtype)
    return float(info.min), float(info.max)

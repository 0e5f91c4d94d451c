"""Simulated fields as Volumes, each made when it is first read."""

from __future__ import annotations

import threading
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isoscope.errors import refusal
from isoscope.reading import ReadOptions, choose
from isoscope.volume import Box, Header, Volume
from isoscope_simulate.content import CONTENTS, numbered_nuclei
from isoscope_simulate.optics import blurred, recorded, transmitted
from isoscope_simulate.settings import AXIAL_MARGIN, MARGIN, Settings, parse

__all__ = ["Field", "open_volumes"]


@dataclass(frozen=True)
class Field:
    """One field of a set; simulated whole on first use, and kept."""

    settings: Settings
    number: int
    _kept: list[NDArray[Any]] = field(default_factory=list, compare=False, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, compare=False, repr=False)

    @property
    def header(self) -> Header:
        """Its name says content, seed and number: fields of one name show the same, whatever the optics."""
        s = self.settings
        number = f"{self.number:0{len(str(s.count - 1))}}"
        dtype = np.dtype("u2" if s.photons or s.labels else "f4")
        facts = {"simulated": {**s.model_dump(), "field": self.number}}
        return Header(
            f"{s.content}-s{s.seed}-{number}", (1, 1, s.planes, s.size, s.size), dtype,
            "ZYX" if s.planes > 1 else "YX", s.voxel, channels=(s.content,), attributes=facts,
        )  # fmt: skip

    def read(self, box: Box, /) -> NDArray[Any]:
        """The pixels of a box."""
        with self._lock:
            if not self._kept:
                self._kept.append(_simulated(self.settings, self.number))
        return self._kept[0][box.slices]

    def __reduce__(self) -> tuple[Any, ...]:
        return Field, (self.settings, self.number)


def _simulated(s: Settings, number: int) -> NDArray[Any]:
    deep = AXIAL_MARGIN if s.depth > 1 else 0
    shape = (s.depth + 2 * deep, s.size + 2 * MARGIN, s.size + 2 * MARGIN)
    inside = slice(deep, deep + s.depth, s.step), slice(MARGIN, -MARGIN), slice(MARGIN, -MARGIN)
    # Content and noise draw from streams of their own, or another camera would show another field.
    content = _stream(s, number, "content")
    if s.labels:
        return numbered_nuclei(content, shape, s.density)[1][inside][None, None]
    brightness = CONTENTS[s.content](content, shape, s.density)
    seen = transmitted(brightness, s)[:, *inside[1:]] if s.psf == "phase" else blurred(brightness, s)[inside]
    return recorded(seen, s, _stream(s, number, f"noise {s.draw} {s.psf} {s.photons}"))[None, None]


def _stream(s: Settings, number: int, what: str) -> np.random.Generator:
    return np.random.default_rng([s.seed, number, zlib.crc32(f"{s.content} {what}".encode())])


def open_volumes(path: Path, options: ReadOptions) -> list[Volume]:
    """Every field of the set.

    Raises:
        DataError: for an unknown name or parameter, or options that no simulation has.
    """
    settings = parse(path.name)
    choose(path, "level", options.level, [settings])
    choose(path, "series", options.series, [settings])
    if options.axes is not None:
        raise refusal(path, f"axes {options.axes}", "none for simulations", "leave them out")
    return [Field(settings, number) for number in range(settings.count)]

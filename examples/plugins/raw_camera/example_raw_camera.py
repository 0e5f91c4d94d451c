"""A task with a store of its own: images of a camera that writes bare pixels and says in a .json file what they are."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from isoscope.domain import Domain
from isoscope.errors import DataError, blame, refusal
from isoscope.parameters import Component
from isoscope.preparation import Preparation
from isoscope.reading import ReadOptions, choose
from isoscope.recipe import DomainRecipe, Recipe, Term
from isoscope.volume import ArrayVolume, Header, Layout, Sink, Volume

__all__ = ["lowlight", "raw_camera"]

_TYPE = np.dtype("<u2")


class RawCamera:
    """`name.raw`, 16-bit frames one after another, beside `name.json` with frames, height, width and pixel_um."""

    suffixes: tuple[str, ...] = (".raw",)
    writes: tuple[str, ...] = ()

    def claims(self, path: Path, /) -> bool:
        """Whether it is a .raw file with its .json; .raw alone is many cameras' suffix."""
        return path.name.lower().endswith(self.suffixes) and path.with_suffix(".json").is_file()

    def open(self, path: Path, options: ReadOptions = ReadOptions(), /) -> list[Volume]:
        """The frames as planes over time, of which only what is looked at is read.

        Raises:
            DataError: if the two files do not fit together, or have not what was asked for.
        """
        choose(path, "level", options.level, [path])
        choose(path, "series", options.series, [path])
        if options.axes not in (None, "TYX"):
            raise refusal(path, f"axes {options.axes}", "TYX, which is all that this camera writes", "leave them out")
        shape, pixel = _declared(path)
        pixels = np.memmap(path, _TYPE, "r", 0, shape)
        header = Header(path.stem, (shape[0], 1, 1, *shape[1:]), _TYPE, "TYX", (1.0, pixel, pixel))
        return [ArrayVolume(pixels, "TYX", header)]

    def create(self, path: Path, _header: Header, _layout: Layout, /, **_: Any) -> Sink:
        """Nothing is written as .raw.

        Raises:
            DataError: always.
        """
        raise refusal(path, ".raw to write", "a format that says what it holds", "write .ome.zarr or .ome.tif")


def _declared(path: Path) -> tuple[tuple[int, int, int], float]:
    """Frames, height and width, which the file must hold exactly, and the pixel size in micrometers."""
    beside = path.with_suffix(".json")
    with blame(beside, "does not say frames, height, width and pixel_um", "copy it again from the camera"):
        said = json.loads(beside.read_text(encoding="utf-8"))
        frames, height, width = (int(said[key]) for key in ("frames", "height", "width"))
        pixel = float(said["pixel_um"])
    if min(frames, height, width) < 1 or not (math.isfinite(pixel) and pixel > 0):
        raise refusal(beside, f"{frames} frames, {height} x {width} px of {pixel} um", "all above 0", "correct it")
    # before anything is mapped: what is declared must be there
    expected, found = frames * height * width * _TYPE.itemsize, path.stat().st_size
    if expected != found:
        raise refusal(path, f"{found} bytes", f"{expected}, as {beside.name} says", "copy both again from the camera")
    return (frames, height, width), pixel


def raw_camera() -> RawCamera:
    """Read the camera's .raw files; write nothing."""
    return RawCamera()


def lowlight(source: Domain, target: Domain, /) -> Recipe:
    """Remove the noise of short exposures: learn from them and from long ones of other fields.

    The camera's offset, most of the grey value where light is short, is measured and subtracted; the way back is a
    camera whose noise is measured on the two sets.
    """
    if source.channels != target.channels:
        raise DataError(
            f"lowlight needs equal channels, got {source.channels} and {target.channels}; give matching ones"
        )
    side = DomainRecipe(prepare=Preparation(offset="auto"), polarity="bright")
    return Recipe(
        source=side,
        target=side,
        method=Component.model_validate({"name": "c2gan", "backward": {"name": "camera"}, "noise": 0.0}),
        losses={"lsgan": Term(weight=0.0), "cycle": Term.model_validate({"weight": 10.0, "weight_a": 0.0})},
    )

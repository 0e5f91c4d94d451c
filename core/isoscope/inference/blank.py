"""Tiles that are not computed, and what stands in their place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isoscope.tiling import Tile

__all__ = ["Blank", "Key", "key_of"]

Key = tuple[int, int, int, int, int]
"""A tile by its frame and the rows and columns that it reads: the same tile in whichever job it appears."""


def key_of(frame: int, tile: Tile) -> Key:
    """The name of a tile."""
    ys, xs = tile.read
    return frame, ys.start, ys.stop, xs.start, xs.stop


@dataclass(frozen=True, slots=True, eq=False)
class Blank:
    """The tiles of a plan that hold no tissue.

    Attributes:
        fills: grey values of the output by tile, float32 [C], as the network would have given them.
        facts: what an output says of them, ready for JSON.
    """

    fills: Mapping[Key, NDArray[np.float32]]
    facts: dict[str, Any]

    def fill(self, frame: int, tile: Tile) -> NDArray[np.float32] | None:
        """What stands in place of a tile; none where it is computed."""
        return self.fills.get(key_of(frame, tile))

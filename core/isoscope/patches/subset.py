"""A fixed, seeded choice of patches, for asking how much data a method needs: larger ones hold the smaller ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["Subset"]

_FIXED = 2
"""Marks the random streams that choose the patches, apart from those that shuffle blocks."""


@dataclass(frozen=True, slots=True)
class Subset:
    """So many places, each a pure function of the seed and its number: the first 100 of 1000 are those of 100.

    Attributes:
        count: of places.
        seed: of the run.
        side: 0 for the source, 1 for the target; equal sides choose equal places (matched pairs).
        kept: their pixels stay in memory once they were read.
    """

    count: int
    seed: int
    side: int
    kept: bool = False

    def origin(self, number: int, origins: int) -> int:
        """Which of a set's origins the chosen place with this number has."""
        key = np.random.SeedSequence([self.seed, self.side], spawn_key=(_FIXED, number))
        return int(np.random.default_rng(key).integers(origins))

"""Patches from sets larger than memory: many blocks are held at a time, each gives some patches and makes room.

Which block a patch comes from, where that block lies, and where the patch lies in it are pure functions of the seed
and the patch's number. Nothing that was drawn before matters, nor how many threads read: a run that goes on at any
step sees what it would have seen without stopping.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isoscope.patches.blocks import Block, Cell, Origins, Place, Window

__all__ = ["AHEAD", "READERS", "BlockShuffle", "Key", "LiveBlocks", "Shuffle", "Turns"]

AHEAD = 8
"""Blocks read before they are needed, so that a few which come due together keep nobody waiting."""

READERS = 2
"""Threads that read blocks; zarr decodes the chunks of a block in threads of its own."""

_ORDER, _PLACES = 0, 1

Key = tuple[int, int]
"""A block by its slot, 0 to live - 1, and how many others were in that slot before it."""


@dataclass(frozen=True, slots=True)
class Shuffle:
    """How a set is read in blocks.

    Attributes:
        cells: for each volume, how many patch origins a block has along t, z, y, x.
        live: blocks to draw from at the same time.
        uses: patches that a block gives before another takes its slot.
    """

    cells: tuple[Cell, ...]
    live: int
    uses: int

    @property
    def facts(self) -> dict[str, Any]:
        """All that decides the order, but for seed and images; JSON-serialisable."""
        return {"cells": [list(cell) for cell in sorted(set(self.cells))], "live": self.live, "uses": self.uses}


@lru_cache(maxsize=16)
def _permutation(seed: int, side: int, lap: int, live: int) -> NDArray[np.intp]:
    key = np.random.SeedSequence([seed, side], spawn_key=(_ORDER, lap))
    return np.random.default_rng(key).permutation(live)


@dataclass(frozen=True, slots=True)
class Turns:
    """Whose turn it is. In each lap of as many patches as there are slots, every slot gives one, in random order.

    Slots change blocks every `uses` laps, one after the other and not all at once.
    """

    seed: int
    side: int
    live: int
    uses: int

    def __call__(self, number: int) -> Key:
        """The block that a patch comes from; patches are numbered from 0 through all steps."""
        lap, at = divmod(number, self.live)
        slot = int(_permutation(self.seed, self.side, lap, self.live)[at])
        return slot, (lap + slot * self.uses // self.live) // self.uses


class LiveBlocks:
    """The blocks in memory, at most `live` and `AHEAD` more. For one thread at a time, in which patches are drawn.

    Args:
        turn: which block each patch comes from.
        live: slots.
        read: reads a block.
    """

    def __init__(self, turn: Callable[[int], Key], live: int, read: Callable[[Key], Window]) -> None:
        self._turn, self._size, self._read = turn, live, read
        self._live: dict[int, tuple[int, Future[Window]]] = {}
        self._ahead: dict[Key, Future[Window]] = {}
        self._next = self._looked_at = 0
        self._pool: ThreadPoolExecutor | None = None

    def window(self, number: int) -> Window:
        """The pixels of the block that a patch comes from; those of the patches after it are on their way."""
        if number != self._next:
            self._forget(number)
        self._look_ahead(number)
        self._next = number + 1
        slot, generation = key = self._turn(number)
        if not self._holds(key):
            self._live[slot] = generation, self._ahead.pop(key) if key in self._ahead else self._submit(key)
        return self._live[slot][1].result()

    def _look_ahead(self, number: int) -> None:
        """Have blocks read until enough are under way, or every slot was looked at."""
        while len(self._ahead) < AHEAD and self._looked_at < number + self._size:
            key = self._turn(self._looked_at)
            if key not in self._ahead and not self._holds(key):
                self._ahead[key] = self._submit(key)
            self._looked_at += 1

    def _submit(self, key: Key) -> Future[Window]:
        self._pool = self._pool or ThreadPoolExecutor(READERS, "isoscope-reading")
        return self._pool.submit(self._read, key)

    def _holds(self, key: Key) -> bool:
        slot, generation = key
        return slot in self._live and self._live[slot][0] == generation

    def _forget(self, number: int) -> None:
        """Go on elsewhere: what was read ahead may never be used."""
        for future in self._ahead.values():
            future.cancel()
        self._ahead.clear()
        self._next = self._looked_at = number

    def close(self) -> None:
        """Give back memory and threads; they are taken again when needed."""
        self._forget(0)
        self._live.clear()
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
            self._pool = None


class BlockShuffle:
    """Draws places all of which are equally likely, near each other only as far as they share a live block.

    It can be pickled; the copy reads its own blocks.

    Args:
        origins: of the set.
        how: it is read.
        seed: of the run.
        side: equal sides draw equal places from sets of equal shape.
    """

    def __init__(self, origins: Origins, how: Shuffle, seed: int, side: int) -> None:
        self.origins, self.how = origins, how
        self._seed, self._side = seed, side
        self._turns = Turns(seed, side, how.live, how.uses)
        self._blocks = LiveBlocks(self._turns, how.live, self._read)

    def place(self, number: int, rng: np.random.Generator) -> Place:
        """Where patch `number` lies; `rng` is the patch's own."""
        block = self._block(self._turns(number))
        return self.origins.place_in(block, int(rng.integers(prod(block.shape))))

    def window(self, number: int) -> Window:
        """What to read patch `number` from; fast for patches in order, right for any."""
        return self._blocks.window(number)

    def close(self) -> None:
        """Give back memory and threads."""
        self._blocks.close()

    def _block(self, key: Key) -> Block:
        """Larger blocks are drawn more often, so that every origin of the set is equally likely."""
        seed = np.random.SeedSequence([self._seed, self._side], spawn_key=(_PLACES, *key))
        number = int(np.random.default_rng(seed).integers(len(self.origins)))
        return self.origins.block(self.origins.place(number), self.how.cells)

    def _read(self, key: Key) -> Window:
        return self.origins.read(self._block(key))

    def __reduce__(self) -> tuple[Any, ...]:
        return BlockShuffle, (self.origins, self.how, self._seed, self._side)

"""How many tiles the network takes at once: found by a short measurement, and never seen in the picture."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import Generic, TypeVar

import torch
from torch import Tensor

from isoscope.errors import IsoscopeError

__all__ = ["Batch", "out_of_memory"]

_log = logging.getLogger(__name__)
T = TypeVar("T")

_LARGEST = 32
_SLOW = 0.25
"""Seconds per tile above which the machine is busy enough with one at a time."""
_GAIN = 0.95
"""A larger batch must take at most this part of the time per tile."""
_SHARE = 64
"""So many times as many tiles must be to come, or measuring a size would cost more than it saves."""


def out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out, on an accelerator or in the computer."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or "DefaultCPUAllocator" in str(error)


class Batch(Generic[T]):
    """The size of batches.

    A size is admitted only if it is faster and gives the very same bits as one tile at a time, so that what is
    resumed, or computed in another order, is the same: libraries may add up in another order for other batches. Only
    admitted sizes are used, which are powers of two. Where memory runs out the size is halved, and the tiles stay.

    Args:
        network: from tiles of one size to their outputs, [N, C, H, W].
        size: of batches, used as it is; none: to be measured.
        shape: of a tile; a size is admitted for each by itself, as libraries choose how to add up by shape.
    """

    def __init__(
        self, network: Callable[[Sequence[T]], Tensor], size: int | None = None,
        shape: Callable[[T], Hashable] = lambda _: None,
    ) -> None:  # fmt: skip
        self._network, self.size = network, size or 1
        self._shape, self._admitted = shape, dict[Hashable, int]()
        self._settled, self._measured = size is not None, size is None

    def settle(self, example: T, coming: int) -> None:
        """Measure, the first time it is called.

        Args:
            example: a tile of the size that most have.
            coming: how many tiles are to come.
        """
        if self._settled:
            return
        self._settled = True
        if (largest := min(coming // _SHARE, _LARGEST)) > 1:
            self.size = self._admitted[self._shape(example)] = self._best(example, largest)
            _log.info("batches of %d tiles", self.size)

    def __call__(self, tiles: Sequence[T]) -> Iterator[Tensor]:
        """The network's output for each tile; memory that runs out halves the batch.

        Raises:
            IsoscopeError: if it runs out for a single tile.
        """
        start = 0
        while start < len(tiles):
            group = tiles[start : start + 1]
            try:
                group = tiles[start : start + self._part(len(tiles) - start, self._exact(tiles[start]))]
                made = self._network(group)
            except Exception as error:
                if not out_of_memory(error):
                    raise
                self._shrink(len(group) if len(group) > 1 else self.size, error)
                continue
            yield from made
            start += len(group)

    def _part(self, left: int, size: int) -> int:
        """How many go next: all that are left, in sizes that were tried."""
        if left >= size or not self._measured:
            return min(left, size)
        return int(2 ** (left.bit_length() - 1))

    def _exact(self, tile: T) -> int:
        """The largest size up to which tiles of this shape come out as one at a time do, to the bit."""
        if self.size == 1 or not self._measured:
            return self.size
        shape = self._shape(tile)
        if shape not in self._admitted:
            single, size = self._network([tile])[0], 1
            while 2 * size <= self.size and self._alike(self._network([tile] * (2 * size)), single):
                size *= 2
            self._admitted[shape] = size
        return min(self.size, self._admitted[shape])

    @staticmethod
    def _alike(made: Tensor, single: Tensor) -> bool:
        return all(torch.equal(part, single) for part in made)

    def _shrink(self, tried: int, error: Exception) -> None:
        if tried == 1:
            raise IsoscopeError(
                "memory ran out for a single tile; expected room for one; give a smaller --tile or close programs"
            ) from error
        self.size = tried // 2
        _log.warning("memory ran out: batches of %d from here on; the picture stays the same", self.size)
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def _best(self, example: T, largest: int) -> int:
        """The fastest size, doubled as long as it pays."""
        single, best = self._timed([example])
        size = 1
        while best < _SLOW and 2 * size <= largest:
            try:
                made, seconds = self._timed([example] * (2 * size))
            except Exception as error:
                if out_of_memory(error):
                    break
                raise
            if not self._alike(made, single[0]) or seconds / (2 * size) > _GAIN * best:
                break
            best, size = seconds / (2 * size), 2 * size
        return size

    def _timed(self, tiles: Sequence[T]) -> tuple[Tensor, float]:
        """Output and seconds of a call, the second of two, as the first warms up; one that is slow is not repeated."""
        made, shortest = torch.empty(0), float("inf")
        for _ in range(2):
            started = time.perf_counter()
            made = self._network(tiles).cpu()
            shortest = min(shortest, time.perf_counter() - started)
            if shortest > _SLOW * len(tiles):
                break
        return made, shortest

"""Patches for training, drawn on the fly; what step k sees is a pure function of seed, side and k."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from isoscope.domain import Domain
from isoscope.errors import DataError
from isoscope.frames import Frames, Planes
from isoscope.intensity import Intensity
from isoscope.patches.blocks import Origins, Place
from isoscope.patches.loading import GIB, size
from isoscope.patches.shuffling import BlockShuffle, Shuffle
from isoscope.patches.subset import Subset
from isoscope.preparation.mixing import StainMixing
from isoscope.volume import ArrayVolume, Box, Volume

__all__ = ["Augmentation", "Sampler", "held_in_memory", "prefetched"]

Augmentation = Literal["none", "flips", "dihedral"]
_SPARED = 0.1


def held_in_memory(volumes: Sequence[Volume], gib: float) -> list[Volume]:
    """The same volumes, decoded once if together they fit in `gib`, else as they are."""
    if size(volumes) > gib * GIB:
        return list(volumes)
    return [ArrayVolume(v.read(Box.whole(v.header.shape)), "TCZYX", v.header) for v in volumes]


class Sampler:
    """Draws batches of normalised patches from the frames of one domain, every pixel position equally likely.

    Args:
        volumes: the images.
        domain: its resolved description.
        patch: side in pixels.
        batch: patches per step.
        seed: of the run.
        side: 0 for the source, 1 for the target; equal sides draw equal places (matched pairs).
        planes: how frames are cut.
        grey: turn RGB into luminance.
        augmentation: `dihedral` applies one of the eight symmetries of the square, `flips` one of the four that keep
            rows rows.
        shuffle: how to read a set larger than memory in blocks; none: each patch by itself.
        subset: the only places to draw; none: all.
        spared: places of patches to keep out of the draw, whatever their frame, because a run is judged by them. Not
            where they would take a tenth of the places, nor in blocks, where so few are met hardly ever, nor
            in a subset.
        mixing: the stains of other images, for patches in colour.
        context: neighbouring planes that are channels too, on each side.
    """

    def __init__(
        self, volumes: Sequence[Volume], domain: Domain, *, patch: int, batch: int, seed: int, side: int,
        planes: Planes = "xy", grey: bool = False, augmentation: Augmentation = "none",
        shuffle: Shuffle | None = None, subset: Subset | None = None, spared: Sequence[Place] = (),
        mixing: StainMixing | None = None, context: int = 0,
    ) -> None:  # fmt: skip
        self.frames = [Frames(v, planes, grey, context) for v in volumes]
        self.intensity = Intensity(domain.limits)
        self.patch, self.batch, self.seed, self.side = patch, batch, seed, side
        self.augmentation, self.mixing = augmentation, mixing
        for f in self.frames:
            if min(f.size) < patch:
                smaller = f"set training.patch={min(f.size) // 8 * 8} or " if min(f.size) >= 8 else ""
                raise DataError(
                    f"{domain.name}: {f.name} is {f.size[0]} x {f.size[1]} px, smaller than the patch of {patch}; "
                    f"{smaller}give larger images"
                )
        self.origins = Origins(self.frames, patch)
        self.blocks = BlockShuffle(self.origins, shuffle, seed, side) if shuffle else None
        self.subset, self._kept = subset, dict[Place, NDArray[Any]]()
        taken = sum(len(self.frames[v]) for v, *_ in spared) * (2 * patch - 1) ** 2
        self.spared = tuple(spared) if not (shuffle or subset) and taken <= _SPARED * len(self.origins) else ()

    def place(self, step: int, index: int) -> tuple[int, int, int, int, int]:
        """Where patch `index` of `step` lies: volume, frame, y, x, and its symmetry 0-7."""
        rng = np.random.default_rng([self.seed, self.side, step, index])
        place = self._drawn(step * self.batch + index, rng)
        return *place, self._symmetry(rng)

    def _symmetry(self, rng: np.random.Generator) -> int:
        """0 to 3: quarter turns; 4 to 7: these, then a reflection."""
        if self.augmentation == "none":
            return 0
        return int(rng.integers(8)) if self.augmentation == "dihedral" else 2 * int(rng.integers(4))

    def _drawn(self, number: int, rng: np.random.Generator) -> Place:
        if self.blocks is not None:
            return self.blocks.place(number, rng)
        if self.subset is not None:
            chosen = int(rng.integers(self.subset.count))
            return self.origins.place(self.subset.origin(chosen, len(self.origins)))
        while True:
            place = self.origins.place(int(rng.integers(len(self.origins))))
            if not any(self._overlap(place, other) for other in self.spared):
                return place

    def _overlap(self, one: Place, other: Place) -> bool:
        """Whether two patches share pixels, or would in neighbouring planes of a stack."""
        return one[0] == other[0] and all(abs(a - b) < self.patch for a, b in zip(one[2:], other[2:], strict=True))

    def patch_at(self, step: int, index: int, held: Volume | None = None) -> NDArray[Any]:
        """One patch [C, p, p] in grey values, read from what is held of its volume, else from the volume itself."""
        v, frame, y, x, symmetry = self.place(step, index)
        values = self._pixels((v, frame, y, x), held)
        if self.mixing:
            values = self.mixing(values, v, (self.seed, self.side, step, index))
        values = np.rot90(values, symmetry % 4, axes=(1, 2))
        return values[:, :, ::-1] if symmetry >= 4 else values

    def _pixels(self, place: Place, held: Volume | None) -> NDArray[Any]:
        v, frame, y, x = place
        if place in self._kept:
            return self._kept[place]
        values = self.frames[v].read(frame, slice(y, y + self.patch), slice(x, x + self.patch), held)
        if self.subset and self.subset.kept:
            self._kept[place] = values = values.copy()  # a view would keep what it was cut from
        return values

    def one(self, step: int, index: int) -> Tensor:
        """One patch [1, C, patch, patch] of a batch, normalised, whatever is being read for others."""
        return self._normalised([self.patch_at(step, index)])

    def __call__(self, step: int) -> Tensor:
        """The batch of one step: float32 [batch, C, patch, patch], normalised. One thread at a time may call."""
        first = step * self.batch
        held = (self.blocks.window(first + i) if self.blocks else None for i in range(self.batch))
        return self._normalised(self.patch_at(step, i, part) for i, part in enumerate(held))

    def _normalised(self, patches: Iterable[NDArray[Any]]) -> Tensor:
        copies = [p.astype(np.float32) for p in patches]  # one by one: a view would keep its whole block in memory
        return self.intensity.normalise(torch.from_numpy(np.stack(copies)))

    def close(self) -> None:
        """Give back memory and threads, if blocks were read; they are taken again when needed."""
        if self.blocks is not None:
            self.blocks.close()


def prefetched(
    samplers: Sequence[Sampler], start: int, more: Callable[[int], bool], pin: bool = False
) -> Iterator[tuple[int, list[Tensor]]]:
    """(step, one batch per sampler) while `more(step)`; the next step is read while this one trains.

    Args:
        samplers: of both sides; closed at the end.
        start: the first step.
        more: whether there is such a step.
        pin: keep batches in pinned memory, which CUDA copies from while it computes.
    """
    try:
        with ThreadPoolExecutor(1, "isoscope-sampling") as pool:
            step, ahead = start, None
            while more(step):
                ready = ahead or pool.submit(_batches, samplers, step, pin)
                ahead = pool.submit(_batches, samplers, step + 1, pin)
                yield step, ready.result()
                step += 1
    finally:
        for sampler in samplers:
            sampler.close()


def _batches(samplers: Sequence[Sampler], step: int, pin: bool) -> list[Tensor]:
    batches = [sampler(step) for sampler in samplers]
    # in the memory layout of training: another one would be made on the way, in memory that is not pinned
    return [b.contiguous(memory_format=torch.channels_last).pin_memory() for b in batches] if pin else batches

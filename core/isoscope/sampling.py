"""Patches for training, drawn on the fly; what step k sees is a pure function of seed, side and k."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
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
from isoscope.volume import ArrayVolume, Box, Volume

__all__ = ["Sampler", "held_in_memory", "prefetched"]

_GIB = 2**30


def held_in_memory(volumes: Sequence[Volume], gib: float) -> list[Volume]:
    """The same volumes, decoded once if together they fit in `gib`, else as they are."""
    size = sum(int(np.prod(v.header.shape, dtype=np.int64)) * v.header.dtype.itemsize for v in volumes)
    if size > gib * _GIB:
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
        augmentation: `dihedral` applies one of the eight symmetries of the square.
    """

    def __init__(
        self, volumes: Sequence[Volume], domain: Domain, *, patch: int, batch: int, seed: int, side: int,
        planes: Planes = "xy", grey: bool = False, augmentation: Literal["none", "dihedral"] = "none",
    ) -> None:  # fmt: skip
        self.frames = [Frames(v, planes, grey) for v in volumes]
        self.intensity = Intensity(domain.limits)
        self.patch, self.batch, self.seed, self.side = patch, batch, seed, side
        self.augmentation = augmentation
        for f in self.frames:
            if min(f.size) < patch:
                raise DataError(
                    f"{domain.name}: {f.name} is {f.size[0]} x {f.size[1]} px, smaller than the patch of {patch}; "
                    f"set training.patch={min(f.size) // 8 * 8} or give larger images"
                )
        self.ends = np.cumsum([len(f) * self._origins(f) for f in self.frames])

    def _origins(self, f: Frames) -> int:
        return (f.size[0] - self.patch + 1) * (f.size[1] - self.patch + 1)

    def place(self, step: int, index: int) -> tuple[int, int, int, int, int]:
        """Where patch `index` of `step` lies: volume, frame, y, x, and its symmetry 0-7."""
        rng = np.random.default_rng([self.seed, self.side, step, index])
        flat = int(rng.integers(self.ends[-1]))
        v = int(np.searchsorted(self.ends, flat, side="right"))
        flat -= int(self.ends[v - 1]) if v else 0
        f = self.frames[v]
        frame, origin = divmod(flat, self._origins(f))
        y, x = divmod(origin, f.size[1] - self.patch + 1)
        symmetry = int(rng.integers(8)) if self.augmentation == "dihedral" else 0
        return v, frame, y, x, symmetry

    def patch_at(self, step: int, index: int) -> NDArray[Any]:
        """One patch [C, p, p] in grey values."""
        v, frame, y, x, symmetry = self.place(step, index)
        values = self.frames[v].read(frame, slice(y, y + self.patch), slice(x, x + self.patch))
        values = np.rot90(values, symmetry % 4, axes=(1, 2))
        return values[:, :, ::-1] if symmetry >= 4 else values

    def __call__(self, step: int) -> Tensor:
        """The batch of one step: float32 [batch, C, patch, patch], normalised."""
        patches = [self.patch_at(step, i).astype(np.float32) for i in range(self.batch)]
        return self.intensity.normalise(torch.from_numpy(np.stack(patches)))


def prefetched(
    samplers: Sequence[Sampler], start: int, more: Callable[[int], bool]
) -> Iterator[tuple[int, list[Tensor]]]:
    """(step, one batch per sampler) while `more(step)`; the next step is read while this one trains."""
    with ThreadPoolExecutor(1, "isoscope-sampling") as pool:
        step, ahead = start, None
        while more(step):
            ready = ahead or pool.submit(_batches, samplers, step)
            ahead = pool.submit(_batches, samplers, step + 1)
            yield step, ready.result()
            step += 1


def _batches(samplers: Sequence[Sampler], step: int) -> list[Tensor]:
    return [sampler(step) for sampler in samplers]

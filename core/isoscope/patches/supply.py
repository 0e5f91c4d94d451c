"""What a run learns from: a sampler of patches for each side, over images in memory or on disk."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from isoscope.domain import Domain
from isoscope.errors import DataError, RecipeError
from isoscope.frames import Frames, Planes
from isoscope.patches.blocks import Place
from isoscope.patches.loading import GIB, described, plan
from isoscope.patches.pairing import check_pairs
from isoscope.patches.sampling import Sampler, held_in_memory
from isoscope.patches.shuffling import Shuffle
from isoscope.patches.subset import Subset
from isoscope.preparation.mixing import StainMixing
from isoscope.preparation.prepared import prepared
from isoscope.recipe import Recipe, Training
from isoscope.volume import Volume

__all__ = ["Supply", "supply"]

_CALIBRATION_SIDE = 10
"""Added to a sampler's side, so that calibration patches are a stream of their own."""
_WATCHED_SIDE = 20
"""Likewise for the patches that a run is judged by."""
_WATCHED = 8
_SIDES = ("source", "target")
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Supply:
    """The patches of a run; all lists have an entry for the source and one for the target.

    Attributes:
        training: draw the batches.
        calibration: draw the patches that statistics are taken from.
        watched: draw the patches that a run is judged by, held out of training where there is room.
        reading: how the images reach training, in words.
        order: what decides which patches come together beside the seed, JSON-serialisable.
    """

    training: Sequence[Sampler]
    calibration: Sequence[Sampler]
    watched: Sequence[Sampler]
    reading: Sequence[str]
    order: Sequence[dict[str, Any] | None]


def supply(
    recipe: Recipe, domains: Sequence[Domain], source: Sequence[Volume], target: Sequence[Volume], matched: bool
) -> Supply:
    """Decide how both sides are read, and decode what fits into memory.

    Args:
        recipe: settled.
        domains: source and target, resolved.
        source: images of domain A.
        target: images of domain B.
        matched: draw equal places from both.

    Raises:
        DataError: for images that are smaller than a patch, too large to be read as they are, or no pairs where
            pairs are to be drawn.
    """
    t, declared = recipe.training, (recipe.source, recipe.target)
    planes: tuple[Planes, Planes] = (recipe.output.planes, "xy")
    # prepared before they are held, so that what is held is not prepared again for every patch
    ready = [prepared(volumes, d.prepare) for volumes, d in zip((source, target), declared, strict=True)]
    frames = [
        [Frames(v, planes[side], declared[side].grey, recipe.output.context) for v in ready[side]] for side in (0, 1)
    ]
    if matched:
        check_pairs(*frames)
    shuffles = _shuffles(frames, t.patch, t.ram_gib, matched)
    held = [held_in_memory(ready[side], t.ram_gib / 2) if shuffles[side] is None else ready[side] for side in (0, 1)]
    subsets = [_subset(t, frames[side], 0 if matched else side, shuffles[side] is not None) for side in (0, 1)]
    if t.patches:  # few enough to be held, and so they need no blocks
        shuffles = [None, None]
    reading = [f"{_SIDES[side]}: {_told(t, shuffles[side], frames[side])}" for side in (0, 1)]
    for line in reading:
        _log.info("%s", line)
    # pairs show one place in the colours that belong together
    mixing = [None, None if matched else _mixing(recipe, ready[1], domains[1])]

    def sampler(side: int, offset: int, batch: int, shuffle: Shuffle | None, spared: Sequence[Place] = ()) -> Sampler:
        return Sampler(
            held[side], domains[side], patch=t.patch, batch=batch, seed=t.seed, planes=planes[side],
            side=offset if matched else offset + side, grey=declared[side].grey, augmentation=t.augmentation,
            shuffle=shuffle, subset=subsets[side], spared=spared, mixing=mixing[side],
            context=recipe.output.context,
        )  # fmt: skip

    watched = [sampler(side, _WATCHED_SIDE, _WATCHED, None) for side in (0, 1)]
    held_out = [[one.place(0, i)[:4] for i in range(_WATCHED)] for one in watched]
    return Supply(
        [sampler(side, 0, t.batch, shuffles[side], held_out[side]) for side in (0, 1)],
        # few, and seldom: not worth a memory full of blocks
        [sampler(side, _CALIBRATION_SIDE, t.calibration, None) for side in (0, 1)],
        watched,
        reading,
        [how.facts if how else None for how in shuffles],
    )


def _mixing(recipe: Recipe, target: Sequence[Volume], domain: Domain) -> StainMixing | None:
    """The stains that patches of the target are drawn in."""
    method = recipe.training.stain_mixing
    if method == "none" or recipe.target.prepare.stain:  # one stain for all leaves nothing to mix
        return None
    if domain.channels != 3:
        raise RecipeError(
            f"training.stain_mixing={method} got a target of {domain.channels} channels; expected RGB; set it to none"
        )
    return StainMixing(target, method)


def _subset(t: Training, frames: Sequence[Frames], side: int, kept: bool) -> Subset | None:
    """The places that the recipe limits a side to; statistics are taken from no other."""
    if t.patches is None:
        return None
    volume = max((f.volume for f in frames), key=lambda v: v.header.dtype.itemsize)
    size = t.patches * t.patch**2 * max(f.channels for f in frames) * volume.header.dtype.itemsize
    if kept and size > t.ram_gib / 2 * GIB:
        raise DataError(
            f"{_SIDES[side]}: got training.patches={t.patches}, {size / GIB:.3g} GiB; expected them to fit into half "
            f"of training.ram_gib = {t.ram_gib:g}; set training.ram_gib={2.01 * size / GIB:.3g}"
        )
    return Subset(t.patches, t.seed, side, kept)


def _told(t: Training, shuffle: Shuffle | None, frames: Sequence[Frames]) -> str:
    """How a side is read, in words."""
    if t.patches:
        return f"{t.patches} patches, chosen by seed {t.seed}, of {described(None, frames).partition(',')[0]}"
    return described(shuffle, frames)


def _shuffles(frames: Sequence[Sequence[Frames]], patch: int, gib: float, matched: bool) -> list[Shuffle | None]:
    """How each side is read; equal places can be drawn only by equal plans."""
    if matched:
        return [plan(frames, patch, gib, "source")] * 2
    return [plan([side], patch, gib, name) for side, name in zip(frames, _SIDES, strict=True)]

"""Who takes part: recipes for one split of images, checked before any of them is trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from isoscope import kinds
from isoscope.errors import DataError
from isoscope.frames import Frames
from isoscope.parameters import build
from isoscope.preparation.resampling import Scale, resampled
from isoscope.proposal import Proposal, propose
from isoscope.recipe import Recipe
from isoscope.splits.fingerprint import pixel_hash
from isoscope.terms import Terms
from isoscope.volume import Volume

__all__ = ["Entrant", "ImageSets", "enter", "scale_of"]

_Named = tuple[str, Sequence[Volume]]


@dataclass(frozen=True, slots=True)
class ImageSets:
    """One split.

    Attributes:
        source: images of domain A to learn from.
        target: images of domain B to learn from, of other places.
        test_source: images of A that are scored.
        test_truth: what they should become, in the same order.
        pairs: images of A and B in the same order, for methods that need pairs and for tuning filters; or none.
    """

    source: Sequence[Volume]
    target: Sequence[Volume]
    test_source: Sequence[Volume]
    test_truth: Sequence[Volume]
    pairs: tuple[Sequence[Volume], Sequence[Volume]] | None = None

    def check(self) -> None:
        """Refuse a test whose images do not match, or one of which was learned from.

        Raises:
            DataError: naming the images.
        """
        for what, (a, b) in {"test": (self.test_source, self.test_truth), **self._pairs()}.items():
            _check_matched(what, a, b)
        tests = [("test-source", self.test_source), ("test-truth", self.test_truth)]
        learned = [("source", self.source), ("target", self.target)]
        for a, b in self._pairs().values():
            learned += [("pairs-source", a), ("pairs-target", b)]
        _check_apart(tests, learned)

    def on_grid(self, scale: Scale | None) -> ImageSets:
        """The split as recipes of this `prepare.scale` read it: baselines are given that, and truths must match it."""
        if scale is None:
            return self
        source, test = ([resampled(v, scale) for v in volumes] for volumes in (self.source, self.test_source))
        pairs = self.pairs and ([resampled(v, scale) for v in self.pairs[0]], self.pairs[1])
        return replace(self, source=source, test_source=test, pairs=pairs)

    def _pairs(self) -> dict[str, tuple[Sequence[Volume], Sequence[Volume]]]:
        return {} if self.pairs is None else {"pairs": self.pairs}

    def learned_from(self, matched: bool) -> tuple[Sequence[Volume], Sequence[Volume]]:
        """What a method trains on: pairs, or the two sets that know nothing of each other."""
        return self.pairs if matched and self.pairs is not None else (self.source, self.target)


def _check_matched(what: str, source: Sequence[Volume], target: Sequence[Volume]) -> None:
    if len(source) != len(target) or not source:
        raise DataError(f"got {len(source)} and {len(target)} {what} images; expected one truth for each; pair them")
    for a, b in zip((v.header for v in source), (v.header for v in target), strict=True):
        if (a.shape[0], *a.shape[3:]) != (b.shape[0], *b.shape[3:]):
            raise DataError(
                f"{what}: {a.name} is {a.shape} and {b.name} {b.shape} (TCZYX); expected one size in T, Y and X; "
                f"give them in the same order, of the same places"
            )


def _check_apart(tests: Sequence[_Named], learned: Sequence[_Named]) -> None:
    """Only images of one shape and type can be the same, and only those are read."""
    tested = {pixel_hash(v): f"{v.header.name} of --{part}" for part, volumes in tests for v in volumes}
    alike = {(v.header.shape, v.header.dtype) for _, volumes in tests for v in volumes}
    for part, volumes in learned:
        for volume in volumes:
            if (volume.header.shape, volume.header.dtype) in alike and (same := tested.get(pixel_hash(volume))):
                raise DataError(
                    f"{same} is {volume.header.name} of --{part} too; expected images that nothing was learned from, "
                    f"or memory is scored; leave it out of either"
                )


@dataclass(frozen=True, slots=True)
class Entrant:
    """A recipe ready to be trained.

    Attributes:
        name: in tables and pictures.
        recipe: settled for the images that it learns from, with its seed.
        matched: it learns from pairs.
    """

    name: str
    recipe: Recipe
    matched: bool = False

    @property
    def seed(self) -> int:
        """Of everything random."""
        return self.recipe.training.seed


def scale_of(entrants: Sequence[Entrant]) -> Scale | None:
    """The grid on which recipes read the source.

    Raises:
        DataError: if they read it on several, which no baseline could be set beside.
    """
    scales = {entrant.recipe.source.prepare.scale for entrant in entrants}
    if len(scales) > 1:
        raise DataError(
            f"got recipes that read the source on {len(scales)} grids; expected one source.prepare.scale; compare "
            f"them one by one"
        )
    return scales.pop() if scales else None


def enter(
    name: str, keys: Mapping[str, Any], sets: ImageSets, *, task: str | None = None, preset: str | None = None,
    seeds: int = 1,
) -> list[Entrant]:  # fmt: skip
    """A recipe once for each seed, as `train` would settle it for the images that its method learns from.

    Args:
        name: in tables and pictures.
        keys: the user's, from YAML and options.
        sets: the images.
        task: a task's name; none: the keys say it.
        preset: a preset's name; none: the keys say it, or it is picked.
        seeds: how many; the first is the recipe's own.

    Raises:
        RecipeError, PluginError, DataError: one line each; also for a method that needs pairs where there are none.
    """
    proposal = propose(sets.source, sets.target, task=task, preset=preset, user=keys)
    matched = _pairing(proposal) == "matched"
    if matched:
        if sets.pairs is None:
            raise DataError(
                f"{name}: method {proposal.recipe.method.name} learns from pairs, got none; expected --pairs-source "
                f"and --pairs-target; give both, or leave {name} out"
            )
        proposal = propose(*sets.pairs, task=task, preset=preset, user=keys)
    _check_test(name, proposal, sets)
    recipe = proposal.recipe
    return [
        Entrant(name, recipe.replaced(training={"seed": recipe.training.seed + n}), matched) for n in range(seeds)
    ]  # fmt: skip


def _pairing(proposal: Proposal) -> str:
    """Whether the method draws pairs; only a built one says so."""
    recipe = proposal.recipe
    patch = (recipe.training.patch, recipe.training.patch)
    with torch.random.fork_rng():
        method = build(
            kinds.methods, recipe.method, proposal.source, proposal.target, Terms(dict(recipe.losses)), patch
        )
    return method.pairing


def _check_test(name: str, proposal: Proposal, sets: ImageSets) -> None:
    """Refuse, before anything is trained, a test that could not be predicted or scored."""
    recipe = proposal.recipe
    how = recipe.output
    got = Frames(sets.test_source[0], how.planes, recipe.source.grey, how.context).channels
    if got != proposal.source.channels:
        raise DataError(
            f"{name}: --test-source has {got} channels, expected {proposal.source.channels} as in training; "
            f"give images like those it learns from"
        )
    wanted = proposal.target.plane.channels
    if (channels := sets.test_truth[0].header.shape[1]) != wanted:
        raise DataError(
            f"{name}: --test-truth has {channels} channels, expected {wanted} as in training; "
            f"give images like those it learns to make"
        )

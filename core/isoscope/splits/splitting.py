"""Split two image sets so that no field of view is ever seen in both domains, or both learned from and tested on."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from isoscope.errors import DataError
from isoscope.splits.blocks import matched_images, same_image, single_image
from isoscope.splits.candidates import Candidate, gather, remarks
from isoscope.splits.fields import SIDES, Kind, assign, groups
from isoscope.splits.manifest import leaks
from isoscope.splits.roles import Item, Manifest, Role

__all__ = ["GUARD", "TEST", "split"]

TEST = 1 / 6
"""Fraction held out for testing: train and test about 5 : 1 (Li et al. 2019)."""
GUARD = 128
"""Pixels between blocks of one image: the published patch for restoration."""

_log = logging.getLogger(__name__)


def split(
    a: Sequence[Path], b: Sequence[Path], *, matched: bool = False, seed: int = 0, test: float = TEST,
    validation: float = 0.0, guard: int = GUARD, field: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Manifest:  # fmt: skip
    """Give every field of view exactly one part: source, target, test or validation.

    A training field seen in both sets keeps one of its images, by a fair coin; a single image is cut into blocks.

    Args:
        a: files or stores of domain A, in order.
        b: the same of domain B.
        matched: image i of A and image i of B show the same field.
        seed: another seed gives another split.
        test: fraction of fields held out for testing, as pairs where they are matched.
        validation: fraction held out for validation.
        guard: gap in pixels between the blocks of a single image; at least the training patch.
        field: regular expression; images whose names match it alike (its first group) show one field or slide.
        progress: called with (images hashed, images).

    Raises:
        DataError: if the sets share an image, are too small, or do not match.
    """
    _check_wishes(a, b, matched, test, validation, guard)
    images = gather(a, b, matched, field, progress)
    notes = remarks(images, matched)
    for note in notes:
        _log.warning("%s", note)
    same = len({i.print.pixels for i in images}) == 1
    held = {"test": test, "validation": validation}
    if len(a) == len(b) == 1 and (matched or same):
        items = same_image(images, seed, held, guard) if same else matched_images(images, seed, held, guard)
    else:
        _refuse_shared(images)
        items = list(_unmatched(images, seed, held, guard))
    manifest = Manifest(
        seed=seed, fraction=test, validation=validation, matched=matched, field=field, notes=tuple(notes),
        guard=guard if any(i.box for i in items) else None, items=tuple(items),
    )  # fmt: skip
    _check_complete(manifest)
    return manifest


def _check_wishes(
    a: Sequence[Path], b: Sequence[Path], matched: bool, test: float, validation: float, guard: int
) -> None:
    if not a or not b:
        raise DataError(f"got {len(a)} source and {len(b)} target images; expected some of both")
    if matched and len(a) != len(b):
        raise DataError(f"got {len(a)} source and {len(b)} target images; expected as many of both, for matched sets")
    if min(test, validation) < 0 or test + validation >= 1:
        raise DataError(f"got test {test:g} and validation {validation:g}; expected fractions that leave some to train")
    if guard < 1:
        raise DataError(f"got a guard of {guard} px; expected at least the training patch")


def _refuse_shared(images: Sequence[Candidate]) -> None:
    seen = {i.print.pixels: i for i in images if i.side == "source"}
    for image in images:
        twin = seen.get(image.print.pixels)
        if image.side == "target" and twin:
            how = "the same file" if twin.print.content == image.print.content else "the same pixels"
            raise DataError(
                f"{twin.path} and {image.path} are {how}; expected every field of view in one domain; remove one"
            )


def _unmatched(images: Sequence[Candidate], seed: int, held: Mapping[str, float], guard: int) -> Iterator[Item]:
    """Sets of several images by whole fields, a set of one image by blocks."""
    several: list[Candidate] = []
    for side in SIDES:
        own = [image for image in images if image.side == side]
        if len(own) == 1:
            yield from single_image(own[0], seed, held, guard)
        else:
            several += own
    yield from _whole_images(several, seed, held)


def _whole_images(images: Sequence[Candidate], seed: int, held: Mapping[str, float]) -> Iterator[Item]:
    """Every field of view plays one part."""
    fields = [[images[n] for n in group] for group in groups([i.labels for i in images])]
    parts = assign({_name(f): _kind(f) for f in fields}, seed=seed, **held)
    for field in fields:
        part = parts[_name(field)]
        yield from (image.item(image.role(part)) for image in field)


def _name(field: Iterable[Candidate]) -> str:
    return min(image.key for image in field)


def _kind(field: Iterable[Candidate]) -> Kind:
    first, *others = {image.side for image in field}
    return "both" if others else first


def _check_complete(manifest: Manifest) -> None:
    """What a split promises, asked of its result."""
    for leak in leaks(manifest):
        raise DataError(f"{leak}; expected every field of view in one role; remove one of them")
    needed: list[Role] = ["source", "target"]
    needed += ["test_source", "test_target"] if manifest.fraction else []
    needed += ["validation_source", "validation_target"] if manifest.validation else []
    missing = [role for role in needed if not manifest.of(role)]
    if missing:
        held = len(needed) // 2 - 1
        raise DataError(
            f"too few fields of view, none left for {', '.join(missing)}; expected at least {2 + held} matched pairs, "
            f"or {1 + held} unmatched images per set; give more, or one large image per set to be cut into blocks"
        )

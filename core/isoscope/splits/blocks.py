"""A set that is one large image: blocks of it play the parts, with gaps between them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import cast

from isoscope import sources
from isoscope.errors import DataError
from isoscope.splits.candidates import Candidate
from isoscope.splits.crops import Cropped, cut
from isoscope.splits.fields import SIDES, draw
from isoscope.splits.fingerprint import pixel_hash
from isoscope.splits.roles import Item, Role
from isoscope.volume import Box, Volume

__all__ = ["matched_images", "same_image", "single_image"]

_BLOCKS = 4


def single_image(image: Candidate, seed: int, held: Mapping[str, float], guard: int) -> list[Item]:
    """The only image of a set: one block to learn from, others held out."""
    if not any(held.values()):
        return [image.item(image.side)]
    found = _blocks([image], [(image.side, 1.0), *held.items()], seed, guard)
    return [image.item(image.role(part), box, pixels) for part, [(box, pixels)] in found]


def matched_images(images: Sequence[Candidate], seed: int, held: Mapping[str, float], guard: int) -> list[Item]:
    """One image of a field in each set: every block plays one part, as a field of its own."""
    found = _blocks(images, [*_alternating(images, guard), *held.items()], seed, guard)
    return [
        image.item(image.role(part), box, pixels)
        for part, cuts in found
        for image, (box, pixels) in zip(images, cuts, strict=True)
    ]


def same_image(images: Sequence[Candidate], seed: int, held: Mapping[str, float], guard: int) -> list[Item]:
    """The same image as both sets: each block serves one of them, or it would be its own truth."""
    shares = [(f"{part}_{side}", share / 2) for part, share in held.items() for side in SIDES]
    found = _blocks(images, [*_alternating(images, guard), *shares], seed, guard)
    return [
        image.item(cast(Role, part), box, pixels)
        for part, cuts in found
        for image, (box, pixels) in zip(images, cuts, strict=True)
        if part.endswith(image.side)
    ]


def _alternating(images: Sequence[Candidate], guard: int) -> list[tuple[str, float]]:
    """As many blocks for each side, up to four, as leave each several guards long."""
    length = min(max(_opened(i).header.shape[3:]) for i in images)
    pair: list[tuple[str, float]] = [(side, 1.0) for side in SIDES]
    return pair * max(1, min(_BLOCKS, length // (8 * guard)))


def _blocks(
    images: Sequence[Candidate], shares: Sequence[tuple[str, float]], seed: int, guard: int
) -> Iterator[tuple[str, list[tuple[Box, str]]]]:
    """Blocks of one image, or of matched ones alike, in an order that the seed draws: part, and box and pixels each."""
    volumes = [_opened(image) for image in images]
    parts = [(part, share) for part, share in shares if share]
    order = sorted(range(len(parts)), key=lambda n: draw(seed, f"block {n}", images[0].id))
    for part, boxes in cut([v.header for v in volumes], [parts[n] for n in order], guard):
        yield part, [(box, pixel_hash(Cropped(v, box))) for v, box in zip(volumes, boxes, strict=True)]


def _opened(image: Candidate) -> Volume:
    found = sources.open_one(image.path)
    if len(found) != 1:
        raise DataError(f"{image.path} holds {len(found)} images; expected one to cut into blocks; save them apart")
    return found[0]

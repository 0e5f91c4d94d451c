"""The images of two sets as a split sees them: their names, their hashes, and what tells of a common field of view."""

from __future__ import annotations

import os
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from isoscope.errors import DataError
from isoscope.splits.fields import SIDES, Side
from isoscope.splits.fingerprint import Fingerprint, fingerprints
from isoscope.splits.roles import Item, Role
from isoscope.volume import Box

__all__ = ["Candidate", "gather", "remarks"]


@dataclass(frozen=True, slots=True)
class Candidate:
    """One image to be given a part; images that share a label show one field of view."""

    side: Side
    id: str
    path: Path
    print: Fingerprint
    labels: frozenset[str]
    pair: int | None

    @property
    def key(self) -> str:
        """A name that no other image of either set has."""
        return f"{self.side}/{self.id}"

    def role(self, part: str) -> Role:
        """The role of this image in a field that plays a part: what serves the other side is dropped."""
        if part in SIDES:
            return self.side if part == self.side else "dropped"
        return cast(Role, f"{part}_{self.side}")

    def item(self, role: Role, box: Box | None = None, pixels: str | None = None) -> Item:
        """The entry of this image, or of a box of it, in a manifest."""
        return Item(
            id=self.id, role=role, path=self.path, box=box, sha256=self.print.content,
            pixels=pixels or self.print.pixels, pair=self.pair,
        )  # fmt: skip


def gather(
    a: Sequence[Path], b: Sequence[Path], matched: bool, field: str | None,
    progress: Callable[[int, int], None] | None,
) -> list[Candidate]:  # fmt: skip
    """Both sets with their names, hashes and labels.

    Args:
        a: files or stores of domain A.
        b: the same of domain B.
        matched: image i of A and image i of B show the same field.
        field: regular expression; names that match it alike (its first group) show one field.
        progress: called with (images hashed, images).

    Raises:
        DataError: if an image is given twice or cannot be read, or the pattern does not fit.
    """
    found = []
    prints = iter(fingerprints([*a, *b], progress))
    for side, paths in zip(SIDES, (a, b), strict=True):
        for i, (name, path) in enumerate(zip(_names(paths, side), paths, strict=True)):
            mark = next(prints)
            labels = {f"pixels {mark.pixels}", f"name {side} {name}"}
            labels |= ({f"pair {i}"} if matched else set()) | ({f"field {_field(name, field)}"} if field else set())
            found.append(Candidate(side, name, path.absolute(), mark, frozenset(labels), i if matched else None))
    return found


def _names(paths: Sequence[Path], side: Side) -> list[str]:
    """File names, with the folders in which they differ where a set lies in several."""
    folders = {p.absolute().parent for p in paths}
    top = os.path.commonpath([str(f) for f in folders])
    names = [Path(os.path.relpath(p.absolute(), top)).as_posix() for p in paths]
    twice, times = Counter(names).most_common(1)[0]
    if times > 1:
        raise DataError(f"{side}: {twice} is given twice; expected every image once; remove one of them")
    return names


def _field(name: str, pattern: str) -> str:
    try:
        match = re.search(pattern, name)
    except re.error as error:
        raise DataError(f"got the field pattern {pattern!r} ({error}); expected a regular expression") from error
    if match is None:
        raise DataError(f"{name} does not match the field pattern {pattern!r}; expected every name to; widen it")
    return str(match[1] if match.re.groups else match[0])


def remarks(images: Sequence[Candidate], matched: bool) -> list[str]:
    """What cannot be refused, but the user should know."""
    return [*_same_names(images, matched), *_repeats(images)]


def _same_names(images: Sequence[Candidate], matched: bool) -> Iterator[str]:
    """Unmatched sets whose files are called alike: pixels cannot tell whether they show the same fields."""
    one, other = ({i.id for i in images if i.side == side} for side in SIDES)
    if not matched and len(one & other) > 1:
        yield (
            f"{len(one & other)} file names are in both sets, such as {min(one & other)}; if they show the same "
            f"fields, split them as matched sets"
        )


def _repeats(images: Sequence[Candidate]) -> Iterator[str]:
    """What is in one set more than once: kept in one part, so harmless, but worth knowing."""
    for side in SIDES:
        same: dict[str, list[str]] = defaultdict(list)
        for image in images:
            if image.side == side:
                same[image.print.pixels].append(image.id)
        repeated = [ids for ids in same.values() if len(ids) > 1]
        if repeated:
            yield (
                f"{side}: {sum(len(ids) - 1 for ids in repeated)} images repeat the pixels of another, such as "
                f"{repeated[0][1]} those of {repeated[0][0]}; they play one part together"
            )

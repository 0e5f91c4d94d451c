"""Fields of view, and the part that each plays: a pure function of their names, a seed and the fractions held out."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from itertools import count
from typing import Literal

__all__ = ["SIDES", "Kind", "Part", "Side", "assign", "draw", "groups"]

Side = Literal["source", "target"]
Kind = Literal["source", "target", "both"]
Part = Literal["source", "target", "test", "validation"]
SIDES: tuple[Side, Side] = ("source", "target")
_KINDS: tuple[Kind, ...] = (*SIDES, "both")


def draw(seed: int, what: str, name: str) -> int:
    """A number of 64 bits that is always the same for the same words: no library's generator can change it."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{what}/{name}".encode()).digest()[:8], "big")


def groups(labels: Sequence[frozenset[str]]) -> list[list[int]]:
    """Positions that are linked by a common label, directly or through others; every position is in one group."""
    home: dict[str, list[int]] = {}
    for i, own in enumerate(labels):
        linked = {id(home[label]): home[label] for label in own if label in home}
        group = sorted([i, *(j for other in linked.values() for j in other)])
        home |= {label: group for j in group for label in labels[j]}
    unique = {id(group): group for group in home.values()}
    return sorted(unique.values())


def assign(fields: Mapping[str, Kind], *, seed: int = 0, test: float = 0.0, validation: float = 0.0) -> dict[str, Part]:
    """Give each field of view one part.

    Args:
        fields: names, and the sets in which each field is seen.
        seed: another seed gives other parts.
        test: fraction of the fields of each kind held out for testing, rounded, at least one where enough remain.
        validation: the same for validation.

    Returns:
        Name to part. A training field seen in both sets gets its side by a fair coin, drawn again if all fell alike.
    """
    parts: dict[str, Part] = {}
    for kind in _KINDS:
        names = sorted((n for n, k in fields.items() if k == kind), key=lambda n: draw(seed, "order", n))
        tests, validations = _held_out(len(names), test, validation, 2 if kind == "both" else 1)
        parts |= dict.fromkeys(names[:tests], "test")
        parts |= dict.fromkeys(names[tests : tests + validations], "validation")
        training = names[tests + validations :]
        parts |= _coins(training, seed) if kind == "both" else dict.fromkeys(training, kind)
    return parts


def _held_out(fields: int, test: float, validation: float, needed: int) -> tuple[int, int]:
    """How many to hold out, so that the number needed for training remains."""
    spare = max(0, fields - needed)
    tests = min(max(1, int(test * fields + 0.5)), spare) if test else 0
    validations = min(max(1, int(validation * fields + 0.5)), spare - tests) if validation else 0
    return tests, validations


def _coins(names: Sequence[str], seed: int) -> dict[str, Part]:
    for throw in count():
        sides: dict[str, Part] = {n: SIDES[draw(seed, f"coin {throw}", n) % 2] for n in names}
        if len(set(sides.values())) == min(2, len(names)):
            return sides
    raise AssertionError  # pragma: no cover

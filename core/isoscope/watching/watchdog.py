"""When to look at a run, what to make of it, and which of its networks to keep: never the last because it is last."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from isoscope.errors import TrainingError
from isoscope.watching.witness import Look

__all__ = ["Collapse", "Failure", "Inversion", "Kept", "Watchdog"]

_MOMENTS = (0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 1.0)
"""Progress u at which a run is looked at: often in the beginning, where inversion is decided, and in the end, where
there is something to choose from. So few that they take less than a thirtieth of the time."""

_CANDIDATE = 0.5
"""Progress from which on networks can be kept. Earlier a cycle may hold because two networks still do nothing."""

_BARKS = 0.1
"""Progress from which on a look counts for the watchdog: before, the contrast of an output may still turn by itself."""

_APART = 60
"""Steps between two looks at least: a look costs up to two steps, and shall take less than a thirtieth of the time."""

_IN_A_ROW = 2


class Failure(TrainingError):
    """A run came to what it does not come back from; with another seed it may not."""


class Collapse(Failure):
    """A generator makes the same of every image, at two looks in a row."""


class Inversion(Failure):
    """Content and background have changed places, at two looks in a row."""


@dataclass(slots=True)
class Watchdog:
    """The looks at a run so far.

    Attributes:
        looks: from the first to the newest.
    """

    looks: list[Look] = field(default_factory=list)

    def due(self, step: int, u: float, total: int) -> bool:
        """Whether a run should be looked at after so many steps of `total`, at progress u; always after the last."""
        last = self.looks[-1] if self.looks else Look(0, 0.0, {}, float("nan"))
        if step >= total:
            return step > last.step
        return step - last.step >= _APART and any(last.u < moment <= u for moment in _MOMENTS)

    @staticmethod
    def judged(u: float) -> bool:
        """Whether what is there at progress u may be kept."""
        return u >= _CANDIDATE

    @property
    def barks(self) -> bool:
        """Two looks in a row saw the same direction inverted: that appears early and is not undone (CycleGAN #249).

        A network that fails in another way may look inverted now in one direction and now in the other.
        """
        return bool(self._lasting([look.turned for look in self.looks if look.u >= _BARKS]))

    @property
    def collapsed(self) -> frozenset[str]:
        """The directions that two looks in a row saw make the same of every image."""
        return self._lasting([look.flat for look in self.looks])

    @staticmethod
    def _lasting(found: Sequence[frozenset[str]]) -> frozenset[str]:
        newest = found[-_IN_A_ROW:]
        return frozenset.intersection(*newest) if len(newest) == _IN_A_ROW else frozenset()

    @property
    def inverted_looks(self) -> int:
        """How many looks saw an inversion."""
        return sum(look.inverted for look in self.looks)

    def facts(self) -> list[dict[str, Any]]:
        """All looks, JSON-serialisable."""
        return [look.facts() for look in self.looks]

    @classmethod
    def remembered(cls, facts: Sequence[Mapping[str, Any]]) -> Watchdog:
        """The inverse of `facts`."""
        return cls([Look.remembered(entry) for entry in facts])


class Kept(nn.Module):
    """The generators that become the model: of all looks those whose content is in place, then with the least error.

    Args:
        generators: networks of the right shape, by direction.
    """

    def __init__(self, generators: Mapping[str, nn.Module]) -> None:
        super().__init__()
        self.networks = nn.ModuleDict({d: copy.deepcopy(g).requires_grad_(False) for d, g in generators.items()})
        self.look: Look | None = None

    def offer(self, look: Look, generators: Mapping[str, nn.Module]) -> bool:
        """Keep these instead if they are no worse; of equals the later, which have seen more."""
        if self.look is not None and look.order > self.look.order:
            return False
        self.look = look
        self.networks = nn.ModuleDict({d: g.requires_grad_(False) for d, g in generators.items()})
        return True

    def facts(self) -> dict[str, Any] | None:
        """What is known of them, JSON-serialisable."""
        return None if self.look is None else self.look.facts()

    def remember(self, facts: Mapping[str, Any] | None) -> None:
        """The inverse of `facts`; the weights come with the checkpoint."""
        self.look = None if facts is None else Look.remembered(facts)

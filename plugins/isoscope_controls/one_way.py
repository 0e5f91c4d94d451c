"""What methods that learn from A to B only have in common."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from isoscope.cycle import Cycle
from isoscope.errors import RecipeError
from isoscope.stepping import adam, descend, fit

if TYPE_CHECKING:
    from isoscope.domain import Domain
    from isoscope.kinds import Direction
    from isoscope.terms import Terms

__all__ = ["OneWay"]


class OneWay(nn.Module):
    """A forward generator and no other. A subclass sets `forward_net`, then its optimisers by `_learning`, and steps.

    Attributes:
        forward_net: G.
        discriminators: by the side that they judge; none where the method has none.
    """

    directions: tuple[Direction, ...] = ("a2b",)
    forward_net: nn.Module

    def __init__(self, source: Domain, target: Domain, terms: Terms, rate: float, knee: float) -> None:
        super().__init__()
        self.source, self.target, self.terms, self.rate, self.knee = source, target, terms, rate, knee
        self.discriminators = nn.ModuleDict()
        self._optimisers: dict[str, torch.optim.Optimizer] = {}

    def _learning(self, groups: Mapping[str, Iterable[nn.Parameter]], betas: tuple[float, float]) -> None:
        """Adam for each group that learns; without generators there is nothing to train."""
        made = {name: adam(parameters, self.rate, betas) for name, parameters in groups.items()}
        if made["generators"] is None:
            raise RecipeError("the forward generator has nothing to learn; set method.forward=unet or another")
        self._optimisers = {name: optimiser for name, optimiser in made.items() if optimiser}

    def optimisers(self) -> Mapping[str, torch.optim.Optimizer]:
        """By what they move."""
        return self._optimisers

    def generator(self, direction: Direction) -> nn.Module:
        """G; there is no other."""
        if direction != "a2b":
            raise RecipeError(f"method {type(self).__name__.lower()} learns a2b only; ask for that")
        return self.forward_net

    def prepare(self, patches_a: Tensor, patches_b: Tensor) -> None:
        """Let a generator estimate what it can, and losses refuse what they cannot use before anything is written."""
        fit(self.forward_net, patches_a, patches_b)
        with torch.no_grad():
            self.terms(self._cycle(patches_a[:1], patches_b[:1], 0.0))

    def _cycle(self, real_a: Tensor, real_b: Tensor, u: float) -> Cycle:
        raise NotImplementedError

    def _update(self, name: str, loss: Tensor, u: float) -> None:
        descend(self._optimisers[name], loss, self.rate, u, self.knee)

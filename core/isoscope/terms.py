"""The weighted losses of a recipe, built and ready to be summed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn

from isoscope import kinds
from isoscope.cycle import Cycle
from isoscope.errors import RecipeError
from isoscope.parameters import build
from isoscope.schedule import weight

if TYPE_CHECKING:
    from isoscope.domain import Domain
    from isoscope.kinds import Adversarial, Direction, Loss
    from isoscope.recipe import Term

__all__ = ["Terms"]


@contextmanager
def _naming(label: str) -> Iterator[None]:
    """Say of a refusal which term it comes from."""
    try:
        yield
    except RecipeError as error:
        raise RecipeError(f"losses.{label}: {error}") from error


class Terms(nn.Module):
    """All loss terms of a run. Losses that are modules are registered, so their parameters are saved and optimised.

    Args:
        terms: the recipe's losses by label.
    """

    def __init__(self, terms: dict[str, Term]) -> None:
        super().__init__()
        self.terms = dict(terms)
        self.losses: dict[str, Loss] = {}
        for label, term in terms.items():
            loss = build(kinds.losses, term.component(label))
            self.losses[label] = loss
            if isinstance(loss, nn.Module):
                self.add_module(f"loss_{label}", loss)

    def meet(self, networks: Mapping[Direction, nn.Module], source: Domain, target: Domain) -> None:
        """Show the generators to the losses that build something for them, before anything is optimised.

        Args:
            networks: generators by direction.
            source: domain A.
            target: domain B.
        """
        for label, loss in self.losses.items():
            if hasattr(loss, "meet") and self.terms[label].weight:
                with _naming(label):
                    cast("Any", loss).meet(networks, source, target)

    def adversarial(self) -> Iterator[tuple[str, Adversarial]]:
        """The terms that also say what discriminators minimise."""
        for label, loss in self.losses.items():
            if callable(getattr(loss, "discriminator", None)):
                yield label, loss  # type: ignore[misc]

    def __call__(self, cycle: Cycle) -> tuple[Tensor, dict[str, Tensor]]:
        """The weighted sum at this step's progress, and each term unweighted and detached."""
        total = torch.zeros((), device=cycle.real_a.device)
        parts: dict[str, Tensor] = {}
        for label, loss in self.losses.items():
            term = self.terms[label]
            w = term.weight * weight(cycle.u, term.schedule, term.speed, term.floor)
            if w == 0.0:
                continue
            with _naming(label):
                value = loss(cycle)
            if value.ndim:
                shape = tuple(value.shape)
                raise RecipeError(f"loss {label!r} returned shape {shape}; expected a scalar; take its mean")
            total = total + w * value
            parts[label] = value.detach()
        return total, parts

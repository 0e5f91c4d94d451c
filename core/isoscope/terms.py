"""The weighted losses of a recipe, built and ready to be summed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn

from isoscope import kinds
from isoscope.cycle import Cycle
from isoscope.errors import IsoscopeError, PluginError, RecipeError
from isoscope.importing import one_line
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


@contextmanager
def _blaming(label: str, term: Term) -> Iterator[None]:
    """Say of a crash which term it comes from. What it looks at is computed within: a network may have failed too."""
    try:
        yield
    except (IsoscopeError, MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:
        loss = kinds.losses.describe(term.component(label).name).label
        raise PluginError(
            f"losses.{label}: {loss}, or a network that it looks at, fails when it is called ({one_line(error)}); "
            f"expected a scalar; look where with --debug, and repair it or train without it"
        ) from error


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
            if term.share < 1 and callable(getattr(loss, "discriminator", None)):
                raise RecipeError(
                    f"losses.{label}.share is {term.share}; expected 1: discriminators learn at each step; leave it out"
                )

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
        """The terms that also say what discriminators minimise, but for those of no weight: nobody would listen."""
        for label, loss in self.losses.items():
            if self.terms[label].weight and callable(getattr(loss, "discriminator", None)):
                yield label, loss  # type: ignore[misc]

    def __call__(self, cycle: Cycle) -> tuple[Tensor, dict[str, Tensor]]:
        """The weighted sum at this step's progress, and each term unweighted and detached."""
        total = torch.zeros((), device=cycle.real_a.device)
        parts: dict[str, Tensor] = {}
        drawn = self._drawn()
        for label, loss in self.losses.items():
            term = self.terms[label]
            w = term.weight * weight(cycle.u, term.schedule, term.speed, term.floor) / term.share
            if w == 0.0 or drawn >= term.share:
                continue
            with _naming(label), _blaming(label, term):
                value = loss(cycle)
            if value.ndim:
                shape = tuple(value.shape)
                raise RecipeError(f"loss {label!r} returned shape {shape}; expected a scalar; take its mean")
            total = total + w * value
            parts[label] = value.detach()
        return total, parts

    def _drawn(self) -> float:
        """One number for all terms of a step, so that those of small shares look at the same images."""
        return float(torch.rand(())) if any(term.share < 1 for term in self.terms.values()) else 0.0

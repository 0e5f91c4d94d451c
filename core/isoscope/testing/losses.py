"""What every loss must do."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from isoscope.cycle import Cycle
from isoscope.domain import Domain
from isoscope.kinds import Adversarial, Loss
from isoscope.recipe import Term
from isoscope.testing.examples import Sketch, accepted, pairs, require, seed

__all__ = ["check_loss"]

_SIDE = 32


class _Judge(nn.Module):
    """A discriminator whose score is one number, whatever it sees."""

    def __init__(self) -> None:
        super().__init__()
        self.score = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] -> [N, 1, 1, 1]."""
        return self.score.expand(len(x), 1, 1, 1)


class _Guess(Sketch):
    """A generator that also says how far off it may be."""

    def distribution(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and scale."""
        mean = self(x)
        return mean, F.softplus(mean) + 0.1


def _cycle(source: Domain, target: Domain, u: float) -> tuple[Cycle, list[nn.Module]]:
    """A step that has all that any method offers, with the smallest networks."""
    generators = [_Guess(source.channels, target.channels), Sketch(target.channels, source.channels)]
    a, b = (torch.rand(2, d.channels, _SIDE, _SIDE) * 1.8 - 0.9 for d in (source, target))
    judges: dict[str, nn.Module] = {"a": Sketch(source.channels, 1), "b": Sketch(target.channels, 1)}
    cycle = Cycle(
        a, b, *generators, source=source, target=target, u=u, discriminators=judges, matched=True,  # type: ignore[arg-type]
    )  # fmt: skip
    return cycle, list(generators)


def _check_term(loss: Loss, source: Domain, target: Domain, u: float) -> Tensor:
    """Protects learning: a term without gradient, such as one of hard masks, looks busy and teaches nothing."""
    cycle, generators = _cycle(source, target, u)
    if hasattr(loss, "meet"):
        cast("Any", loss).meet(dict(zip(("a2b", "b2a"), generators, strict=True)), source, target)
    value = loss(cycle)
    require(isinstance(value, Tensor) and value.ndim == 0, "loss did not return a scalar tensor; take its mean")
    require(bool(value.isfinite()), f"loss is {float(value.detach())} for ordinary images; expected a finite number")
    require(value.requires_grad, "loss has no gradient; hard thresholds and rounding have none, use soft ones")
    value.backward()  # type: ignore[no-untyped-call]
    gradients = [p.grad for g in generators for p in g.parameters() if p.grad is not None]
    finite = all(bool(g.isfinite().all()) for g in gradients)
    require(finite, "loss has a NaN or infinite gradient for ordinary images")
    moved = any(bool(g.any()) for g in gradients)
    require(moved, "loss has a gradient of zero for every generator parameter; hard or saturated masks have none")
    return value


def _check_generators_side(loss: Adversarial, source: Domain, target: Domain) -> None:
    judges = {"a": _Judge(), "b": _Judge()}
    cycle, _ = _cycle(source, target, 0.0)
    fooled = Cycle(
        cycle.real_a, cycle.real_b, Sketch(source.channels, target.channels), Sketch(target.channels, source.channels),
        source=source, target=target, discriminators=judges,  # type: ignore[arg-type]
    )  # fmt: skip
    loss(fooled).backward()  # type: ignore[no-untyped-call]
    slopes = [judge.score.grad for judge in judges.values()]
    falls = all(s is not None and float(s) < 0 for s in slopes)
    require(falls, "an adversarial loss must fall as the scores of fakes rise, for both domains")


def _check_discriminators_side(loss: Adversarial) -> None:
    high, low = torch.ones(2, 1, 3, 3, requires_grad=True), -torch.ones(2, 1, 3, 3)
    right, wrong = loss.discriminator(high, low), loss.discriminator(low, high)
    require(right.ndim == 0, f"discriminator() returned shape {tuple(right.shape)}; expected a scalar")
    sound = bool(right.isfinite() & wrong.isfinite() & (right < wrong))
    require(sound, "discriminator(real, fake) must be lower where real images score high and fakes low")


@torch.random.fork_rng(devices=[])
def check_loss(
    factory: Callable[..., Loss], *, source: Domain | None = None, target: Domain | None = None
) -> None:  # fmt: skip
    """Check that a loss is a finite scalar that generators can learn from.

    Protects from: terms whose gradient is zero everywhere (hard masks), per-pixel results, NaN, and adversarial terms
    of the wrong sign, and parameters that no recipe can reach, because a term has a key of that name.

    Args:
        factory: `(*, ...) -> Loss`.
        source: a domain A it accepts; none: it is tried with 1 -> 1, 1 -> 3, 3 -> 1 and 13 -> 3 channels and must
            accept one of these pairs.
        target: a domain B it then accepts.
    """
    seed(0)
    taken = sorted(set(inspect.signature(factory).parameters) & set(Term.model_fields))
    require(not taken, f"loss has a parameter {', '.join(taken)}, which every term of a recipe has; rename it")
    loss = factory()
    made = accepted(lambda a, b: _check_term(loss, a, b, 0.0), pairs(source, target), "loss")
    a, b, _ = made[0]
    _check_term(loss, a, b, 0.99)
    if callable(getattr(loss, "discriminator", None)):
        judged = cast("Adversarial", loss)
        _check_generators_side(judged, a, b)
        _check_discriminators_side(judged)

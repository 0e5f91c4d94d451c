"""What every discriminator must do."""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn

from isoscope.domain import Domain
from isoscope.normalisation import layers
from isoscope.testing.examples import example_domain, require, seed, silent, whole_number

__all__ = ["check_discriminator"]


def _images(domain: Domain, side: int, count: int = 2) -> Tensor:
    return torch.rand(count, domain.channels, side, side) * 1.8 - 0.9


def _check_scores(judge: nn.Module, domain: Domain, side: int) -> Tensor:
    scores: Tensor = judge(_images(domain, side))
    shape = tuple(scores.shape)
    require(scores.ndim == 4 and shape[:2] == (2, 1), f"discriminator returned shape {shape}; expected (2, 1, h, w)")
    require(bool(scores.isfinite().all()), "discriminator returned NaN or infinity")
    return scores


def _check_raw(scores: list[Tensor]) -> None:
    """Protects the losses: they expect raw scores; a sigmoid before them flattens what generators learn from."""
    squashed = all(bool(((s > 0) & (s < 1)).all()) for s in scores)
    require(not squashed, "every score lies between 0 and 1; leave the final sigmoid to the loss")


def _measured_field(judge: nn.Module, domain: Domain, side: int) -> tuple[int, int]:
    """Height and width of the input area that the middle score depends on, statistics taken as frozen."""
    probe = copy.deepcopy(judge).eval()
    for layer in layers(probe):
        layer.mode = "frozen"
    x = _images(domain, side).requires_grad_()
    scores = probe(x)
    scores[..., scores.shape[2] // 2, scores.shape[3] // 2].sum().backward()
    touched = x.grad.abs().sum((0, 1)) > 0 if x.grad is not None else torch.zeros(side, side, dtype=torch.bool)
    rows, columns = touched.any(1).nonzero(), touched.any(0).nonzero()
    return int(rows.max() - rows.min() + 1), int(columns.max() - columns.min() + 1)


@torch.random.fork_rng(devices=[])
def check_discriminator(factory: Callable[..., nn.Module], *, inputs: Domain | None = None) -> None:
    """Check that a discriminator scores patches of the size it declares.

    Protects from: score maps of another shape than the losses expect, a hidden sigmoid, parameters that no gradient
    reaches, and a `field` that does not say how much of the image one score sees (70 px and 94 px judge differently).

    Args:
        factory: `(inputs, /, *, ...) -> nn.Module`.
        inputs: a domain it accepts; none: it must accept 1 and 3 channels.
    """
    seed(0)
    for domain in [inputs] if inputs else [example_domain(1), example_domain(3)]:
        judge = factory(domain)
        field = whole_number(judge, "field")
        side = 3 * field
        _check_scores(judge, domain, field + 2)
        found = _measured_field(judge, domain, side)
        require(found == (field, field), f"discriminator declares a field of {field} px; one score sees {found}")
        dead = silent(copy.deepcopy(judge), _images(domain, side))
        require(not dead, f"no gradient reaches discriminator parameters {', '.join(dead)}")
        _check_raw([_check_scores(factory(domain), domain, side) for _ in range(4)])

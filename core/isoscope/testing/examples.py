"""Small domains and networks that the checks are made with."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from isoscope.domain import Domain
from isoscope.errors import UserError

__all__ = [
    "PAIRS",
    "Sketch",
    "accepted",
    "example_domain",
    "for_generators",
    "for_tasks",
    "pairs",
    "require",
    "seed",
    "silent",
    "whole_number",
]

T = TypeVar("T")
PAIRS = ((1, 1), (1, 3), (3, 1), (13, 3))
"""Channels of (source, target): restoration, colouring, its way back, a z-stack to three labels."""


def require(holds: bool, message: str) -> None:
    """An assertion that `python -O` does not remove."""
    if not holds:
        raise AssertionError(message)


def whole_number(network: nn.Module, name: str) -> int:
    """A positive attribute that a network must declare."""
    value: Any = getattr(network, name, None)
    declared = isinstance(value, int) and value > 0
    require(declared, f"{type(network).__name__} declares {name} {value!r}; expected a whole number of pixels")
    return int(value)


def seed(value: int) -> None:
    """Seed torch, whose stubs have no type for this."""
    torch.manual_seed(value)


def example_domain(channels: int = 1, **changes: Any) -> Domain:
    """An 8-bit domain with bright content and its threshold in the middle; any field can be changed."""
    given = {"name": "example", "channels": channels, "dtype": "uint8", "rgb": channels == 3, "polarity": 1}
    measured = {"limits": ((0.0, 255.0),) * channels, "threshold": 127.5, "foreground": 0.5}
    return Domain.model_validate(given | measured | changes)


def pairs(source: Domain | None, target: Domain | None) -> list[tuple[Domain, Domain]]:
    """The pair that was asked for, or the usual ones."""
    if source is None and target is None:
        return [(example_domain(a), example_domain(b)) for a, b in PAIRS]
    return [(source or example_domain(), target or example_domain())]


def for_generators(source: Domain | None, target: Domain | None) -> list[tuple[Domain, Domain]]:
    """The pair that was asked for, or the usual ones and planes of a volume with a neighbour on each side."""
    if source is not None or target is not None:
        return pairs(source, target)
    planes = example_domain(3, rgb=False, depth=24, context=1)
    return [*pairs(None, None), (planes, planes)]


def for_tasks() -> list[tuple[Domain, Domain]]:
    """The pairs that tasks are tried with: the usual ones and an anisotropic volume on both sides."""
    volume = example_domain(1, depth=24, pixel_size=(2.0, 0.5, 0.5))
    return [*pairs(None, None), (volume, volume)]


def accepted(
    make: Callable[[Domain, Domain], T], candidates: Iterable[tuple[Domain, Domain]], what: str
) -> list[tuple[Domain, Domain, T]]:
    """What a factory makes of each pair of domains; pairs that it refuses as it should (UserError) are left out."""
    made, refused = [], []
    for a, b in candidates:
        try:
            made.append((a, b, make(a, b)))
        except UserError as error:
            refused.append(f"{a.channels} -> {b.channels} channels: {error}")
    require(bool(made), f"{what} refuses every pair of domains ({'; '.join(refused)}); name one that it accepts")
    return made


def silent(network: nn.Module, x: Tensor) -> list[str]:
    """Parameters that get no gradient, or only zeros, at three places near where they start.

    A layer that starts at zero on purpose hides the layers before it, so parameters are nudged first.
    """
    waiting = {name: p for name, p in network.named_parameters() if p.requires_grad}
    for _ in range(3):
        with torch.no_grad():
            for p in network.parameters():
                p.add_(0.01 * torch.randn_like(p))
        network.zero_grad(set_to_none=True)
        y = network(x)
        (y * torch.randn_like(y)).sum().backward()
        waiting = {k: p for k, p in waiting.items() if p.grad is None or not bool(p.grad.any())}
    return sorted(waiting)


class Sketch(nn.Module):
    """The smallest network that can stand for a generator or a discriminator."""

    stride = 1

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(inputs, 4, 3, padding=1)
        self.last = nn.Conv2d(4, outputs, 3, padding=1)

    def features(self, x: Tensor) -> list[Tensor]:
        """One feature map, [N, 4, H, W]."""
        return [torch.tanh(self.first(x))]

    def forward(self, x: Tensor) -> Tensor:
        """[N, C_in, H, W] -> [N, C_out, H, W] in (-1, 1)."""
        return torch.tanh(self.last(self.features(x)[0]))

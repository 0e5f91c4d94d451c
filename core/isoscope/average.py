"""A moving average of the generators, which is what prediction uses."""

from __future__ import annotations

import copy
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from isoscope.normalisation import layers

__all__ = ["Average"]


class Average(nn.Module):
    """Exponential moving average of each generator's weights, warmed up so that short runs work too.

    Args:
        generators: the networks being trained, by direction.
        decay: weight of the past in the long run; 0 keeps the current weights.
    """

    _live: dict[str, nn.Module]

    def __init__(self, generators: Mapping[str, nn.Module], decay: float) -> None:
        super().__init__()
        self.decay = decay
        object.__setattr__(self, "_live", dict(generators))  # not registered: they are not ours to save
        self.networks = nn.ModuleDict({k: copy.deepcopy(g).requires_grad_(False) for k, g in generators.items()})

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take in the weights after `step` steps."""
        decay = min(self.decay, (1 + step) / (10 + step))
        for name, live in self._live.items():
            mine = self.networks[name]
            old: list[Tensor] = list(mine.parameters())
            new: list[Tensor] = list(live.parameters())
            if old:
                torch._foreach_lerp_(old, new, 1 - decay)
            for a, b in zip(mine.buffers(), live.buffers(), strict=True):
                a.copy_(b)

    def synchronise(self) -> None:
        """Follow the live networks into frozen (or per-image) statistics."""
        for name, live in self._live.items():
            for mine, theirs in zip(layers(self.networks[name]), layers(live), strict=True):
                mine.mode = theirs.mode

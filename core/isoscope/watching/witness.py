"""A run looked at from outside while it trains: what its outputs keep of their inputs, and how wrong they are."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn

from isoscope.device import exact
from isoscope.domain import Domain
from isoscope.quantity import described
from isoscope.saliency import smooth
from isoscope.watching.diagnostics import Agreement, agreement

__all__ = ["Criterion", "Look", "Witness"]

Criterion = Literal["pairs", "synthetic pairs", "cycle", "none"]

_SIGMA = 2.0
"""Pixels: noise that nobody should have to bring back is not compared in a cycle."""
_PERTURBED = 0.02
"""Of a cycle's intermediate, network values, so that what is hidden in it does not count (Chu et al. 2017)."""
_SEED = 5
_EVEN = 1e-4
"""Standard deviation of an image, network values, below which it is the same everywhere."""


@dataclass(frozen=True, slots=True)
class Look:
    """What one look at a run found.

    Attributes:
        step: steps done.
        u: progress then.
        agreements: D1 and D2 of each direction.
        error: by the run's criterion, a mean absolute difference in network values; NaN where there is none.
        flat: the directions whose outputs are the same everywhere, whatever their inputs.
    """

    step: int
    u: float
    agreements: Mapping[str, Agreement]
    error: float
    flat: frozenset[str] = frozenset()

    @property
    def turned(self) -> frozenset[str]:
        """The directions that exchange content and background."""
        return frozenset(direction for direction, found in self.agreements.items() if found.inverted)

    @property
    def inverted(self) -> bool:
        """In any direction: a cycle holds only if both are, or neither."""
        return bool(self.turned)

    @property
    def order(self) -> tuple[bool, float]:
        """Lower is better: content in its place first, then a small error; what cannot be judged comes last."""
        return self.inverted or bool(self.flat), self.error if self.known else float("inf")

    @property
    def known(self) -> bool:
        """Whether there is an error."""
        return not math.isnan(self.error)

    def facts(self) -> dict[str, Any]:
        """JSON-serialisable, which NaN is not."""
        agreements = {d: [found.rank, found.kappa] for d, found in self.agreements.items()}
        error = self.error if self.known else None
        return {"step": self.step, "u": self.u, "agreements": agreements, "error": error, "flat": sorted(self.flat)}

    @classmethod
    def remembered(cls, facts: Mapping[str, Any]) -> Look:
        """The inverse of `facts`."""
        agreements = {d: Agreement(*values) for d, values in facts["agreements"].items()}
        error = float("nan") if facts["error"] is None else float(facts["error"])
        return cls(int(facts["step"]), float(facts["u"]), agreements, error, frozenset(facts.get("flat", ())))


class Witness:
    """Judges networks on patches that stay the same all through a run; nothing in it needs the truth.

    The error is that of G on pairs: real ones where the method learns from them; else (F(b), b), where F is a
    structured backward generator as it was estimated before the first step, so that a later F cannot make its own task
    easier; else that of both cycles.

    Args:
        patches: fixed patches of both domains, [N, C, H, W], network values.
        domains: source and target.
        method: the method, before its first step.
    """

    def __init__(self, patches: Sequence[Tensor], domains: Sequence[Domain], method: Any) -> None:
        self.patches, self.domains = list(patches), list(domains)
        self.pairs: tuple[Tensor, Tensor] | None = None
        self.criterion: Criterion = "cycle" if {"a2b", "b2a"} <= set(method.directions) else "none"
        if method.pairing == "matched":
            self.criterion, self.pairs = "pairs", (self.patches[0], self.patches[1])
        elif "b2a" in method.directions and described(backward := method.generator("b2a")):
            self.criterion, self.pairs = "synthetic pairs", (_imitated(backward, self.patches[1]), self.patches[1])

    @torch.inference_mode()
    def look(self, step: int, u: float, networks: Mapping[str, nn.Module], judged: bool) -> Look:
        """Apply networks as prediction would.

        Args:
            step: steps done.
            u: progress.
            networks: in evaluation mode, statistics frozen.
            judged: whether the error is wanted too, which costs most of the time.
        """
        with exact(self.patches[0].device):
            made = {d: networks[d](self.patches[_side(d)]).float() for d in networks}
            error = self._error(networks, made) if judged else float("nan")
        flat = frozenset(d for d, y in made.items() if _flat(self.patches[_side(d)], y))
        return Look(step, u, {d: self._agreement(d, y) for d, y in made.items()}, error, flat)

    def _agreement(self, direction: str, made: Tensor) -> Agreement:
        side = _side(direction)
        return agreement(self.patches[side], made, self.domains[side], self.domains[1 - side])

    def _error(self, networks: Mapping[str, nn.Module], made: Mapping[str, Tensor]) -> float:
        if self.pairs is not None and "a2b" in networks:
            given, wanted = self.pairs
            return _difference(networks["a2b"](given).float(), wanted)
        if self.criterion != "cycle":
            return float("nan")
        ways = (("a2b", "b2a", self.patches[0]), ("b2a", "a2b", self.patches[1]))
        back = [(networks[second](_perturbed(made[first])).float(), real) for first, second, real in ways]
        return sum(_difference(smooth(x, _SIGMA), smooth(real, _SIGMA)) for x, real in back) / 2


def _side(direction: str) -> int:
    return 0 if direction == "a2b" else 1


def _flat(real: Tensor, made: Tensor) -> bool:
    """Whether nothing of images that have something in them is left, as when every unit of a layer is dead."""
    before, after = (x.flatten(1).std(1) for x in (real, made))
    return bool((before > _EVEN).any()) and bool((after[before > _EVEN] < _EVEN).all())


def _difference(x: Tensor, y: Tensor) -> float:
    return float((x - y).abs().mean())


def _noise(like: Tensor, channels: int) -> Tensor:
    """The same at every look."""
    generator = torch.Generator().manual_seed(_SEED)
    return torch.randn((len(like), channels, *like.shape[2:]), generator=generator).to(like.device)


def _perturbed(x: Tensor) -> Tensor:
    return x + _PERTURBED * _noise(x, x.shape[1])


@torch.no_grad()
def _imitated(backward: nn.Module, real: Tensor) -> Tensor:
    """What the physics makes of images of B, its noise drawn once."""
    pixel, image = (int(getattr(backward, name, 0)) for name in ("pixel_noise", "image_noise"))
    if not pixel + image:
        return cast("Tensor", backward(real)).float()
    z = _noise(real, pixel + image)
    z[:, pixel:] = z[:, pixel:, :1, :1]
    return cast("Tensor", backward(real, z)).float()

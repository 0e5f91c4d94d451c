"""Supervised training: one generator that learns from pairs, as CARE does (Weigert et al. 2018)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

import torch
from pydantic import Field
from torch import Tensor, nn

from isoscope import kinds
from isoscope.cycle import Cycle
from isoscope.errors import RecipeError
from isoscope.parameters import Component, Kind, build
from isoscope.stepping import check_patch
from isoscope_controls.one_way import OneWay

if TYPE_CHECKING:
    from isoscope.domain import Domain
    from isoscope.terms import Terms

__all__ = ["Estimate", "Supervised", "supervised"]

Generator = Annotated[Component, Kind("generators")]

_LEAST = 1e-3
"""Smallest scale, in network values, as in CSBDeep: an exact answer must not make the likelihood infinite."""


class Estimate(nn.Module):
    """A generator of a mean and a scale for each output channel, of which predictions are the mean.

    Args:
        network: from the inputs to twice the channels, in (-1, 1).
        channels: of the output.
    """

    def __init__(self, network: nn.Module, channels: int) -> None:
        super().__init__()
        self.network, self.channels = network, channels
        self.stride = int(cast("Any", network).stride)
        self.pixel_noise, self.image_noise = (int(getattr(network, n, 0)) for n in ("pixel_noise", "image_noise"))

    def _both(self, x: Tensor, z: Tensor | None) -> Tensor:
        return cast("Tensor", self.network(x) if z is None else self.network(x, z))

    def distribution(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and scale, [N, C, H, W] each; the scale lies between 0.001 and 1, its logarithm follows the network."""
        mean, raw = torch.split(self._both(x, None).float(), self.channels, 1)
        return mean, torch.exp(math.log(_LEAST) * (1 - raw) / 2)

    def forward(self, x: Tensor, z: Tensor | None = None) -> Tensor:
        """[N, C_in, H, W] -> the mean, [N, C, H, W]."""
        return self._both(x, z)[:, : self.channels]


def _doubled(domain: Domain) -> Domain:
    """The domain of a network that says a mean and a scale of each channel."""
    return domain.model_copy(update={"channels": 2 * domain.channels, "limits": 2 * domain.limits})


class Supervised(OneWay):
    """The forward generator alone, learning from pairs."""

    pairing: Literal["independent", "matched"] = "matched"

    def __init__(
        self, source: Domain, target: Domain, terms: Terms, patch: tuple[int, int], *,
        forward: Component, rate: float, betas: tuple[float, float], knee: float,
    ) -> None:  # fmt: skip
        super().__init__(source, target, terms, rate, knee)
        self._check_terms()
        self.forward_net = self._generator(forward)
        check_patch((self.forward_net,), patch)
        terms.meet({"a2b": self.forward_net}, source, target)
        self._learning({"generators": [*self.forward_net.parameters(), *terms.parameters()]}, betas)

    def _check_terms(self) -> None:
        playing = next((label for label, _ in self.terms.adversarial()), None)
        if playing:
            raise RecipeError(
                f"got losses.{playing} for method supervised, which has no discriminators; expected losses that "
                f"compare with the truth; leave it out, and use l1 or laplace"
            )

    def _generator(self, forward: Component) -> nn.Module:
        losses = self.terms.losses.items()
        if any(getattr(loss, "needs_scale", False) and self.terms.terms[label].weight for label, loss in losses):
            network = build(kinds.generators, forward, self.source, _doubled(self.target))
            return Estimate(network, self.target.channels)
        return cast("nn.Module", build(kinds.generators, forward, self.source, self.target))

    def _cycle(self, real_a: Tensor, real_b: Tensor, u: float) -> Cycle:
        return Cycle(
            real_a, real_b, self.forward_net, None, source=self.source, target=self.target, u=u, matched=True
        )  # fmt: skip

    def step(self, real_a: Tensor, real_b: Tensor, u: float) -> dict[str, Tensor]:
        """One step on a batch of pairs; the terms, detached, by name."""
        total, parts = self.terms(self._cycle(real_a, real_b, u))
        self._update("generators", total, u)
        return parts


def supervised(
    source: Domain,
    target: Domain,
    terms: Terms,
    patch: tuple[int, int],
    /,
    *,
    forward: Generator = Component(name="unet"),
    rate: Annotated[float, Field(gt=0)] = 4e-4,
    betas: tuple[float, float] = (0.9, 0.999),
    knee: Annotated[float, Field(ge=0, lt=1)] = 0.5,
) -> Supervised:
    """Supervised control: the forward generator learns from pairs of images of the same places.

    With the loss `l1` it is CARE in its plain form, with `laplace` its probabilistic one (Weigert et al. 2018).

    Args:
        source: domain A.
        target: domain B, of the same places in the same order.
        terms: the losses: l1, laplace, or others that need no way back.
        patch: (height, width) of training patches.
        forward: generator from A to B.
        rate: learning rate of Adam; CARE's.
        betas: moments of Adam.
        knee: fraction of the run after which the rate falls linearly to zero.

    Raises:
        RecipeError: for a patch that the network cannot be run on, or losses that nothing can be learned from here.
    """
    return Supervised(source, target, terms, patch, forward=forward, rate=rate, betas=betas, knee=knee)

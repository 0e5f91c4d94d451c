"""One optimisation step of c2GAN (Li et al. 2019; UTOM, Li et al. 2021)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Annotated, Literal, cast

import torch
from pydantic import Field
from torch import Tensor, nn

from isoscope import kinds
from isoscope.cycle import Cycle, Side
from isoscope.errors import RecipeError
from isoscope.parameters import Component, Kind, build
from isoscope.pool import ImagePool
from isoscope.stepping import adam, alternate, check_judge, check_patch, descend, fit

if TYPE_CHECKING:
    from isoscope.domain import Domain
    from isoscope.kinds import Direction
    from isoscope.terms import Terms

__all__ = ["C2GAN", "c2gan"]

Generator = Annotated[Component, Kind("generators")]
Discriminator = Annotated[Component, Kind("discriminators")]


class C2GAN(nn.Module):
    """Two generators tied by their losses, one discriminator per generator that learns.

    Generators step first, on one graph with four generator passes and the discriminators frozen; then the
    discriminators, on real images and pooled past fakes.
    """

    directions: tuple[Direction, ...] = ("a2b", "b2a")
    pairing: Literal["independent", "matched"] = "independent"

    def __init__(
        self, source: Domain, target: Domain, terms: Terms, patch: tuple[int, int], *,
        forward: Component, backward: Component, discriminator: Component,
        rate: float, betas: tuple[float, float], knee: float, pool: int, noise: float,
    ) -> None:  # fmt: skip
        super().__init__()
        self.source, self.target, self.terms = source, target, terms
        self.rate, self.knee, self.noise = rate, knee, noise
        self.forward_net: nn.Module = build(kinds.generators, forward, source, target)
        self.backward_net: nn.Module = build(kinds.generators, backward, target, source)
        self.discriminators, self.pools = nn.ModuleDict(), nn.ModuleDict()
        sides: list[tuple[Side, nn.Module, Domain]] = [
            ("b", self.forward_net, target),
            ("a", self.backward_net, source),
        ]
        for side, network, domain in sides:
            learns = any(p.requires_grad for p in network.parameters())
            if learns and any(True for _ in terms.adversarial()):
                self.discriminators[side] = build(kinds.discriminators, discriminator, domain)
                self.pools[side] = ImagePool(pool, (domain.channels, *patch))
        check_patch((self.forward_net, self.backward_net), patch)
        for imitated, judge in self.discriminators.items():
            check_judge(judge, (source if imitated == "a" else target).channels, patch)
        terms.meet({"a2b": self.forward_net, "b2a": self.backward_net}, source, target)
        self._optimisers = self._adam(betas)

    def _adam(self, betas: tuple[float, float]) -> dict[str, torch.optim.Optimizer]:
        groups = {
            "generators": [*self.forward_net.parameters(), *self.backward_net.parameters(), *self.terms.parameters()],
            "discriminators": list(self.discriminators.parameters()),
        }
        if not any(p.requires_grad for p in groups["generators"]):
            raise RecipeError("neither generator has anything to learn; set method.forward=unet or another")
        made = {name: adam(parameters, self.rate, betas) for name, parameters in groups.items()}
        return {name: optimiser for name, optimiser in made.items() if optimiser}

    def prepare(self, patches_a: Tensor, patches_b: Tensor) -> None:
        """Let generators that estimate something from the two sets do so."""
        pairs = ((self.forward_net, patches_a, patches_b), (self.backward_net, patches_b, patches_a))
        for network, inputs, outputs in pairs:
            fit(network, inputs, outputs)

    def optimisers(self) -> Mapping[str, torch.optim.Optimizer]:
        """Adam for the generators, Adam for the discriminators."""
        return self._optimisers

    def generator(self, direction: Direction) -> nn.Module:
        """G for "a2b", F for "b2a"."""
        return self.forward_net if direction == "a2b" else self.backward_net

    def _perturb(self, x: Tensor) -> Tensor:
        """Noise on the way into the second generator, so that a cycle cannot hide the image in faint patterns."""
        return x + self.noise * torch.randn_like(x) if self.noise else x

    def _update(self, name: str, loss: Tensor, u: float) -> None:
        descend(self._optimisers[name], loss, self.rate, u, self.knee)

    def step(self, real_a: Tensor, real_b: Tensor, u: float) -> dict[str, Tensor]:
        """One step of the generators, then one of the discriminators; the terms, detached, by name."""
        judges = cast("dict[Side, nn.Module]", dict(self.discriminators.items()))
        cycle = Cycle(
            real_a, real_b, self.forward_net, self.backward_net, source=self.source, target=self.target, u=u,
            discriminators=judges, perturb=self._perturb,
        )  # fmt: skip
        update = partial(self._update, u=u)
        return alternate(self.terms, cycle, self.discriminators, self.pools, update)


def c2gan(
    source: Domain,
    target: Domain,
    terms: Terms,
    patch: tuple[int, int],
    /,
    *,
    forward: Generator = Component(name="resnet"),
    backward: Generator = Component(name="resnet"),
    discriminator: Discriminator = Component(name="patchgan"),
    rate: Annotated[float, Field(gt=0)] = 2e-4,
    betas: tuple[float, float] = (0.5, 0.999),
    knee: Annotated[float, Field(ge=0, lt=1)] = 0.5,
    pool: Annotated[int, Field(ge=0)] = 50,
    noise: Annotated[float, Field(ge=0)] = 0.02,
) -> C2GAN:
    """Content-preserving CycleGAN: unpaired, both directions.

    Args:
        source: domain A.
        target: domain B.
        terms: the losses.
        patch: (height, width) of training patches.
        forward: generator from A to B.
        backward: generator from B to A; a fixed one, such as luminance, needs and gets no discriminator.
        discriminator: judge of each generator that learns.
        rate: learning rate of Adam.
        betas: moments of Adam.
        knee: fraction of the run after which the rate falls linearly to zero.
        pool: past fakes kept for the discriminators.
        noise: standard deviation, on the [-1, 1] scale, added on the way into the second generator.

    Raises:
        RecipeError: for a patch that the networks cannot be run on.
    """
    return C2GAN(
        source, target, terms, patch, forward=forward, backward=backward, discriminator=discriminator,
        rate=rate, betas=betas, knee=knee, pool=pool, noise=noise,
    )  # fmt: skip

"""One-sided translation: a generator, a discriminator, and no way back (CUT, Park et al. 2020)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

import torch
from pydantic import Field
from torch import Tensor, nn

from isoscope import kinds
from isoscope.cycle import Cycle, Side
from isoscope.errors import RecipeError
from isoscope.parameters import Component, Kind, build
from isoscope.pool import ImagePool
from isoscope.stepping import adam, check_judge, check_patch, descend, judged

if TYPE_CHECKING:
    from isoscope.domain import Domain
    from isoscope.kinds import Direction
    from isoscope.terms import Terms

__all__ = ["CUT", "cut"]

Generator = Annotated[Component, Kind("generators")]
Discriminator = Annotated[Component, Kind("discriminators")]


class CUT(nn.Module):
    """The forward generator and its judge; what keeps content in place is a loss such as `patchnce`."""

    directions: tuple[Direction, ...] = ("a2b",)
    pairing: Literal["independent", "matched"] = "independent"

    def __init__(
        self, source: Domain, target: Domain, terms: Terms, patch: tuple[int, int], *,
        forward: Component, discriminator: Component, rate: float, betas: tuple[float, float], knee: float, pool: int,
    ) -> None:  # fmt: skip
        super().__init__()
        self.source, self.target, self.terms, self.rate, self.knee = source, target, terms, rate, knee
        self.forward_net: nn.Module = build(kinds.generators, forward, source, target)
        check_patch((self.forward_net,), patch)
        self.discriminators, self.pool = nn.ModuleDict(), ImagePool(pool, (target.channels, *patch))
        if any(True for _ in terms.adversarial()):
            self.discriminators["b"] = build(kinds.discriminators, discriminator, target)
            check_judge(self.discriminators["b"], target.channels, patch)
        terms.meet({"a2b": self.forward_net}, source, target)
        self._optimisers = self._adam(betas)

    def _adam(self, betas: tuple[float, float]) -> dict[str, torch.optim.Optimizer]:
        groups = {
            "generators": [*self.forward_net.parameters(), *self.terms.parameters()],
            "discriminators": list(self.discriminators.parameters()),
        }
        made = {name: adam(parameters, self.rate, betas) for name, parameters in groups.items()}
        if made["generators"] is None:
            raise RecipeError("the forward generator has nothing to learn; set method.forward=resnet or another")
        return {name: optimiser for name, optimiser in made.items() if optimiser}

    def prepare(self, patches_a: Tensor, patches_b: Tensor) -> None:
        """Let a generator estimate what it can, and losses refuse what they cannot use before anything is written."""
        if hasattr(self.forward_net, "fit"):
            cast("Any", self.forward_net).fit(patches_a, patches_b)
        with torch.no_grad():
            self.terms(self._cycle(patches_a[:1], patches_b[:1], 0.0))

    def _cycle(self, real_a: Tensor, real_b: Tensor, u: float) -> Cycle:
        judges = cast("dict[Side, nn.Module]", dict(self.discriminators.items()))
        return Cycle(
            real_a, real_b, self.forward_net, None, source=self.source, target=self.target, u=u, discriminators=judges
        )  # fmt: skip

    def optimisers(self) -> Mapping[str, torch.optim.Optimizer]:
        """Adam for the generator and the heads of losses, Adam for the discriminator."""
        return self._optimisers

    def generator(self, direction: Direction) -> nn.Module:
        """G; there is no other."""
        if direction != "a2b":
            raise RecipeError("method cut learns a2b only; ask for that")
        return self.forward_net

    def step(self, real_a: Tensor, real_b: Tensor, u: float) -> dict[str, Tensor]:
        """One step of the generator, then one of the discriminator; the terms, detached, by name."""
        cycle = self._cycle(real_a, real_b, u)
        self.discriminators.requires_grad_(False)
        total, parts = self.terms(cycle)
        descend(self._optimisers["generators"], total, self.rate, u, self.knee)
        self.discriminators.requires_grad_(True)
        if self.discriminators:
            loss = self._judge(cycle)
            descend(self._optimisers["discriminators"], loss, self.rate, u, self.knee)
            parts["discriminators"] = loss.detach()
        return parts

    def _judge(self, cycle: Cycle) -> Tensor:
        """The discriminator's loss: one call on real and fake images together."""
        real, fake = cycle.real_b, self.pool(cycle.fake_b.detach())
        scores = self.discriminators["b"](torch.cat([real, fake])).float()
        return judged(self.terms, cycle.u, *scores.split([len(real), len(fake)]))


def cut(
    source: Domain,
    target: Domain,
    terms: Terms,
    patch: tuple[int, int],
    /,
    *,
    forward: Generator = Component(name="resnet"),
    discriminator: Discriminator = Component(name="patchgan"),
    rate: Annotated[float, Field(gt=0)] = 2e-4,
    betas: tuple[float, float] = (0.5, 0.999),
    knee: Annotated[float, Field(ge=0, lt=1)] = 0.5,
    pool: Annotated[int, Field(ge=0)] = 0,
) -> CUT:
    """One-sided contrastive translation: unpaired, from A to B only, faster than a cycle.

    With the losses `lsgan` and `patchnce` it is CUT or FastCUT (Park et al. 2020).

    Args:
        source: domain A.
        target: domain B.
        terms: the losses; none that looks at a way back.
        patch: (height, width) of training patches.
        forward: generator from A to B, which must offer features for `patchnce`.
        discriminator: its judge.
        rate: learning rate of Adam.
        betas: moments of Adam.
        knee: fraction of the run after which the rate falls linearly to zero.
        pool: past fakes kept for the discriminator; CUT keeps none.

    Raises:
        RecipeError: for a patch that the networks cannot be run on, or losses that need what this method has not.
    """
    return CUT(
        source, target, terms, patch, forward=forward, discriminator=discriminator, rate=rate, betas=betas, knee=knee,
        pool=pool,
    )  # fmt: skip

"""One-sided translation: a generator, a discriminator, and no way back (CUT, Park et al. 2020)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated, Literal, cast

from pydantic import Field
from torch import Tensor, nn

from isoscope import kinds
from isoscope.cycle import Cycle, Side
from isoscope.parameters import Component, Kind, build
from isoscope.pool import ImagePool
from isoscope.stepping import alternate, check_judge, check_patch
from isoscope_controls.one_way import OneWay

if TYPE_CHECKING:
    from isoscope.domain import Domain
    from isoscope.terms import Terms

__all__ = ["CUT", "cut"]

Generator = Annotated[Component, Kind("generators")]
Discriminator = Annotated[Component, Kind("discriminators")]


class CUT(OneWay):
    """The forward generator and its judge; what keeps content in place is a loss such as `patchnce`."""

    pairing: Literal["independent", "matched"] = "independent"

    def __init__(
        self, source: Domain, target: Domain, terms: Terms, patch: tuple[int, int], *,
        forward: Component, discriminator: Component, rate: float, betas: tuple[float, float], knee: float, pool: int,
    ) -> None:  # fmt: skip
        super().__init__(source, target, terms, rate, knee)
        self.forward_net = build(kinds.generators, forward, source, target)
        check_patch((self.forward_net,), patch)
        self.pools = nn.ModuleDict()
        if any(True for _ in terms.adversarial()):
            self.discriminators["b"] = build(kinds.discriminators, discriminator, target)
            self.pools["b"] = ImagePool(pool, (target.channels, *patch))
            check_judge(self.discriminators["b"], target.channels, patch)
        terms.meet({"a2b": self.forward_net}, source, target)
        generators = [*self.forward_net.parameters(), *terms.parameters()]
        self._learning({"generators": generators, "discriminators": self.discriminators.parameters()}, betas)

    def _cycle(self, real_a: Tensor, real_b: Tensor, u: float) -> Cycle:
        judges = cast("dict[Side, nn.Module]", dict(self.discriminators.items()))
        return Cycle(
            real_a, real_b, self.forward_net, None, source=self.source, target=self.target, u=u, discriminators=judges
        )  # fmt: skip

    def step(self, real_a: Tensor, real_b: Tensor, u: float) -> dict[str, Tensor]:
        """One step of the generator, then one of the discriminator; the terms, detached, by name."""
        update = partial(self._update, u=u)
        return alternate(self.terms, self._cycle(real_a, real_b, u), self.discriminators, self.pools, update)


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

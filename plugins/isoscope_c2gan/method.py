"""One optimisation step of c2GAN (Li et al. 2019; UTOM, Li et al. 2021)."""

from __future__ import annotations

import copy
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
from isoscope.schedule import rate as relative_rate
from isoscope.schedule import weight

if TYPE_CHECKING:
    from isoscope.domain import Domain
    from isoscope.kinds import Direction
    from isoscope.terms import Terms

__all__ = ["C2GAN", "c2gan"]

Generator = Annotated[Component, Kind("generators")]
Discriminator = Annotated[Component, Kind("discriminators")]


def _check_judge(judge: nn.Module, channels: int, patch: tuple[int, int]) -> None:
    """A patch must leave at least one score; shapes alone are computed."""
    try:
        copy.deepcopy(judge).to("meta")(torch.empty(1, channels, *patch, device="meta"))
    except RuntimeError as error:
        raise RecipeError(
            f"training.patch={patch[0]} is too small for discriminator {type(judge).__name__}; set a larger "
            f"training.patch (a multiple of 32 from 32 px on serves all of ours), or larger images"
        ) from error


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
        self._check_patch(patch)
        self._optimisers = self._adam(betas)

    def _check_patch(self, patch: tuple[int, int]) -> None:
        """Refuse, before any step, a patch that the networks cannot be run on."""
        stride = max(int(cast("Any", net).stride) for net in (self.forward_net, self.backward_net))
        if any(side % stride or side < 2 * stride for side in patch):
            fitting = max(2 * stride, patch[0] // stride * stride)
            raise RecipeError(
                f"training.patch={patch[0]} does not fit the generators; expected a multiple of {stride}, at least "
                f"{2 * stride}; set training.patch={fitting}"
            )
        for side, judge in self.discriminators.items():
            _check_judge(judge, (self.source if side == "a" else self.target).channels, patch)

    def _adam(self, betas: tuple[float, float]) -> dict[str, torch.optim.Optimizer]:
        groups = {
            "generators": [*self.forward_net.parameters(), *self.backward_net.parameters(), *self.terms.parameters()],
            "discriminators": list(self.discriminators.parameters()),
        }
        learning = {k: [p for p in params if p.requires_grad] for k, params in groups.items()}
        return {k: torch.optim.Adam(p, lr=self.rate, betas=betas, fused=True) for k, p in learning.items() if p}

    def prepare(self, patches_a: Tensor, patches_b: Tensor) -> None:
        """Let generators that estimate something from the two sets do so."""
        pairs = ((self.forward_net, patches_a, patches_b), (self.backward_net, patches_b, patches_a))
        for network, inputs, outputs in pairs:
            if hasattr(network, "fit"):
                cast("Any", network).fit(inputs, outputs)

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
        optimiser = self._optimisers[name]
        for group in optimiser.param_groups:
            group["lr"] = self.rate * relative_rate(u, self.knee)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()

    def step(self, real_a: Tensor, real_b: Tensor, u: float) -> dict[str, Tensor]:
        """One step of the generators, then one of the discriminators; the terms, detached, by name."""
        judges = cast("dict[Side, nn.Module]", dict(self.discriminators.items()))
        cycle = Cycle(
            real_a, real_b, self.forward_net, self.backward_net, source=self.source, target=self.target, u=u,
            discriminators=judges, perturb=self._perturb,
        )  # fmt: skip
        self.discriminators.requires_grad_(False)
        total, parts = self.terms(cycle)
        self._update("generators", total, u)
        self.discriminators.requires_grad_(True)
        if judges:
            loss = self._judge(cycle, judges)
            self._update("discriminators", loss, u)
            parts["discriminators"] = loss.detach()
        return parts

    def _judge(self, cycle: Cycle, judges: dict[Side, nn.Module]) -> Tensor:
        """The discriminators' loss: one call each on real and pooled fake images together."""
        loss = torch.zeros((), device=cycle.real_a.device)
        pairs = {"a": (cycle.real_a, cycle.fake_a), "b": (cycle.real_b, cycle.fake_b)}
        for side, judge in judges.items():
            real, fake = pairs[side]
            scores = judge(torch.cat([real, self.pools[side](fake.detach())])).float()
            for label, term in self.terms.adversarial():
                declared = self.terms.terms[label]
                w = weight(cycle.u, declared.schedule, declared.speed, declared.floor)
                loss = loss + w * term.discriminator(*scores.split([len(real), len(fake)]))
        return loss


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

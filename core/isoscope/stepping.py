"""What optimisation steps of methods have in common: patches that fit, rates that fall, discriminators that learn."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from typing import Any, cast

import torch
from torch import Tensor, nn

from isoscope.cycle import Cycle
from isoscope.errors import RecipeError
from isoscope.schedule import rate as relative_rate
from isoscope.schedule import weight
from isoscope.terms import Terms

__all__ = ["adam", "alternate", "check_judge", "check_patch", "descend", "fit"]


def check_patch(networks: Iterable[nn.Module], patch: tuple[int, int]) -> None:
    """Refuse, before any step, a patch that the generators cannot be run on.

    Raises:
        RecipeError: with the nearest one that fits.
    """
    stride = max(int(cast("Any", net).stride) for net in networks)
    if any(side % stride or side < 2 * stride for side in patch):
        fitting = max(2 * stride, patch[0] // stride * stride)
        raise RecipeError(
            f"training.patch={patch[0]} does not fit the generators; expected a multiple of {stride}, at least "
            f"{2 * stride}; set training.patch={fitting}"
        )


def check_judge(judge: nn.Module, channels: int, patch: tuple[int, int]) -> None:
    """Refuse a patch that leaves a discriminator no score; shapes alone are computed.

    Raises:
        RecipeError: naming the discriminator.
    """
    try:
        copy.deepcopy(judge).to("meta")(torch.empty(1, channels, *patch, device="meta"))
    except RuntimeError as error:
        raise RecipeError(
            f"training.patch={patch[0]} is too small for discriminator {type(judge).__name__}; set a larger "
            f"training.patch (a multiple of 32 from 32 px on serves all of ours), or larger images"
        ) from error


def adam(parameters: Iterable[nn.Parameter], rate: float, betas: tuple[float, float]) -> torch.optim.Optimizer | None:
    """Adam (Kingma & Ba 2015) for the parameters that learn; none where there are none."""
    learning = [p for p in parameters if p.requires_grad]
    return torch.optim.Adam(learning, lr=rate, betas=betas, fused=True) if learning else None


def descend(optimiser: torch.optim.Optimizer, loss: Tensor, rate: float, u: float, knee: float) -> None:
    """One step down the gradient of a loss, at the rate that progress u leaves of `rate` after the knee."""
    for group in optimiser.param_groups:
        group["lr"] = rate * relative_rate(u, knee)
    optimiser.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    optimiser.step()


def fit(network: nn.Module, inputs: Tensor, outputs: Tensor) -> None:
    """Let a generator that estimates something from unpaired patches [N, C, H, W] of both its domains do so."""
    if hasattr(network, "fit"):
        cast("Any", network).fit(inputs, outputs)


def alternate(
    terms: Terms, cycle: Cycle, judges: nn.ModuleDict, pools: nn.ModuleDict, update: Callable[[str, Tensor], None]
) -> dict[str, Tensor]:
    """One step of the generators against discriminators that stay still, then one of the discriminators.

    Args:
        terms: what the generators minimise.
        cycle: the images of the step.
        judges: discriminators by the side whose images they judge, "a" or "b".
        pools: past fakes for each of them.
        update: takes "generators" or "discriminators", and their loss.

    Returns:
        The terms, and the discriminators' loss, detached, by name.
    """
    judges.requires_grad_(False)
    total, parts = terms(cycle)
    update("generators", total)
    judges.requires_grad_(True)
    if judges:
        loss = sum(
            (_judged(terms, cycle, judges[side], pools[side], side) for side in judges), cycle.real_a.new_zeros(())
        )
        update("discriminators", loss)
        parts["discriminators"] = loss.detach()
    return parts


def _judged(terms: Terms, cycle: Cycle, judge: nn.Module, pool: nn.Module, side: str) -> Tensor:
    """What one discriminator minimises: one call on real and pooled fake images together, terms by their weights."""
    real, fake = (getattr(cycle, f"{kind}_{side}") for kind in ("real", "fake"))
    scores = judge(torch.cat([real, pool(fake.detach())])).float().split([len(real), len(fake)])
    loss: Tensor = real.new_zeros(())
    for label, term in terms.adversarial():
        declared = terms.terms[label]
        w = weight(cycle.u, declared.schedule, declared.speed, declared.floor)
        loss = loss + w * term.discriminator(*scores)
    return loss

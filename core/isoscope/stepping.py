"""What optimisation steps of methods have in common: patches that fit, rates that fall, discriminators that learn."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any, cast

import torch
from torch import Tensor, nn

from isoscope.errors import RecipeError
from isoscope.schedule import rate as relative_rate
from isoscope.schedule import weight
from isoscope.terms import Terms

__all__ = ["adam", "check_judge", "check_patch", "descend", "judged"]


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


def judged(terms: Terms, u: float, real: Tensor, fake: Tensor) -> Tensor:
    """What a discriminator minimises, from its raw scores of real and of pooled fake images, [N, 1, h, w].

    Args:
        terms: whose adversarial ones count, each by its weight.
        u: progress in [0, 1).
        real: scores.
        fake: scores.
    """
    loss = torch.zeros((), device=real.device)
    for label, term in terms.adversarial():
        declared = terms.terms[label]
        w = weight(u, declared.schedule, declared.speed, declared.floor)
        loss = loss + w * term.discriminator(real, fake)
    return loss

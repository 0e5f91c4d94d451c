"""Keeps what comes back as rich in detail as what went in."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import torch
from pydantic import Field
from torch import Tensor

from isoscope.errors import RecipeError

if TYPE_CHECKING:
    from isoscope.cycle import Cycle

__all__ = ["spectrum"]

Share = Annotated[float, Field(gt=0, le=1)]
_LEAST = 1e-8
"""Power per pixel, squared network values, below which there is only rounding."""


def _bins(height: int, width: int, highest: float, device: torch.device) -> tuple[Tensor, int]:
    """The radial bin of every coefficient of rfft2, and how many bins there are; those past the last are left out."""
    fy, fx = torch.fft.fftfreq(height, device=device)[:, None], torch.fft.rfftfreq(width, device=device)[None]
    step = 1 / min(height, width)
    count = max(1, int(highest / 2 / step))
    return (torch.hypot(fy, fx) / step).long().clamp_max(count).flatten(), count


def _power(x: Tensor, highest: float) -> Tensor:
    """Radial power of images [N, C, H, W], averaged over the batch: [C, bins]. A Hann window hides the edges."""
    height, width = x.shape[-2:]
    window = torch.outer(*(torch.hann_window(n + 2, False, device=x.device)[1:-1] for n in (height, width)))
    centred = (x - x.mean((2, 3), keepdim=True)) * window
    power = torch.fft.rfft2(centred).abs().square().mean(0).flatten(1) / window.square().sum()
    at, count = _bins(height, width, highest, x.device)
    summed = torch.zeros(len(power), count + 1, device=x.device).index_add(1, at, power)
    return summed[:, :count] / torch.bincount(at, minlength=count + 1)[:count].clamp_min(1)


def spectrum(*, low: Share = 0.6, high: float = 1.7, highest: Share = 0.5) -> Callable[[Cycle], Tensor]:
    """Radial power of G(F(b)) within `low` to `high` times that of b; outside, how far, in nepers of power.

    What minimises an L1 or L2 error of an image that noise or blur has hidden is too smooth: it keeps of each frequency
    the part that is certain. This asks a floor of every frequency, which sharpening what is certain meets at little
    cost. It says nothing while the power is in bounds.

    Args:
        low: least power allowed, as a part of that of b.
        high: most power allowed, likewise.
        highest: frequency up to which power is compared, as a part of Nyquist's.

    Raises:
        RecipeError: if `high` is below 1.
    """
    if high < 1:
        raise RecipeError(
            f"loss 'spectrum' got high={high}; expected 1 or more, as power may equal that of b; raise it"
        )

    def loss(cycle: Cycle) -> Tensor:
        theirs = _power(cycle.real_b, highest) + _LEAST
        ratio = ((_power(cycle.rec_b, highest) + _LEAST) / theirs).log()
        return ((math.log(low) - ratio).relu() + (ratio - math.log(high)).relu()).mean()

    return loss

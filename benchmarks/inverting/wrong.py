"""Losses and a generator that live in the experiment only: what released codes got wrong, and rival remedies."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from isoscope import kinds
from isoscope.cycle import Cycle
from isoscope.domain import Domain
from isoscope.saliency import hard_mask, soft_mask

WARM = 0.2
"""Share of the run in which `warm_up` acts: 100 of 500 steps."""


def swapped_saliency(*, slope: float = 10.0) -> Callable[[Cycle], Tensor]:
    """Eq. 6 as the released c2GAN code has it: G(b) in place of F(b), so that F gets no gradient."""

    def loss(cycle: Cycle) -> Tensor:
        a, b = cycle.source, cycle.target
        forward = soft_mask(cycle.real_a, a, slope) - soft_mask(cycle.fake_b, b, slope)
        other = soft_mask(cycle.real_b, b, slope) - soft_mask(cycle.identity("b"), b, slope)
        return forward.abs().mean() + other.abs().mean()

    return loss


def hard_saliency() -> Callable[[Cycle], Tensor]:
    """Eq. 6 with masks of zeros and ones (the code of 2019): a number without a gradient."""

    def loss(cycle: Cycle) -> Tensor:
        a, b = cycle.source, cycle.target
        forward = hard_mask(cycle.real_a, a).float() - hard_mask(cycle.fake_b, b).float()
        backward = hard_mask(cycle.real_b, b).float() - hard_mask(cycle.fake_a, a).float()
        return forward.abs().mean() + backward.abs().mean()

    return loss


def brief_saliency(*, until: float, slope: float = 10.0) -> Callable[[Cycle], Tensor]:
    """Eq. 6 at the beginning only, then nothing: how long must the term act?

    Args:
        until: progress u at which it stops.
        slope: as of `saliency`.
    """
    term = kinds.losses["saliency"](slope=slope)

    def loss(cycle: Cycle) -> Tensor:
        return term(cycle) if cycle.u < until else cycle.real_a.new_zeros(())

    return loss


def warm_up() -> Callable[[Cycle], Tensor]:
    """L1 to the input with the grey values of the other domain and the declared polarity, at the beginning only."""

    def loss(cycle: Cycle) -> Tensor:
        if cycle.u >= WARM:
            return cycle.real_a.new_zeros(())
        sign = cycle.source.polarity * cycle.target.polarity
        forward = cycle.fake_b - matched(sign * cycle.real_a, cycle.real_b)
        return forward.abs().mean() + (cycle.fake_a - matched(sign * cycle.real_b, cycle.real_a)).abs().mean()

    return loss


def matched(image: Tensor, like: Tensor) -> Tensor:
    """The image with the histogram of another batch of the same size, order of grey values kept."""
    out = torch.empty_like(image).flatten()
    out[image.flatten().argsort()] = like.flatten().sort().values
    return out.reshape(image.shape)


class Skipping(nn.Module):
    """A residual network beside its input, whose contrast is turned where the declared polarities differ."""

    def __init__(self, body: nn.Module, sign: int) -> None:
        super().__init__()
        self.body, self.sign = body, sign
        self.stride: Any = body.stride

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] -> the same shape."""
        made: Tensor = self.sign * x + self.body(x)
        return made


def skipping(inputs: Domain, outputs: Domain, /, *, width: int = 16, blocks: int = 4) -> Skipping:
    """The network of the experiment with a global skip."""
    body = kinds.generators["resnet"](inputs, outputs, width=width, blocks=blocks)
    return Skipping(body, inputs.polarity * outputs.polarity)


def register() -> None:
    """Make them known to this process, as a notebook would."""
    for loss in (swapped_saliency, hard_saliency, brief_saliency, warm_up):
        kinds.losses.add(loss.__name__, loss)
    kinds.generators.add("skipping", skipping)

"""Frozen normalisations as part of the convolutions before them: the same function in fewer passes over memory."""

from __future__ import annotations

import copy
import logging
from itertools import pairwise

import torch
from torch import Tensor, nn

from isoscope.normalisation import InstanceNorm
from isoscope.tiling import multiple

__all__ = ["folded"]

_log = logging.getLogger(__name__)
_TOLERANCE = 1e-3
"""Largest difference of a sound folding, in network values (-1 to 1); rounding stays far below."""


@torch.no_grad()
def folded(network: nn.Module, channels: int) -> nn.Module:
    """A copy whose frozen normalisations, where they directly follow a convolution in a Sequential, are folded into it.

    The copy is compared with the network on noise; where they disagree, as they may for networks that use a layer in
    two places, the network itself comes back, and it is said.

    Args:
        network: a generator in evaluation mode, statistics frozen.
        channels: of its input.
    """
    made = copy.deepcopy(network)
    found = [pair for module in made.modules() if isinstance(module, nn.Sequential) for pair in _pairs(module)]
    for sequence, at in found:
        _fold(sequence, at)
    if not found or _agree(network, made, channels):
        return made
    _log.warning(
        "normalisations of %s cannot be folded into its convolutions; it runs as it is", type(network).__name__
    )
    return network


def _pairs(sequence: nn.Sequential) -> list[tuple[nn.Sequential, int]]:
    """Where a convolution is followed by a frozen normalisation."""
    return [
        (sequence, n)
        for n, (first, second) in enumerate(pairwise(sequence))
        if isinstance(first, nn.Conv2d | nn.ConvTranspose2d)
        and isinstance(second, InstanceNorm)
        and second.mode == "frozen"
    ]


def _fold(sequence: nn.Sequential, at: int) -> None:
    layer, norm = sequence[at], sequence[at + 1]
    assert isinstance(layer, nn.Conv2d | nn.ConvTranspose2d)
    assert isinstance(norm, InstanceNorm)
    gain = norm.weight * torch.rsqrt(norm.variance + norm.eps)
    bias = layer.bias if layer.bias is not None else torch.zeros_like(gain)
    layer.weight.copy_(_scaled(layer, gain))
    layer.bias = nn.Parameter((bias - norm.mean) * gain + norm.bias, requires_grad=False)
    sequence[at + 1] = nn.Identity()


def _scaled(layer: nn.Conv2d | nn.ConvTranspose2d, gain: Tensor) -> Tensor:
    """The kernel with every output channel multiplied: the first axis, but the second in each group when transposed."""
    if isinstance(layer, nn.Conv2d):
        return layer.weight * gain[:, None, None, None]
    inputs, each = layer.weight.shape[:2]
    groups = gain.reshape(layer.groups, 1, each).expand(-1, inputs // layer.groups, -1)
    return layer.weight * groups.reshape(inputs, each, 1, 1)


def _agree(one: nn.Module, other: nn.Module, channels: int) -> bool:
    side = multiple(32, int(getattr(one, "stride", 1)))
    noise = torch.rand(1, channels, side, side, generator=torch.Generator().manual_seed(0)) * 2 - 1
    return float((one(noise) - other(noise)).abs().max()) <= _TOLERANCE

"""How far a network looks, along the plane and across planes: measured on the built network, never typed in."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from isoscope.normalisation import layers
from isoscope.tiling import multiple, padded_size

__all__ = ["depth_halo", "halo"]

_LARGEST, _DEEPEST = 4096, 256


def _reach(network: nn.Module, channels: int, length: int, stride: int, axis: int, *, before: bool) -> int | None:
    """Pixels past an aligned border that feel what lies beyond it; None if everything does.

    NaN spreads through every sum, maximum and interpolation that it enters, so poisoning one side of a border shows
    exactly which outputs depend on that side.
    """
    side = max(8 * stride, 32)
    shape = (1, channels, length, side) if axis == 2 else (1, channels, side, length)
    x = torch.zeros(shape)
    border = length // 2 // stride * stride
    poisoned = slice(0, border) if before else slice(border, length)
    x[(slice(None), slice(None), poisoned) if axis == 2 else (slice(None), slice(None), slice(None), poisoned)] = (
        torch.nan
    )
    clean = (~network(x).isnan().any(1)[0]).all(dim=2 - axis + 1 if axis == 2 else 0).nonzero().flatten()
    return _past(border, clean, before)


def _past(border: int, clean: Tensor, before: bool) -> int | None:
    """How far past a border the poison came, by the places that it left clean; None if there is none."""
    if not len(clean):
        return None
    return int(clean[0]) - border if before else border - 1 - int(clean[-1])


def _probe(network: nn.Module) -> nn.Module:
    """A copy to be poisoned, whose instance norms are taken as frozen."""
    probe = copy.deepcopy(network).cpu().float().eval()
    for layer in layers(probe):
        layer.mode = "frozen"
    return probe


@torch.no_grad()
def halo(network: nn.Module, channels: int, stride: int) -> int | None:
    """Pixels around a tile that its output depends on, rounded up to the stride; None if on the whole tile.

    Args:
        network: a generator; its instance norms are taken as frozen.
        channels: of its input.
        stride: its total stride.
    """
    probe = _probe(network)
    length = multiple(256, stride)
    while length <= _LARGEST:
        found = [_reach(probe, channels, length, stride, axis, before=b) for axis in (2, 3) for b in (True, False)]
        # a reach that comes near the far edge may have been cut short by it
        if all(r is not None and r < length // 2 - stride for r in found):
            return multiple(max(r for r in found if r is not None), stride)
        length *= 2
    return None


@torch.no_grad()
def depth_halo(network: nn.Module, channels: int) -> int | None:
    """Planes above and below a plane that its output depends on; None if on all.

    Args:
        network: a volumetric generator.
        channels: of each plane of its input.
    """
    probe = _probe(network)
    side = padded_size(1, int(getattr(network, "stride", 1)))
    planes = 64
    while planes <= _DEEPEST:
        found = [_reach_across(probe, channels, planes, side, before=b) for b in (True, False)]
        if all(r is not None and r < planes // 2 - 1 for r in found):
            return max(r for r in found if r is not None)
        planes *= 2
    return None


def _reach_across(network: nn.Module, channels: int, planes: int, side: int, *, before: bool) -> int | None:
    """Planes past a border that feel what lies beyond it; None if all do."""
    x, border = torch.zeros(channels, planes, side, side), planes // 2
    x[:, slice(0, border) if before else slice(border, planes)] = torch.nan
    made = network(x.flatten(0, 1)[None])[0].reshape(-1, planes, side, side)
    clean = (~made.isnan()).all(dim=(0, 2, 3)).nonzero().flatten()
    return _past(border, clean, before)

"""A U-Net of three dimensions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, cast

import torch
from pydantic import Field
from torch import Tensor, nn

from isoscope.errors import RecipeError
from isoscope_networks.blocks import Head, finished

if TYPE_CHECKING:
    from isoscope.domain import Domain

__all__ = ["UNet3D", "unet3d"]

_WHOLE, _FLAT = (3, 3, 3), (1, 3, 3)
"""Kernels along z, y, x: one of each per level looks half as far along z, and costs two thirds, of two whole ones."""


def _conv(inputs: int, outputs: int, kernel: tuple[int, int, int], stride: int = 1) -> list[nn.Module]:
    """Convolution and ReLU. The ends repeat themselves, as the planes of `Frames` do at the end of a volume."""
    pad = cast("tuple[int, int, int]", tuple(k // 2 for k in kernel))
    layer = nn.Conv3d(inputs, outputs, kernel, (1, stride, stride), pad, padding_mode="replicate")
    return [layer, nn.ReLU(inplace=True)]


def _level(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(*_conv(inputs, outputs, _WHOLE, stride), *_conv(outputs, outputs, _FLAT))


class UNet3D(nn.Module):
    """3D U-Net (Çiçek et al. 2016) that is halved within planes only, without normalisation."""

    volumetric = True

    def __init__(self, inputs: int, outputs: int, width: int, depth: int, head: Head) -> None:
        super().__init__()
        self.stride, self.channels, self.last = 2**depth, inputs, head
        w = [width * 2**level for level in range(depth + 1)]
        self.stem = _level(inputs, w[0])
        self.down = nn.ModuleList(_level(w[i], w[i + 1], 2) for i in range(depth))
        self.resize = nn.Upsample(scale_factor=(1, 2, 2), mode="trilinear", align_corners=False)
        self.up = nn.ModuleList(_level(w[i + 1] + w[i], w[i]) for i in reversed(range(depth)))
        self.head = nn.Conv3d(w[0], outputs, 1)
        self._initialise()

    def _initialise(self) -> None:
        for m in self.modules():
            if isinstance(m, nn.Conv3d):
                nn.init.kaiming_normal_(m.weight, a=0.2)
                nn.init.zeros_(cast("Tensor", m.bias))
        nn.init.normal_(self.head.weight, 0.0, 0.02)

    def features(self, x: Tensor) -> list[Tensor]:
        """Feature maps of the encoder, finest first, each with its planes as channels: [N, width x planes, h, w]."""
        return [level.flatten(1, 2) for level in self._encoded(x)]

    def _encoded(self, x: Tensor) -> list[Tensor]:
        maps = [
            self.stem(
                x.reshape(len(x), self.channels, -1, *x.shape[2:]).contiguous(memory_format=torch.channels_last_3d)
            )
        ]
        for level in self.down:
            maps.append(level(maps[-1]))
        return maps

    def forward(self, x: Tensor) -> Tensor:
        """[N, C_in x planes, H, W] -> [N, C_out x planes, H, W], of any number of planes; C-major, by z."""
        maps = self._encoded(x)
        y = maps.pop()
        for level in self.up:
            y = level(torch.cat([self.resize(y), maps.pop()], 1))
        return finished(self.head(y).flatten(1, 2), self.last)


def unet3d(
    inputs: Domain,
    outputs: Domain,
    /,
    *,
    width: Annotated[int, Field(ge=1)] = 16,
    depth: Annotated[int, Field(ge=1, le=5)] = 2,
    head: Head = "tanh",
) -> UNet3D:
    """U-Net of three dimensions: planes with their neighbours (`output.context`), volumes in and out.

    It looks 2 depth + 1 planes far: with as many as `output.context` every plane is learned as it will be predicted.

    Args:
        inputs: the domain it reads, with context.
        outputs: the domain it writes, with the same.
        width: channels of the finest level; each level doubles them.
        depth: number of halvings within planes; along z there are none, as planes lie far apart already.
        head: tanh as published, linear or elu, which do not flatten what is bright (see `unet`).
    """
    if not inputs.context or inputs.context != outputs.context:
        raise RecipeError(
            f"generator 'unet3d' got {inputs.planes} planes as input and {outputs.planes} as output; expected as many, "
            f"and more than one; set output.context={2 * depth + 1}, or choose unet"
        )
    return UNet3D(inputs.plane.channels, outputs.plane.channels, width, depth, head)

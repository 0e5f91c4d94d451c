"""A lean U-Net generator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from isoscope_networks.blocks import Head, NoiseMaps, Norm, conv, finished, initialise, with_noise

if TYPE_CHECKING:
    from isoscope.domain import Domain

__all__ = ["UNet", "unet"]


class UNet(nn.Module):
    """Encoder-decoder with skips (Ronneberger et al. 2015): two 3x3 convolutions per level, resize + convolution up."""

    image_noise = 0

    def __init__(
        self, inputs: int, outputs: int, width: int, depth: int, norm: Norm, noise: int = 0, head: Head = "tanh"
    ) -> None:
        super().__init__()
        self.stride, self.pixel_noise, self.last = 2**depth, noise, head
        w = [width * 2**level for level in range(depth + 1)]
        self.stem = nn.Sequential(*conv(inputs + noise, w[0], 3, norm), *conv(w[0], w[0], 3, norm))
        self.down = nn.ModuleList(
            nn.Sequential(*conv(w[i], w[i + 1], 3, norm, stride=2), *conv(w[i + 1], w[i + 1], 3, norm))
            for i in range(depth)
        )
        self.resize = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False)
        self.up = nn.ModuleList(
            nn.Sequential(*conv(w[i + 1] + w[i], w[i], 3, norm), *conv(w[i], w[i], 3, norm))
            for i in reversed(range(depth))
        )
        self.head = nn.Conv2d(w[0], outputs, 3, padding=1, padding_mode="reflect")
        initialise(self, 0.02 if norm == "instance" else 0.0)
        nn.init.normal_(self.head.weight, 0.0, 0.02)

    def features(self, x: Tensor, z: Tensor | None = None) -> list[Tensor]:
        """Feature maps of the encoder, finest first."""
        maps = [self.stem(with_noise(x, self.pixel_noise, z, self.training))]
        for level in self.down:
            maps.append(level(maps[-1]))
        return maps

    def forward(self, x: Tensor, z: Tensor | None = None) -> Tensor:
        """[N, C_in, H, W] -> [N, C_out, H, W]; H and W multiples of 2^depth. `z`: noise, else drawn."""
        maps = self.features(x, z)
        y = maps.pop()
        for level in self.up:
            y = level(torch.cat([self.resize(y), maps.pop()], 1))
        return finished(self.head(y), self.last)


def unet(
    inputs: Domain,
    outputs: Domain,
    /,
    *,
    width: Annotated[int, Field(ge=1)] = 32,
    depth: Annotated[int, Field(ge=1, le=7)] = 2,
    norm: Norm = "instance",
    noise: NoiseMaps = 0,
    head: Head = "tanh",
) -> UNet:
    """Lean U-Net with shallow skips.

    Args:
        inputs: the domain it reads.
        outputs: the domain it writes.
        width: channels of the finest level; each level doubles them.
        depth: number of halvings.
        norm: instance normalisation, or none.
        noise: channels of Gaussian noise beside the image, drawn in training and zero in prediction: for a way that
            has many right answers, such as clean to noisy.
        head: tanh as published; linear, which cannot saturate: for labels on a dark ground that is most of the image,
            where a tanh can end at -1 everywhere and has no slope left to leave it; or elu, with the floor of a tanh
            and no ceiling, which keeps what is brighter than anything it learned from.
    """
    return UNet(inputs.channels, outputs.channels, width, depth, norm, noise, head)

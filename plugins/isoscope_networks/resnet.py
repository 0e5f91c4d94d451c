"""The c2GAN generator: encoder, residual blocks, decoder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from isoscope_networks.blocks import (
    Head,
    NoiseMaps,
    Norm,
    Upsample,
    conv,
    finished,
    initialise,
    norm_layer,
    upsample,
    with_noise,
)  # fmt: skip

if TYPE_CHECKING:
    from isoscope.domain import Domain

__all__ = ["ResNet", "resnet"]


class Residual(nn.Module):
    """Two 3x3 convolutions beside an identity."""

    def __init__(self, channels: int, norm: Norm) -> None:
        super().__init__()
        second = nn.Conv2d(channels, channels, 3, padding=1, padding_mode="reflect", bias=norm == "none")
        self.body = nn.Sequential(*conv(channels, channels, 3, norm), second, *norm_layer(norm, channels))

    def forward(self, x: Tensor) -> Tensor:
        """Same shape."""
        return torch.add(x, self.body(x))


class ResNet(nn.Module):
    """c7s1-w, d2w, d4w, residual blocks, u2w, uw, c7s1-C_out, tanh or nothing (Li et al. 2019; Zhu et al. 2017)."""

    stride = 4
    image_noise = 0

    def __init__(
        self, inputs: int, outputs: int, width: int, blocks: int, norm: Norm, up: Upsample, noise: int = 0,
        head: Head = "tanh",
    ) -> None:  # fmt: skip
        super().__init__()
        w, self.pixel_noise, self.last = width, noise, head
        self.encoder = nn.Sequential(
            *conv(inputs + noise, w, 7, norm),
            *conv(w, 2 * w, 3, norm, stride=2),
            *conv(2 * w, 4 * w, 3, norm, stride=2),
        )
        self.blocks = nn.Sequential(*(Residual(4 * w, norm) for _ in range(blocks)))
        self.decoder = nn.Sequential(*upsample(4 * w, 2 * w, up, norm), *upsample(2 * w, w, up, norm))
        self.head = nn.Conv2d(w, outputs, 7, padding=3, padding_mode="reflect", bias=False)
        initialise(self, 0.02 if norm == "instance" else 0.0)
        if norm == "none":
            self._calm()

    def _calm(self) -> None:
        """Without normalisation residual sums double in variance per block and would start tanh where it is flat."""
        with torch.no_grad():
            for block in self.blocks.modules():
                if isinstance(block, Residual):
                    block.body[-1].weight.div_(len(self.blocks))  # type: ignore[operator]
        nn.init.normal_(self.head.weight, 0.0, 0.02)

    def features(self, x: Tensor, z: Tensor | None = None) -> list[Tensor]:
        """Feature maps: after each convolution of the encoder, and after each residual block."""
        x, maps = with_noise(x, self.pixel_noise, z, self.training), []
        for layer in self.encoder:
            x = layer(x)
            if isinstance(layer, nn.ReLU):
                maps.append(x)
        for block in self.blocks:
            x = block(x)
            maps.append(x)
        return maps

    def forward(self, x: Tensor, z: Tensor | None = None) -> Tensor:
        """[N, C_in, H, W] -> [N, C_out, H, W]; H and W multiples of 4. `z`: noise, else drawn."""
        x = self.encoder(with_noise(x, self.pixel_noise, z, self.training))
        return finished(self.head(self.decoder(self.blocks(x))), self.last)


def resnet(
    inputs: Domain,
    outputs: Domain,
    /,
    *,
    width: Annotated[int, Field(ge=1)] = 64,
    blocks: Annotated[int, Field(ge=0)] = 6,
    norm: Norm = "instance",
    upsample: Upsample = "bilinear",
    noise: NoiseMaps = 0,
    head: Head = "tanh",
) -> ResNet:
    """Residual network of the c2GAN paper.

    Args:
        inputs: the domain it reads.
        outputs: the domain it writes.
        width: channels after the first layer.
        blocks: residual blocks; 6 for patches up to 128 px, else 9.
        norm: instance normalisation, or none.
        upsample: resize + convolution (bilinear, nearest), or transposed convolution as published.
        noise: channels of Gaussian noise beside the image, drawn in training and zero in prediction: for a way that
            has many right answers, such as clean to noisy.
        head: tanh as published, linear or elu, which do not flatten what is bright (see `unet`).
    """
    return ResNet(inputs.channels, outputs.channels, width, blocks, norm, upsample, noise, head)

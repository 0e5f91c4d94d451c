"""What the networks are made of."""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from isoscope.normalisation import InstanceNorm

__all__ = [
    "Head", "NoiseMaps", "Norm", "Upsample", "conv", "finished", "initialise", "norm_layer", "upsample", "with_noise",
]  # fmt: skip

Norm = Literal["instance", "none"]
Upsample = Literal["bilinear", "nearest", "transposed"]
Head = Literal["tanh", "linear", "elu"]
NoiseMaps = Annotated[int, Field(ge=0, le=16)]


def norm_layer(norm: Norm, channels: int) -> list[nn.Module]:
    """The normalisation after a convolution, or nothing."""
    return [InstanceNorm(channels)] if norm == "instance" else []


def conv(inputs: int, outputs: int, kernel: int, norm: Norm, stride: int = 1) -> list[nn.Module]:
    """Convolution, normalisation, ReLU. Stride 1 pads by reflection, stride 2 by zeros (Li et al. 2019)."""
    pad = kernel // 2
    layer = nn.Conv2d(
        inputs, outputs, kernel, stride, pad, bias=norm == "none", padding_mode="reflect" if stride == 1 else "zeros"
    )
    return [layer, *norm_layer(norm, outputs), nn.ReLU(inplace=True)]


def upsample(inputs: int, outputs: int, how: Upsample, norm: Norm) -> list[nn.Module]:
    """Twice the size. Resize + convolution avoids the checkerboard of transposed kernels (Odena et al. 2016)."""
    if how == "transposed":
        layer = nn.ConvTranspose2d(inputs, outputs, 3, 2, 1, output_padding=1, bias=norm == "none")
        return [layer, *norm_layer(norm, outputs), nn.ReLU(inplace=True)]
    resize = nn.Upsample(scale_factor=2, mode=how, align_corners=False if how == "bilinear" else None)
    return [resize, *conv(inputs, outputs, 3, norm)]


def finished(x: Tensor, head: Head) -> Tensor:
    """The output of a last convolution: squashed into (-1, 1), as it is, or with a floor of -1 and no ceiling.

    A tanh flattens what is brighter than the images it learned from. Where most of an image is dark, one step too far
    takes it to -1 everywhere, where its slope of zero keeps it. An ELU (Clevert et al. 2016) has the floor alone: light
    has a least value and no greatest.
    """
    if head == "elu":
        return nn.functional.elu(x)
    return x.tanh() if head == "tanh" else x


def initialise(network: nn.Module, gain: float) -> None:
    """Weights N(0, gain) and no offset, as CycleGAN; gain 0 means He's variance, for networks without normalisation."""
    for m in network.modules():
        if isinstance(m, nn.Conv2d | nn.ConvTranspose2d):
            if gain:
                nn.init.normal_(m.weight, 0.0, gain)
            else:
                nn.init.kaiming_normal_(m.weight, a=0.2)
            if m.bias is not None:
                nn.init.zeros_(m.bias)


def with_noise(x: Tensor, maps: int, z: Tensor | None, drawn: bool) -> Tensor:
    """Images with unit Gaussian noise as further channels, so that one image can have many answers.

    Args:
        x: [N, C, H, W].
        maps: channels of noise.
        z: the noise, [N, maps, H, W]; none: drawn or, for an answer that is the same every time, zero.
        drawn: which of the two.
    """
    if not maps:
        return x
    if z is None:
        shape = (len(x), maps, *x.shape[2:])
        z = torch.randn(shape, device=x.device, dtype=x.dtype) if drawn else x.new_zeros(shape)
    return torch.cat([x, z.to(x.dtype)], 1)

"""Discriminators that score overlapping patches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field
from torch import Tensor, nn

from isoscope_networks.blocks import Norm, initialise, norm_layer

if TYPE_CHECKING:
    from isoscope.domain import Domain

__all__ = ["PatchGAN", "patchgan", "patchgan94"]

_KERNEL = 4


def _field(strides: list[int]) -> int:
    """Side of the input area that one score sees."""
    side = 1
    for stride in reversed(strides):
        side = (side - 1) * stride + _KERNEL
    return side


class PatchGAN(nn.Module):
    """4x4 convolutions with LeakyReLU 0.2, no norm in the first layer, bias only without norm and in the last."""

    def __init__(self, channels: int, width: int, strides: list[int], norm: Norm) -> None:
        super().__init__()
        self.field = _field(strides)
        layers: list[nn.Module] = []
        for i, stride in enumerate(strides[:-1]):
            out = width * min(2**i, 8)
            plain = i == 0 or norm == "none"
            layers += [nn.Conv2d(channels, out, _KERNEL, stride, 1, bias=plain)]
            layers += [] if plain else norm_layer(norm, out)
            layers += [nn.LeakyReLU(0.2, inplace=True)]
            channels = out
        self.body = nn.Sequential(*layers, nn.Conv2d(channels, 1, _KERNEL, strides[-1], 1))
        initialise(self, 0.02 if norm == "instance" else 0.0)

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] -> scores [N, 1, h, w], no sigmoid."""
        return self.body(x)  # type: ignore[no-any-return]


def patchgan(inputs: Domain, /, *, width: Annotated[int, Field(ge=1)] = 64, norm: Norm = "instance") -> PatchGAN:
    """Classic PatchGAN (Isola et al. 2017): one score per 70 x 70 px.

    Args:
        inputs: the domain it judges.
        width: channels of the first layer.
        norm: instance normalisation, or none.
    """
    return PatchGAN(inputs.channels, width, [2, 2, 2, 1, 1], norm)


def patchgan94(inputs: Domain, /, *, width: Annotated[int, Field(ge=1)] = 64, norm: Norm = "instance") -> PatchGAN:
    """The discriminator of the released c2GAN settings: four strided layers, one score per 94 x 94 px.

    Args:
        inputs: the domain it judges.
        width: channels of the first layer.
        norm: instance normalisation, or none.
    """
    return PatchGAN(inputs.channels, width, [2, 2, 2, 2, 1], norm)

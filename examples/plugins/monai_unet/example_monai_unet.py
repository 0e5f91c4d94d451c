"""A generator from another library: MONAI's residual U-Net."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import torch
from monai.networks.nets import UNet
from pydantic import Field
from torch import Tensor, nn

from isoscope.normalisation import InstanceNorm

if TYPE_CHECKING:
    from isoscope.domain import Domain

__all__ = ["monai_unet"]


def _freezable(module: nn.Module) -> None:
    """Put our instance normalisation in place of torch's: its statistics can be frozen, so that tiles do not show."""
    for name, child in module.named_children():
        if isinstance(child, nn.InstanceNorm2d):
            setattr(module, name, InstanceNorm(child.num_features, child.eps))
        else:
            _freezable(child)


class Network(nn.Module):
    """What isoscope asks of a generator, around a network that knows nothing of it."""

    def __init__(self, inputs: int, outputs: int, width: int, depth: int, residuals: int) -> None:
        super().__init__()
        self.stride = 2**depth
        widths = [width * 2**level for level in range(depth + 1)]
        self.network = UNet(2, inputs, outputs, widths, [2] * depth, num_res_units=residuals)
        _freezable(self.network)

    def forward(self, x: Tensor) -> Tensor:
        """[N, C_in, H, W] -> [N, C_out, H, W] in (-1, 1); H and W multiples of 2^depth."""
        return torch.tanh(self.network(x))


def monai_unet(
    inputs: Domain,
    outputs: Domain,
    /,
    *,
    width: Annotated[int, Field(ge=1)] = 32,
    depth: Annotated[int, Field(ge=1, le=6)] = 2,
    residuals: Annotated[int, Field(ge=0)] = 2,
) -> Network:
    """MONAI's U-Net with residual units (Kerfoot et al. 2018).

    Args:
        inputs: the domain it reads.
        outputs: the domain it writes.
        width: channels of the finest level; each level doubles them.
        depth: number of halvings.
        residuals: convolutions in each residual unit; 0 for plain ones.
    """
    return Network(inputs.channels, outputs.channels, width, depth, residuals)

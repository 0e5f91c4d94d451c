"""Several networks of one kind, whose outputs are averaged."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, cast

import torch
from pydantic import Field
from torch import Tensor, nn

from isoscope import kinds
from isoscope.parameters import Component, Kind, build

if TYPE_CHECKING:
    from isoscope.domain import Domain

__all__ = ["Ensemble", "ensemble"]


class Ensemble(nn.Module):
    """G(a) = mean of G_k(a): what each run got wrong in its own way is averaged away (Hansen and Salamon 1990)."""

    def __init__(self, members: list[nn.Module]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)
        first = cast("Any", members[0])
        self.stride, self.volumetric = int(first.stride), bool(getattr(first, "volumetric", False))
        self.pixel_noise, self.image_noise = (int(getattr(first, n, 0)) for n in ("pixel_noise", "image_noise"))

    def forward(self, x: Tensor, z: Tensor | None = None) -> Tensor:
        """[N, C_in, H, W] -> [N, C_out, H, W]; `z`: noise, the same for all members."""
        made = [member(x) if z is None else member(x, z) for member in self.members]
        return torch.stack(made).mean(0)


def ensemble(
    inputs: Domain,
    outputs: Domain,
    /,
    *,
    inner: Annotated[Component, Kind("generators")] = Component(name="unet"),
    members: Annotated[int, Field(ge=2, le=32)] = 2,
) -> Ensemble:
    """The mean of several networks of one kind. `isoscope ensemble` makes it of runs that began with different seeds.

    Args:
        inputs: the domain it reads.
        outputs: the domain it writes.
        inner: what each member is.
        members: how many there are. Prediction takes as many times as long.
    """
    return Ensemble([build(kinds.generators, inner, inputs, outputs) for _ in range(members)])

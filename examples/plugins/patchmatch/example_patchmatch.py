"""A loss with parameters of its own that looks at the generator's features."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, cast

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from isoscope.errors import RecipeError

if TYPE_CHECKING:
    from isoscope.cycle import Cycle
    from isoscope.domain import Domain
    from isoscope.kinds import Direction

__all__ = ["patchmatch"]

Count = Annotated[int, Field(ge=2)]


class PatchMatch(nn.Module):
    """Which place of a does this place of G(a) come from? Asked of the generator's deepest feature map.

    It is an nn.Module, so that its projection is optimised with the generators and saved in checkpoints.
    """

    def __init__(self, places: int, width: int, temperature: float) -> None:
        super().__init__()
        self.places, self.width, self.temperature = places, width, temperature
        self.project = nn.Linear(1, 1)

    def meet(self, networks: Mapping[Direction, nn.Module], source: Domain, target: Domain) -> None:
        """Fit the projection to the generator's features: called once, before the optimisers are made."""
        network = networks["a2b"]
        if source.channels != target.channels or not hasattr(network, "features"):
            raise RecipeError("expected equal channels and a generator with features, such as resnet; leave it out")
        # on "meta" only shapes are computed
        probe = cast("Any", copy.deepcopy(network).to("meta"))
        side = 16 * int(probe.stride)
        deepest = probe.features(torch.empty(1, source.channels, side, side, device="meta"))[-1]
        self.project = nn.Linear(int(deepest.shape[1]), self.width)

    def forward(self, cycle: Cycle) -> Tensor:
        """Cross-entropy of finding each place of G(a) among the chosen places of a."""
        made, given = cycle.features("a", cycle.fake_b)[-1], cycle.features("a", cycle.real_a)[-1].detach()
        chosen = torch.randperm(made.shape[2] * made.shape[3], device=made.device)[: self.places]
        queries, keys = (self._vectors(picture, chosen) for picture in (made, given))
        alike = queries @ keys.transpose(1, 2) / self.temperature
        own = torch.arange(len(chosen), device=made.device).expand(len(made), -1)
        return F.cross_entropy(alike.flatten(0, 1), own.flatten())

    def _vectors(self, features: Tensor, places: Tensor) -> Tensor:
        """[N, C, h, w] -> unit vectors [N, places, width]."""
        return F.normalize(self.project(features.float().flatten(2)[..., places].mT), dim=-1)


def patchmatch(
    *, places: Count = 64, width: Count = 32, temperature: Annotated[float, Field(gt=0)] = 0.1
) -> PatchMatch:
    """Each place of the output is recognised as the same place of the input (after Park et al. 2020, with one map).

    Args:
        places: compared per image, drawn in each step.
        width: of the vectors that are compared.
        temperature: of their similarities; low ones look at the nearest mistake only.
    """
    return PatchMatch(places, width, temperature)

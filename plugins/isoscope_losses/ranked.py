"""Where to begin if two domains share nothing but where content is: the most salient gets the strongest labels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from isoscope.saliency import content, smooth

if TYPE_CHECKING:
    from collections.abc import Mapping

    from isoscope.cycle import Cycle
    from isoscope.domain import Domain
    from isoscope.kinds import Direction

__all__ = ["Ranked", "ranked"]

_KEPT = 1 << 15
"""Pixels of each side that the tables are made of."""
_DRAWN = 1 << 10
"""Of which so many are replaced in each step: ranks count among all images, as one patch may hold no content at all."""


class Ranked(nn.Module):
    """Mean absolute or squared difference of G(a) from the labels that have the rank of a's smoothed content map.

    Buffers: pixels of the content map of A, [K], and of the images of B, [C, K], the latest ones.
    """

    given: Tensor
    wanted: Tensor
    seen: Tensor

    def __init__(self, blur: float, squared: bool) -> None:
        super().__init__()
        self.blur, self.squared = blur, squared
        self.register_buffer("given", torch.zeros(_KEPT))
        self.register_buffer("wanted", torch.zeros(1, _KEPT))
        self.register_buffer("seen", torch.tensor(0))

    def meet(self, networks: Mapping[Direction, nn.Module], source: Domain, target: Domain) -> None:  # noqa: ARG002
        """Make room for the channels of the target."""
        self.wanted = self.wanted.new_zeros(target.plane.channels, _KEPT)

    def _map(self, a: Tensor, domain: Domain) -> Tensor:
        """The content map of each plane, blurred, high where there is content: [N x planes, 1, H, W]."""
        found = content(domain.by_plane(a), domain.plane)
        return domain.polarity * (smooth(found, self.blur) if self.blur else found)

    def _remember(self, map_: Tensor, b: Tensor, polarity: int) -> None:
        """Replace the oldest pixels; in the first step all."""
        first = int(self.seen) == 0
        count = _KEPT if first else _DRAWN
        place = (torch.arange(count, device=b.device) + int(self.seen)) % _KEPT
        self.given[place] = _some(map_, count)[0].to(self.given)
        self.wanted[:, place] = polarity * _some(b, count).to(self.wanted)
        self.seen += 0 if first else count
        self.seen.clamp_min_(1)

    def forward(self, cycle: Cycle) -> Tensor:
        """E|G(a) - table(map(a))|, a scalar."""
        with torch.no_grad():
            map_, sign = self._map(cycle.real_a, cycle.source), cycle.target.polarity
            self._remember(map_, cycle.target.by_plane(cycle.real_b), sign)
            rank = torch.searchsorted(self.given.sort().values, map_[:, 0].contiguous()).clamp_max(_KEPT - 1)
            goal = sign * self.wanted.sort(1).values[:, rank].movedim(0, 1)
        difference = cycle.target.by_plane(cycle.fake_b) - goal
        return difference.square().mean() if self.squared else difference.abs().mean()


def _some(x: Tensor, count: int) -> Tensor:
    """Pixels of [N, C, H, W] at random, the same of all channels: [C, count]."""
    pixels = x.movedim(1, 0).flatten(1)
    return pixels[:, torch.randint(pixels.shape[1], (count,)).to(x.device)]


def ranked(*, blur: Annotated[float, Field(ge=0)] = 4.0, error: Literal["absolute", "squared"] = "absolute") -> Ranked:
    """Each channel of G(a) is near the label of the same rank as the smoothed content map of a.

    A histogram matching of texture to labels, which finds cells and not what they are: to begin with, at a weight that
    fades (`schedule: exp`), so that what is learned starts where content is and not at the constant dark ground.

    Args:
        blur: sigma in pixels of a Gaussian over the content map: cells are wider than their edges.
        error: absolute, or squared.
    """
    return Ranked(blur, error == "squared")

"""Content stays where it is because patches of input and output at one place resemble each other more than others."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, cast

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from isoscope.errors import RecipeError
from isoscope.tiling import multiple

if TYPE_CHECKING:
    from isoscope.cycle import Cycle
    from isoscope.domain import Domain
    from isoscope.kinds import Direction

__all__ = ["PatchNCE", "contrast", "patchnce"]

_MOST = 5
"""Maps that are compared where none are named: as many as the paper takes."""

Count = Annotated[int, Field(ge=1)]


def contrast(queries: Tensor, keys: Tensor, temperature: float) -> Tensor:
    """Cross-entropy of telling each query's own key from the other keys of its image (Park et al. 2020, Eq. 2 and 3).

    Args:
        queries: unit vectors [N, places, D] of the output.
        keys: of the input at the same places.
        temperature: of the similarities.
    """
    similarities = queries @ keys.transpose(1, 2) / temperature
    places = torch.arange(keys.shape[1], device=keys.device).expand(len(keys), -1)
    return F.cross_entropy(similarities.flatten(0, 1), places.flatten())


def _widths(network: nn.Module, channels: int) -> list[int]:
    """Channels of the image and of each feature map of a generator that reads it; shapes alone are computed."""
    if not hasattr(network, "features"):
        raise RecipeError(f"generator {type(network).__name__} offers no features; choose another, such as resnet")
    stride = int(cast("Any", network).stride)
    side = multiple(max(16, 2 * stride), stride)
    probe = copy.deepcopy(network).to("meta").eval()
    maps = cast("Any", probe).features(torch.empty(1, channels, side, side, device="meta"))
    return [channels, *(int(m.shape[1]) for m in maps)]


def _chosen(layers: Sequence[int] | None, count: int) -> list[int]:
    """The maps to compare: those named, or at most five from the finest to the deepest."""
    if layers is None:
        return torch.linspace(0, count - 1, min(count, _MOST)).round().int().tolist()
    wrong = next((n for n in layers if n >= count), None)
    if wrong is not None or not layers:
        raise RecipeError(f"got layer {wrong} of {count} maps; expected some of 0 to {count - 1}; set layers")
    return list(layers)


def _head(inputs: int, width: int) -> nn.Sequential:
    head = nn.Sequential(nn.Linear(inputs, width), nn.ReLU(), nn.Linear(width, width))
    for layer in head:
        if isinstance(layer, nn.Linear):
            nn.init.normal_(layer.weight, 0.0, 0.02)
            nn.init.zeros_(layer.bias)
    return head


class PatchNCE(nn.Module):
    """Features of G(a) against those of a, read by G's own encoder and projected by perceptrons that learn too."""

    def __init__(
        self, layers: Sequence[int] | None, patches: int, temperature: float, width: int, identity: bool, flip: bool
    ) -> None:
        super().__init__()
        self.layers, self.patches, self.temperature, self.width = layers, patches, temperature, width
        self.identity, self.flip = identity, flip
        self.chosen: list[int] = []
        self.heads = nn.ModuleList()

    def meet(self, networks: Mapping[Direction, nn.Module], source: Domain, target: Domain) -> None:
        """Make a head for each map of the forward generator."""
        if source.channels != target.channels:
            raise RecipeError(
                f"got {source.channels} channels in the source and {target.channels} in the target; expected as many, "
                f"since one encoder reads both; leave it out, or choose method c2gan"
            )
        widths = _widths(networks["a2b"], source.channels)
        self.chosen = _chosen(self.layers, len(widths))
        self.heads = nn.ModuleList(_head(widths[n], self.width) for n in self.chosen)

    def forward(self, cycle: Cycle) -> Tensor:
        """The mean over all maps and, with identity, over a against G(a) and b against G(b)."""
        if not self.chosen:
            raise RecipeError("got a method that shows it no generator; expected one that does, such as cut")
        loss = self._between(cycle, cycle.real_a, cycle.fake_b)
        if self.identity:
            loss = 0.5 * (loss + self._between(cycle, cycle.real_b, cycle.identity("b")))
        return loss

    def _between(self, cycle: Cycle, given: Tensor, made: Tensor) -> Tensor:
        """The loss between one batch of inputs and its outputs; keys stay as they are (Park et al. 2020, Sec. 3)."""
        with torch.no_grad():
            keys = self._maps(cycle, given, self.flip and bool(torch.rand(()) < 0.5))
        queries = self._maps(cycle, made)
        terms = [self._at_one_scale(*both) for both in zip(self.heads, queries, keys, strict=True)]
        return torch.stack(terms).mean()

    def _maps(self, cycle: Cycle, picture: Tensor, mirrored: bool = False) -> list[Tensor]:
        """The chosen maps of a picture, or of its mirror image, mirrored back."""
        seen = picture.flip(3) if mirrored else picture
        maps = [seen, *cycle.features("a", seen)]
        return [maps[n].flip(3) if mirrored else maps[n] for n in self.chosen]

    def _at_one_scale(self, head: nn.Module, queries: Tensor, keys: Tensor) -> Tensor:
        places = torch.randperm(queries.shape[2] * queries.shape[3], device=queries.device)[: self.patches]
        with torch.autocast(queries.device.type, enabled=False):  # similarities over 0.07 need more than 8 bits
            found = [F.normalize(head(m.float().flatten(2)[..., places].mT), dim=-1) for m in (queries, keys)]
            return contrast(found[0], found[1].detach(), self.temperature)


def patchnce(
    *,
    layers: tuple[Annotated[int, Field(ge=0)], ...] | None = None,
    patches: Count = 256,
    temperature: Annotated[float, Field(gt=0)] = 0.07,
    width: Count = 256,
    identity: bool = True,
    flip: bool = False,
) -> PatchNCE:
    """Patchwise contrastive loss of CUT (Park et al. 2020, Eq. 4): one-sided, for domains of equal channels.

    Args:
        layers: maps to compare: 0 is the image itself, then the generator's features, finest first; none: at most
            five, from the finest to the deepest.
        patches: places of each image that are told apart.
        temperature: the lower, the harder the negatives.
        width: of the heads, which project features before they are compared.
        identity: also G(b) against b, so that G leaves images of its own domain as they are (CUT; FastCUT does not).
        flip: half of the time compare with the features of the mirrored input, mirrored back (FastCUT).
    """
    return PatchNCE(layers, patches, temperature, width, identity, flip)

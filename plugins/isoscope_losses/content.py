"""What keeps content where it is: cycle consistency, saliency, identity."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from isoscope.errors import RecipeError
from isoscope.frames import REC601
from isoscope.saliency import smooth, soft_mask

if TYPE_CHECKING:
    from isoscope.cycle import Cycle
    from isoscope.domain import Domain

__all__ = ["cycle", "identity", "saliency"]


Sigma = Annotated[float, Field(ge=0)]
Factor = Annotated[int, Field(ge=1, le=32)]


def _blurred(x: Tensor, sigma: float) -> Tensor:
    return smooth(x, sigma) if sigma else x


@dataclass(frozen=True, slots=True)
class _Operator:
    """What of an image counts in a comparison: its luminance, blurred, at a coarser resolution; all linear."""

    luminance: bool
    blur: float
    factor: int

    def __call__(self, difference: Tensor, domain: Domain) -> Tensor:
        """Of a difference of images [N, C, H, W], network values."""
        x = _blurred(_grey(difference, domain) if self.luminance else difference, self.blur)
        return F.avg_pool2d(x, min(self.factor, *x.shape[2:])) if self.factor > 1 else x


def _grey(difference: Tensor, domain: Domain) -> Tensor:
    """The difference of luminances (Rec. 601 in grey values), as a part of the luminance's range."""
    if domain.channels != 3:
        raise RecipeError(
            f"cycle got luminance for {domain.channels} channels of the {domain.name}; expected RGB; leave it out"
        )
    # channels have limits of their own, so that equal network values are not equal grey values
    weights = difference.new_tensor([w * (high - low) for w, (low, high) in zip(REC601, domain.limits, strict=True)])
    return (difference * (weights / weights.sum())[:, None, None]).sum(1, keepdim=True)


Weight = Annotated[float, Field(ge=0)]
Error = Literal["absolute", "squared"]


def _size(difference: Tensor, error: Error) -> Tensor:
    return difference.square().mean() if error == "squared" else difference.abs().mean()


def cycle(
    *,
    weight_a: Weight = 1.0,
    weight_b: Weight = 1.0,
    blur_a: Sigma = 0.0,
    blur_b: Sigma = 0.0,
    decimation_a: Factor = 1,
    decimation_b: Factor = 1,
    luminance_a: bool = False,
    luminance_b: bool = False,
    error_a: Error = "absolute",
    error_b: Error = "absolute",
) -> Callable[[Cycle], Tensor]:
    """E|F(G(a)) - a| + E|G(F(b)) - b| (Li et al. 2019, Eq. 2): means, so weights hold for any patch and channels.

    Where many images of one domain belong to one of the other, its two images are compared after an operator that
    removes what cannot come back: noise, resolution or colour.

    Args:
        weight_a: of the cycle that begins with a; at 0 it is not computed.
        weight_b: of the cycle that begins with b, which with a known way back is training on synthetic pairs.
        blur_a: sigma in pixels of a Gaussian through which a and F(G(a)) are compared, where a holds noise that no
            G(a) should have to keep.
        blur_b: the same for b and G(F(b)).
        decimation_a: side of the squares of pixels whose means are compared, where a holds detail that G(a) has not.
        decimation_b: the same for b.
        luminance_a: compare only luminance, where a holds colours that G(a) has not; a must be RGB.
        luminance_b: the same for b.
        error_a: absolute as published, whose best answer to what cannot be known is the median; or squared, whose best
            answer is the mean. Squares of network values are small: give about ten times the weight.
        error_b: the same for b.
    """
    if not weight_a + weight_b:
        raise RecipeError(
            "loss 'cycle' got weight_a=0 and weight_b=0; expected one above 0; leave the loss out instead"
        )
    seen_a = _Operator(luminance_a, blur_a, decimation_a)
    seen_b = _Operator(luminance_b, blur_b, decimation_b)

    def loss(cycle: Cycle) -> Tensor:
        total = torch.zeros((), device=cycle.real_a.device)
        if weight_a:
            total = total + weight_a * _size(seen_a(cycle.rec_a - cycle.real_a, cycle.source), error_a)
        if weight_b:
            total = total + weight_b * _size(seen_b(cycle.rec_b - cycle.real_b, cycle.target), error_b)
        return total

    return loss


def saliency(*, slope: Annotated[float, Field(gt=0)] = 10.0, blur: Sigma = 0.0) -> Callable[[Cycle], Tensor]:
    """Content masks agree before and after each mapping (Li et al. 2019, Eq. 6), each by its own domain's threshold.

    Args:
        slope: steepness k of the soft mask per normalised unit; steep masks have no gradient far from the threshold.
        blur: sigma in pixels of a Gaussian before the masks are taken, so that noise is not held to be content.
    """

    def loss(cycle: Cycle) -> Tensor:
        a, b = cycle.source, cycle.target
        real_a, fake_b, real_b, fake_a = (
            _blurred(x, blur) for x in (cycle.real_a, cycle.fake_b, cycle.real_b, cycle.fake_a)
        )
        forward = soft_mask(real_a, a, slope) - soft_mask(fake_b, b, slope)
        backward = soft_mask(real_b, b, slope) - soft_mask(fake_a, a, slope)
        return forward.abs().mean() + backward.abs().mean()

    return loss


def identity() -> Callable[[Cycle], Tensor]:
    """E|G(b) - b| + E|F(a) - a| (Zhu et al. 2017); only for domains of equal channels."""

    def loss(cycle: Cycle) -> Tensor:
        ours = (cycle.identity("b") - cycle.real_b).abs().mean()
        return ours + (cycle.identity("a") - cycle.real_a).abs().mean()

    return loss

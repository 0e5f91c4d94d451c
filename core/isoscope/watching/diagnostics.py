"""What can be said of an output without its truth: whether content stayed content."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from isoscope.domain import Domain
from isoscope.saliency import content, smooth, threshold

__all__ = ["DOUBTFUL", "Agreement", "agreement", "kappa", "rank_correlation"]

DOUBTFUL = 0.3
"""Below this D1 or D2 deserves a look; both below zero mean an exchange of content and background."""

_SIGMA = 2.0


@dataclass(frozen=True, slots=True)
class Agreement:
    """How well an output keeps the content of its input, from -1 (exchanged with the background) to 1.

    Attributes:
        rank: D1, the median over patches of the rank correlation of both saliency maps, signed by both polarities.
        kappa: D2, Cohen's kappa of both content masks, over all patches together.
    """

    rank: float
    kappa: float

    @property
    def inverted(self) -> bool:
        """Content and background have changed places: both say so, since noise alone can push either below zero."""
        return self.rank < 0 and self.kappa < 0

    @property
    def doubtful(self) -> bool:
        """Either is low."""
        return min(self.rank, self.kappa) < DOUBTFUL


def agreement(real: Tensor, made: Tensor, inputs: Domain, outputs: Domain) -> Agreement:
    """D1 and D2 between images and what a generator made of them.

    Both maps are smoothed with a Gaussian of 2 px first, so that noise is not held to be content.

    Args:
        real: [N, C_in, H, W], network values.
        made: [N, C_out, h, w], network values; where the grids differ, the input's map is brought to the output's.
        inputs: the domain of `real`, whose polarity and threshold count.
        outputs: the domain of `made`.
    """
    before, after = _evidence(real, inputs), _evidence(made, outputs)
    if before.shape[2:] != after.shape[2:]:
        from torch.nn.functional import interpolate

        before = interpolate(before, after.shape[2:], mode="area")
    pairs = [(x.ravel(), y.ravel()) for x, y in zip(before.numpy(), after.numpy(), strict=True)]
    ranks = [rank_correlation(x, y) for x, y in pairs]
    known = [r for r in ranks if np.isfinite(r)]
    return Agreement(float(np.median(known)) if known else 0.0, kappa(before.numpy() > 0, after.numpy() > 0))


def _evidence(x: Tensor, domain: Domain) -> Tensor:
    """p_X (s_X' - t_X): positive where there is content, a map for each plane, on the CPU."""
    return domain.polarity * (smooth(content(x.detach().cpu(), domain), _SIGMA) - threshold(domain))


def rank_correlation(x: NDArray[Any], y: NDArray[Any]) -> float:
    """Spearman's rank correlation, equal values sharing their mean rank; NaN where either is constant."""
    from scipy.stats import spearmanr

    return float(spearmanr(x, y).statistic) if np.ptp(x) and np.ptp(y) else float("nan")


def kappa(x: NDArray[np.bool_], y: NDArray[np.bool_]) -> float:
    """Cohen's kappa (1960) of two masks: 1 equal, 0 as chance has it at any area, below 0 opposed.

    Where both masks are all content or all background there is nothing to agree on: 0.
    """
    by_chance = x.mean() * y.mean() + (1 - x.mean()) * (1 - y.mean())
    return float(((x == y).mean() - by_chance) / (1 - by_chance)) if by_chance < 1 else 0.0

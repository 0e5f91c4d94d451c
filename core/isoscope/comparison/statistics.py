"""How far a mean over few images and seeds can be trusted: a paired bootstrap."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["RESAMPLES", "Bootstrap"]

RESAMPLES = 10_000
_ENDS = (2.5, 97.5)

Interval = tuple[float, float]


class Bootstrap:
    """Percentile intervals at 95 % over test images and seeds, drawn with replacement (Efron 1979).

    Every arm is resampled alike: a difference between two arms is one of the same images and, where both were trained
    from as many seeds, of the same seeds.

    Args:
        images: how many.
        seeds: the most that an arm was trained from.
    """

    def __init__(self, images: int, seeds: int = 1) -> None:
        rng = np.random.default_rng(0)
        self.images = rng.multinomial(images, [1 / images] * images, RESAMPLES) / images
        self.seeds = rng.multinomial(seeds, [1 / seeds] * seeds, RESAMPLES) / seeds

    def means(self, scores: NDArray[Any]) -> NDArray[np.float64]:
        """The resampled means, [10000], of scores [seeds, images]; where seeds are missing, of their mean."""
        whole = len(scores) == self.seeds.shape[1]
        values = np.asarray(scores if whole else scores.mean(0, keepdims=True), np.float64)
        seeds = self.seeds if whole else np.ones((RESAMPLES, 1))
        means: NDArray[np.float64] = np.einsum("ns,si,ni->n", seeds, values, self.images)
        return means

    def interval(self, scores: NDArray[Any]) -> Interval | None:
        """Of the mean; none where a single image and seed leave nothing to resample, or a score is missing."""
        return _interval(self.means(scores)) if scores.size > 1 and np.isfinite(scores).all() else None

    def difference(self, scores: NDArray[Any], reference: NDArray[Any]) -> Interval | None:
        """Of the mean difference to another arm's scores."""
        both = max(scores.size, reference.size)
        if both < 2 or not (np.isfinite(scores).all() and np.isfinite(reference).all()):
            return None
        return _interval(self.means(scores) - self.means(reference))


def _interval(means: NDArray[np.float64]) -> Interval:
    low, high = np.percentile(means, _ENDS)
    return float(low), float(high)

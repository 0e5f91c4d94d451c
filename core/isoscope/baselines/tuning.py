"""The best parameters of a filter on pairs that are not the test."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np

from isoscope.errors import DataError
from isoscope.metrics import affine_fit
from isoscope.volume import ArrayVolume, Box, Volume

__all__ = ["tuned"]

T = TypeVar("T")
_PAIRS, _SIDE = 8, 256
"""Images, and pixels a side of their middle, that are tuned on: more hardly moves the optimum."""
_log = logging.getLogger(__name__)


def tuned(
    make: Callable[[Sequence[Volume], T], list[Volume]], candidates: Sequence[T],
    source: Sequence[Volume], target: Sequence[Volume],
) -> T:  # fmt: skip
    """The candidate that brings the source closest to the target: highest mean PSNR after an affine fit per channel.

    Looks at the middle, at most 256 px a side, of at most 8 pairs.

    Args:
        make: from images and a candidate to images.
        candidates: that are tried.
        source: images of pairs.
        target: what they should become, in the same order.

    Raises:
        DataError: if the pairs do not match.
    """
    if len(source) != len(target) or not source:
        raise DataError(f"got {len(source)} and {len(target)} images to tune on; expected pairs; give as many of each")
    every = -(-len(source) // _PAIRS)
    pairs = [(_middle(a), _middle(b)) for a, b in zip(source[::every], target[::every], strict=True)]
    scores = [_score(make([a for a, _ in pairs], candidate), [b for _, b in pairs]) for candidate in candidates]
    _log.info("tuned: %s", ", ".join(f"{c}: {s:.2f} dB" for c, s in zip(candidates, scores, strict=True)))
    return candidates[int(np.argmax(scores))]


def _middle(volume: Volume) -> Volume:
    """The middle of the middle plane of the first time point, in memory."""
    _, c, z, *size = volume.header.shape
    (y, x), (h, w) = ((n - min(n, _SIDE)) // 2 for n in size), (min(n, _SIDE) for n in size)
    box = Box((0, 0, z // 2, y, x), (1, c, z // 2 + 1, y + h, x + w))
    return ArrayVolume(volume.read(box))


def _score(made: Sequence[Volume], truths: Sequence[Volume]) -> float:
    """Mean over images of -10 log10 of the squared error: PSNR but for the range, which is the same for all."""
    return float(np.mean([_decibels(m, t) for m, t in zip(made, truths, strict=True)]))


def _decibels(made: Volume, truth: Volume) -> float:
    p, t = (v.read(Box.whole(v.header.shape)).astype(np.float64) for v in (made, truth))
    if p.shape != t.shape:
        raise DataError(f"got pairs of shapes {p.shape} and {t.shape} (TCZYX); expected equal ones to tune on")
    errors = []
    for c in range(t.shape[1]):
        slope, offset = affine_fit(p[:, c], t[:, c])
        errors.append(np.mean((slope * p[:, c] + offset - t[:, c]) ** 2))
    return float(-10 * np.log10(max(float(np.mean(errors)), 1e-30)))

"""Which objects of two label images are the same, and how many are not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isoscope.errors import DataError
from isoscope.metrics import connected

__all__ = ["LEAST", "matched_objects", "object_f1"]

LEAST = 0.5
"""Intersection over union from which two objects count as the same."""

Labels = NDArray[Any]


def matched_objects(prediction: Labels, truth: Labels, least: float = LEAST) -> tuple[int, int, int]:
    """How many objects are in both images, how many are predicted, and how many there are.

    Args:
        prediction: labels of a plane or z-stack.
        truth: of the same shape.
        least: intersection over union that a pair must have; each object is in one pair at most.
    """
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import maximum_bipartite_matching

    if prediction.shape != truth.shape:
        raise DataError(f"got a prediction of shape {prediction.shape}, expected the truth's {truth.shape}")
    (p, found), (t, real) = connected(prediction), connected(truth)
    pairs = coo_matrix((np.ones(p.size), (p.ravel(), t.ravel())), shape=(found + 1, real + 1)).tocsr()
    sizes_p, sizes_t = (np.bincount(labels.ravel(), minlength=n + 1) for labels, n in ((p, found), (t, real)))
    common = pairs[1:, 1:].tocoo()
    union = sizes_p[common.row + 1] + sizes_t[common.col + 1] - common.data
    same = common.data >= least * union
    graph = coo_matrix((same[same], (common.row[same], common.col[same])), shape=(found, real)).tocsr()
    match: Callable[..., Labels] = maximum_bipartite_matching
    return int((match(graph, perm_type="column") >= 0).sum()), found, real


def object_f1(prediction: Labels, truth: Labels, least: float = LEAST) -> float:
    """Twice the matched objects over all predicted and all true ones, in [0, 1]; NaN where there is none at all."""
    matched, found, real = matched_objects(prediction, truth, least)
    return 2 * matched / (found + real) if found + real else float("nan")

"""What filters and look-up tables make of images: whatever was learned has to beat it.

Each function takes volumes and gives volumes of float32 grey values, neither clipped nor rounded; a plane is computed
when it is read, so that no more than one is in memory.
"""

from __future__ import annotations

from isoscope.baselines.colours import luminance_table, matched_histograms, mean_tint, stained_like
from isoscope.baselines.filters import gaussian, non_local_means, richardson_lucy
from isoscope.baselines.offers import Baseline, offers
from isoscope.baselines.planewise import as_read
from isoscope.baselines.stacks import linear_map, texture_table
from isoscope.baselines.tuning import tuned

__all__ = [
    "Baseline", "as_read", "gaussian", "linear_map", "luminance_table", "matched_histograms", "mean_tint",
    "non_local_means", "offers", "richardson_lucy", "stained_like", "texture_table", "tuned",
]  # fmt: skip

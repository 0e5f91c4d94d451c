"""What became of a run: against the truth, and by everything that needs none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from inverting.fields import Fields
from inverting.realism import kid, spectral_distance, wasserstein
from isoscope.inference import load
from isoscope.intensity import Intensity
from isoscope.metrics import pearson, psnr
from isoscope.model import Model
from isoscope.saliency import soft_mask
from isoscope.volume import Box
from isoscope.watching.diagnostics import agreement

INVERTED, CORRECT = -0.3, 0.3
"""Mean Pearson correlation to the truth below and above which a run counts as such; FAILED in between."""


def verdict(correlation: float) -> str:
    """In one word."""
    return "INVERTED" if correlation < INVERTED else "CORRECT" if correlation > CORRECT else "FAILED"


def _tensor(images: list[Any]) -> torch.Tensor:
    return torch.from_numpy(np.stack(images).astype(np.float32))[:, None]


def score(run: Path, fields: Fields) -> dict[str, Any]:
    """Everything about a finished run."""
    forward, backward = (load(run, direction, device="cpu").model for direction in ("a2b", "b2a"))
    a, b = _tensor(fields.test), _tensor(fields.truth)
    made = [forward(x[None])[0] for x in a]
    there = torch.stack(made)
    correlations = [pearson(x.numpy(), y.numpy()) for x, y in zip(there, b, strict=True)]
    real_b = _tensor([v.read(Box.whole(v.header.shape))[0, 0, 0] for v in fields.target])
    c = float(np.mean(correlations))
    return {
        "pearson": c, "verdict": verdict(c), "pearson_each": correlations,
        "psnr": float(np.mean([psnr(x.numpy(), y.numpy(), 0.7) for x, y in zip(there, b, strict=True)])),
        **_cycles(forward, backward, a, b, there), **_content(forward, a, there),
        "w1": wasserstein(there, real_b), "spectrum": spectral_distance(there, real_b),
        "kid": kid(there, real_b), "kid_floor": kid(real_b[::2], real_b[1::2]),
    }  # fmt: skip


def _cycles(forward: Model, backward: Model, a: torch.Tensor, b: torch.Tensor, there: torch.Tensor) -> dict[str, float]:
    """Mean |F(G(a)) - a| and |G(F(b)) - b| on the scale of the networks."""
    scale = 2.0  # limits 0.05 and 0.95 are -0.9 and 0.9
    back_a = torch.stack([backward(x[None])[0] for x in there])
    back_b = torch.stack([forward(backward(x[None]))[0] for x in b])
    one, other = (float((x - y).abs().mean()) * scale for x, y in ((back_a, a), (back_b, b)))
    return {"cycle_a": one, "cycle_b": other, "cycle": (one + other) / 2}


def _content(forward: Model, a: torch.Tensor, there: torch.Tensor) -> dict[str, float]:
    """L_cons of a, D1 and D2, by the declared polarities and thresholds."""
    real = Intensity(forward.inputs.limits).normalise(a)
    fake = Intensity(forward.outputs.limits).normalise(there)
    masks = soft_mask(real, forward.inputs, 10.0) - soft_mask(fake, forward.outputs, 10.0)
    found = agreement(real, fake, forward.inputs, forward.outputs)
    return {"saliency": float(masks.abs().mean()), "d1": found.rank, "d2": found.kappa}

"""Look at a whole image set and say what it is: intensity limits, content threshold, polarity, foreground."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from isoscope.domain import Domain
from isoscope.errors import DataError, RecipeError
from isoscope.frames import Frames, Planes, sampled
from isoscope.preparation.prepared import prepared
from isoscope.preparation.settling import measured
from isoscope.recipe import DomainRecipe
from isoscope.saliency import content, grey_threshold, smooth, threshold
from isoscope.volume import Volume

__all__ = ["check_alike", "polarity_of", "survey"]

_SIGMA = 1.5
_SKEWNESS = 0.4
_VARIANCE_RATIO = 1.5


def check_alike(volumes: Sequence[Volume], side: str, planes: Planes = "xy") -> None:
    """Refuse a set whose images differ in channels or type (or depth, where planes are channels)."""
    first = volumes[0].header
    for v in volumes:
        h = v.header
        if (h.shape[1], h.dtype) != (first.shape[1], first.dtype):
            raise DataError(
                f"{side}: {h.name} has {h.shape[1]} channels of {h.dtype}, but {first.name} has {first.shape[1]} of "
                f"{first.dtype}; give images of one kind"
            )
        if planes == "stack" and h.shape[2] != first.shape[2]:
            raise DataError(
                f"{side}: {h.name} has {h.shape[2]} planes, but {first.name} has {first.shape[2]}; "
                f"give stacks of one depth, or set output.planes=xy"
            )


def _limits(
    samples: list[NDArray[Any]], recipe: DomainRecipe, side: str, planes: int
) -> tuple[tuple[float, float], ...]:
    """Data-set percentiles per channel, the same for its planes; a constant channel has none."""
    channels = len(samples[0]) // planes
    found = recipe.limits if recipe.limits is not None else _percentiles(samples, recipe, side, planes)
    if len(found) != channels:
        raise RecipeError(f"{side}.limits has {len(found)} entries; expected one per channel, {channels}")
    return tuple(pair for pair in found for _ in range(planes))


def _percentiles(
    samples: list[NDArray[Any]], recipe: DomainRecipe, side: str, planes: int
) -> tuple[tuple[float, float], ...]:
    out = []
    for c in range(len(samples[0]) // planes):
        values = np.concatenate([s[c * planes : (c + 1) * planes].ravel() for s in samples])
        low, high = (float(v) for v in np.percentile(values, recipe.percentiles))
        if high <= low:
            low, high = float(values.min()), float(values.max())
        if high <= low:
            raise DataError(
                f"{side}: channel {c} is constant ({low:g}); expected images with contrast; remove the empty ones, "
                f"or set {side}.limits"
            )
        out.append((low, high))
    return tuple(out)


def polarity_of(values: NDArray[Any], cut: float) -> Literal[-1, 0, 1]:
    """+1 if content is bright, -1 if dark, 0 if it cannot be told: never a guess at half foreground.

    Content is the long tail of the histogram, and varies more than background. Both must agree.
    """
    spread = float(values.std())
    skewness = float((((values - values.mean()) / spread) ** 3).mean()) if spread > 0 else 0.0
    above, below = values[values > cut], values[values <= cut]
    if abs(skewness) < _SKEWNESS or not above.size or not below.size:
        return 0
    tail, bulk = (above, below) if skewness > 0 else (below, above)
    if float(tail.var()) < _VARIANCE_RATIO * float(bulk.var()):
        return 0
    return 1 if skewness > 0 else -1


def _maps(samples: list[NDArray[Any]], domain: Domain) -> NDArray[Any]:
    """The smoothed saliency map over all samples, flattened."""
    from isoscope.intensity import Intensity

    intensity = Intensity(domain.limits)
    parts = []
    for s in samples:
        x = intensity.normalise(torch.from_numpy(s.astype(np.float32)))[None]
        parts.append(smooth(content(x, domain), _SIGMA).numpy().ravel())
    return np.concatenate(parts)


def _otsu(values: NDArray[Any]) -> float:
    from skimage.filters import threshold_otsu

    return float(threshold_otsu(values)) if values.max() > values.min() else float(values[0])  # type: ignore[no-untyped-call]


def _signed(recipe: DomainRecipe, values: NDArray[Any], cut: float) -> Literal[-1, 0, 1]:
    if recipe.polarity != "auto":
        return 1 if recipe.polarity == "bright" else -1
    return polarity_of(values, cut)


def survey(
    volumes: Sequence[Volume],
    recipe: DomainRecipe,
    side: str,
    planes: Planes = "xy",
    *,
    strict: bool = False,
    context: int = 0,
) -> Domain:
    """Measure one domain over a seeded sample of the whole set, with what the recipe declares taken as given.

    Args:
        volumes: all images of the domain.
        recipe: declared preparation, which comes before all measuring, limits, threshold, polarity.
        side: "source" or "target", for messages.
        planes: how frames are cut from volumes.
        strict: refuse an undetermined polarity instead of reporting 0.
        context: neighbouring planes that are channels too, on each side.

    Raises:
        DataError: for constant images, NaN, or images that are not of one kind.
        RecipeError: if `strict` and the polarity can neither be told nor is declared.
    """
    check_alike(volumes, side, planes)
    ready = prepared(volumes, measured(volumes, recipe.prepare))
    header = ready[0].header
    if context and (header.shape[2] == 1 or header.rgb):
        got = "pictures in colour" if header.rgb else "single planes"
        raise RecipeError(f"output.context={context} got {got} as {side}; expected grey volumes; set it to 0")
    frames = [Frames(v, planes, recipe.grey, context) for v in ready]
    samples = list(sampled(frames, seed=0))
    limits = _limits(samples, recipe, side, 2 * context + 1)
    channels = len(limits) // (2 * context + 1)
    if recipe.saliency == "channel" and recipe.saliency_channel >= channels:
        raise RecipeError(
            f"{side}.saliency_channel is {recipe.saliency_channel}; expected one of the {channels} channels, from 0"
        )
    domain = Domain(
        name=side,
        channels=frames[0].channels,
        channel_names=header.channels if planes == "xy" and not recipe.grey else (),
        depth=header.shape[2],
        context=context,
        dtype=str(volumes[0].header.dtype),
        rgb=header.rgb and not recipe.grey,
        limits=limits,
        saliency=recipe.saliency,
        saliency_channel=recipe.saliency_channel,
        pixel_size=header.pixel_size,
        unit=header.unit,
    )
    values = _maps(samples, domain)
    declared = domain.model_copy(update={"threshold": recipe.threshold or 0.0})
    cut = _otsu(values) if recipe.threshold is None else threshold(declared)
    sign = _signed(recipe, values, cut)
    if strict and sign == 0:
        raise RecipeError(
            f"{side}: cannot tell whether content is bright or dark (the histogram is nearly symmetric); "
            f"say so with --set {side}.polarity=bright or =dark"
        )
    fraction = float((values > cut).mean())
    return domain.model_copy(
        update={
            # what was declared is not sent there and back: rounding would move it with every repetition
            "threshold": grey_threshold(cut, domain) if recipe.threshold is None else recipe.threshold,
            "polarity": sign,
            "foreground": 1 - fraction if sign < 0 else fraction,
        }
    )

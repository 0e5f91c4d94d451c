"""Which baselines make sense for two image sets, and with which parameters."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from isoscope.baselines.colours import luminance_table, matched_histograms, stained_like
from isoscope.baselines.filters import gaussian, non_local_means, richardson_lucy
from isoscope.baselines.planewise import as_read
from isoscope.baselines.stacks import linear_map, texture_table
from isoscope.baselines.tuning import tuned
from isoscope.frames import Frames, Planes, sampled
from isoscope.preparation.stain import Method
from isoscope.spectra import blur_between
from isoscope.volume import Volume

__all__ = ["Baseline", "offers"]

_SIGMAS = (0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0)
_STRENGTHS = (0.4, 0.6, 0.8, 1.0, 1.5, 2.0, 3.0)
_ITERATIONS = (2, 5, 10, 20)
_LEAST_BLUR = 0.3
"""Pixels of sigma below which there is nothing to deconvolve."""

_BRIGHT_FIELD = (np.uint8, np.uint16)
"""Types whose largest value is white, as stains are measured by."""

Pairs = tuple[Sequence[Volume], Sequence[Volume]]
Parameters = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Baseline:
    """A baseline with its parameters settled.

    Attributes:
        apply: from images to images.
        parameters: of the function, in pixels and grey values.
        note: where they come from, in words.
    """

    apply: Callable[[Sequence[Volume]], list[Volume]]
    parameters: Parameters = field(default_factory=dict)
    note: str = ""


def offers(
    source: Sequence[Volume], target: Sequence[Volume], pairs: Pairs | None = None, *, grey: bool = False,
    planes: Planes = "xy",
) -> dict[str, Callable[[], Baseline]]:  # fmt: skip
    """The baselines that fit, by name; each is tuned or measured only when it is called.

    Args:
        source: images of domain A.
        target: images of domain B.
        pairs: images of A and B, paired by position, to tune filters on; never those of the test. None: filters run
            with their defaults, and say so.
        grey: images of A are RGB that is read as luminance.
        planes: how models read images of A; of a stack as channels no filter makes a picture.
    """
    sets = _Sets(source, target, pairs, grey)
    if planes == "stack":
        return sets.of_stacks()
    inputs, outputs = 1 if grey else source[0].header.shape[1], target[0].header.shape[1]
    rgb = target[0].header.rgb and outputs == 3
    found: dict[str, Callable[[], Baseline]] = {}
    if inputs in (1, outputs):
        found["input"] = lambda: Baseline(partial(as_read, channels=outputs, grey=grey))
    if inputs == outputs:
        found |= {"Gaussian": sets.gaussian, "non-local means": sets.non_local_means}
        found["Richardson-Lucy"] = sets.richardson_lucy
    if inputs in (1, outputs):
        found["histogram matching"] = sets.histogram_matching
    if rgb and inputs == 1:
        found["luminance table"] = sets.luminance_table
    if rgb and inputs == 3 and all(v[0].header.rgb and v[0].header.dtype in _BRIGHT_FIELD for v in (source, target)):
        found |= {name.capitalize(): partial(sets.stain, name) for name in get_args(Method)}
    return found


@dataclass(frozen=True, slots=True)
class _Sets:
    """The image sets that baselines are measured and tuned on."""

    source: Sequence[Volume]
    target: Sequence[Volume]
    pairs: Pairs | None
    grey: bool

    def of_stacks(self) -> dict[str, Callable[[], Baseline]]:
        table = partial(texture_table, source=self.source, target=self.target)
        found = {"texture table": lambda: Baseline(table, note="by rank, of the two sets")}
        if self.pairs is not None:
            fitted = partial(linear_map, pairs=self.pairs)
            found["linear map"] = lambda: Baseline(fitted, note="least squares on the pairs")
        return found

    def gaussian(self) -> Baseline:
        return self._settled(gaussian, [{"sigma": s} for s in _SIGMAS], {"sigma": 1.0})

    def non_local_means(self) -> Baseline:
        return self._settled(non_local_means, [{"strength": s} for s in _STRENGTHS], {"strength": 0.8})

    def richardson_lucy(self) -> Baseline:
        images = self._seen(self.source)
        measured = round(blur_between(_squares(self.target), _squares(images)), 2)
        sigma = max(measured, _LEAST_BLUR)
        candidates = [{"sigma": s, "iterations": n} for s in sorted({1.0, 2.0, 3.0, sigma}) for n in _ITERATIONS]
        make = partial(richardson_lucy, black=_black(images))
        found = self._settled(make, candidates, {"sigma": sigma, "iterations": 10})
        return replace(found, note=f"{found.note}; sigma by the two sets' spectra: {measured:g}")

    def histogram_matching(self) -> Baseline:
        apply = partial(matched_histograms, source=self.source, target=self.target, grey=self.grey)
        return Baseline(apply, note="to the target set")

    def luminance_table(self) -> Baseline:
        return Baseline(partial(luminance_table, target=self.target, grey=self.grey), note="of the target set")

    def stain(self, method: Method) -> Baseline:
        apply = partial(stained_like, target=self.target, method=method)
        return Baseline(apply, note="stain of the target's median image")

    def _seen(self, volumes: Sequence[Volume]) -> list[Volume]:
        return as_read(volumes, grey=True) if self.grey else list(volumes)

    def _settled(
        self, make: Callable[..., list[Volume]], candidates: Sequence[Parameters], default: Parameters
    ) -> Baseline:
        """A filter with the best of the candidates, or its default where there are no pairs to tune it on."""
        parameters, note = default, "default, without pairs to tune on"
        if self.pairs is not None:
            images, truths = self._seen(self.pairs[0]), self.pairs[1]
            parameters = tuned(lambda volumes, p: make(volumes, **p), candidates, images, truths)
            note = f"tuned on {len(truths)} pairs"
        return Baseline(lambda volumes: make(self._seen(volumes), **parameters), parameters, note)


def _squares(volumes: Sequence[Volume]) -> NDArray[np.float64]:
    """Equal patches of a set, [N, H, W]."""
    samples = [s.mean(0, dtype=np.float64) for s in sampled([Frames(v) for v in volumes], seed=0)]
    height, width = (min(s.shape[axis] for s in samples) for axis in (0, 1))
    return np.stack([s[:height, :width] for s in samples])


def _black(volumes: Sequence[Volume]) -> float:
    """A low percentile of the set's grey values."""
    return float(np.percentile(np.concatenate([s.ravel() for s in sampled([Frames(v) for v in volumes], seed=0)]), 0.1))

"""What can be said of an image by looking at samples of it: the same time for a small one and for terabytes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from isoscope.errors import IsoscopeError
from isoscope_terminal.suits import suits

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from isoscope.reading import ReadOptions
    from isoscope.volume import Volume

__all__ = ["levels", "measured", "stated"]

_QUANTILES = (0.0, 0.01, 0.5, 0.99, 1.0)
_TAILS = (0.001, 0.999)
_BOXES, _SIDE, _BINS = 32, 512, 64


def stated(volume: Volume) -> dict[str, Any]:
    """What the file says of itself; no pixel is read."""
    h = volume.header
    return {
        "name": h.name, "shape": list(h.shape), "axes": h.axes, "dtype": str(h.dtype),
        "pixel_size_zyx": list(h.pixel_size) if h.pixel_size else None, "unit": h.unit if h.pixel_size else None,
        "channels": list(h.channels), "rgb": h.rgb, **_layout(volume),
    }  # fmt: skip


def _layout(volume: Volume) -> dict[str, Any]:
    """Chunks and shards (TCZYX), of volumes that know them."""
    from isoscope.volume import layout_of

    layout = layout_of(volume)
    return {
        "chunk": list(layout.chunk) if layout is not None else None,
        "shard": list(layout.shard) if layout is not None else None,
    }


def levels(path: Path, options: ReadOptions) -> list[list[int]]:
    """The shape of each level of a pyramid, the asked-for series of it, as the store opens them."""
    from isoscope import overviews
    from isoscope.address import Address

    pyramid = overviews.levels(Address(path, replace(options, level=0)))
    return [list(volume.header.shape) for volume in pyramid]


def measured(volumes: Sequence[Volume]) -> dict[str, Any]:
    """Grey values, content and what the tasks would make of it, over samples of one image or of a set."""
    return {**_grey_values(_channels(volumes)), **_content(volumes)}


def _channels(volumes: Sequence[Volume]) -> list[NDArray[Any]]:
    """The values of each channel over all tiles of all images, or over a seeded sample of many."""
    import numpy as np

    ends = np.cumsum([_tiles(volume) for volume in volumes])
    total = int(ends[-1])
    drawn = np.arange(total) if total <= _BOXES else np.unique(np.random.default_rng(0).integers(total, size=_BOXES))
    owners = np.searchsorted(ends, drawn, side="right")
    boxes = [_tile(volumes[v], int(n) - (int(ends[v - 1]) if v else 0)) for n, v in zip(drawn, owners, strict=True)]
    return [np.concatenate([box[c].ravel() for box in boxes]) for c in range(len(boxes[0]))]


def _grid(volume: Volume) -> tuple[int, int, int, int]:
    t, _, z, y, x = volume.header.shape
    return t, z, -(-y // _SIDE), -(-x // _SIDE)


def _tiles(volume: Volume) -> int:
    return math.prod(_grid(volume))


def _tile(volume: Volume, number: int) -> NDArray[Any]:
    """One tile of one plane with all its channels, [C, h, w]."""
    import numpy as np

    from isoscope.volume import Box

    _, c, _, height, width = volume.header.shape
    t, z, row, column = (int(n) for n in np.unravel_index(number, _grid(volume)))
    y, x = row * _SIDE, column * _SIDE
    stop = (t + 1, c, z + 1, min(y + _SIDE, height), min(x + _SIDE, width))
    return volume.read(Box((t, 0, z, y, x), stop))[0, :, 0]


def _grey_values(channels: Sequence[NDArray[Any]]) -> dict[str, Any]:
    """Quantiles and histogram per channel, and the fraction of values that are no numbers."""
    import numpy as np

    finite = [values[np.isfinite(values)].astype(np.float64) for values in channels]
    whole = channels[0].dtype.kind in "iu"
    found = [np.quantile(v, _QUANTILES).tolist() if v.size else [None] * len(_QUANTILES) for v in finite]
    return {
        "quantiles": {f"{q:g}": list(values) for q, values in zip(_QUANTILES, zip(*found, strict=True), strict=True)},
        "histograms": [_histogram(values, whole) for values in finite],
        "not_finite": 1 - sum(map(len, finite)) / sum(map(len, channels)),
    }


def _histogram(values: NDArray[np.float64], whole: bool) -> dict[str, Any] | None:
    """Counts between the outermost thousandths; what lies beyond is counted in the end bins.

    Bins of whole numbers hold equally many each, or the picture would show a comb that is not in the image.
    """
    import numpy as np

    if not values.size:
        return None
    low, high = (float(q) for q in np.quantile(values, _TAILS))
    high = high if high > low else low + 1.0
    bins = _BINS
    if whole:
        low, width = math.floor(low), max(1, math.ceil((high - low) / _BINS))
        bins = math.ceil((high - low + 1) / width)
        high = low + bins * width
    counts, _ = np.histogram(np.clip(values, low, high), bins, (low, high))
    return {"low": low, "high": high, "counts": counts.tolist()}


def _content(volumes: Sequence[Volume]) -> dict[str, Any]:
    """Foreground fraction, threshold and polarity as training would see them; nothing where they cannot be told."""
    from isoscope.recipe import DomainRecipe
    from isoscope.survey import survey

    try:
        domain = survey(volumes, DomainRecipe(), volumes[0].header.name)
    except IsoscopeError as error:
        return {"foreground": None, "threshold": None, "polarity": None, "note": str(error), "tasks": {}}
    polarity = {1: "bright", -1: "dark", 0: "undetermined"}[domain.polarity]
    return {
        "foreground": domain.foreground, "threshold": domain.threshold, "polarity": polarity, "note": None,
        "tasks": suits(domain),
    }  # fmt: skip

"""`isoscope info`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from isoscope.errors import IsoscopeError
from isoscope_terminal import options
from isoscope_terminal.voice import Voice

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from isoscope.volume import Volume

__all__ = ["info"]

_QUANTILES = (0.0, 0.01, 0.5, 0.99, 1.0)
_BOXES = 16
_SIDE = 512


def info(
    path: Annotated[str, typer.Argument(help="A file, a store, a folder or a quoted glob.")],
    as_json: options.Json = False,
) -> None:
    """Say what images are: size, axes, type, pixel size, channels, grey values and how much of them is content."""
    from isoscope.sources import open_all

    facts = [_facts(volume) for volume in open_all(path)]
    if as_json:
        Voice(as_json).deliver({"images": facts})
    else:
        Voice().say("\n\n".join(_page(f) for f in facts))


def _facts(volume: Volume) -> dict[str, Any]:
    h = volume.header
    return {
        "name": h.name, "shape": list(h.shape), "axes": h.axes, "dtype": str(h.dtype),
        "pixel_size_zyx": list(h.pixel_size) if h.pixel_size else None, "unit": h.unit if h.pixel_size else None,
        "channels": list(h.channels),
        "rgb": h.rgb, **_grey_values(volume), **_content(volume),
    }  # fmt: skip


def _boxes(volume: Volume) -> list[NDArray[Any]]:
    """A seeded sample of the volume, each [C, h, w]."""
    import numpy as np

    from isoscope.volume import Box

    t, c, z, *size = volume.header.shape
    rng, boxes = np.random.default_rng(0), []
    for index in rng.permutation(t * z)[:_BOXES]:
        i, k = divmod(int(index), z)
        y, x = (int(rng.integers(0, max(1, n - _SIDE + 1))) for n in size)
        stop = (i + 1, c, k + 1, min(y + _SIDE, size[0]), min(x + _SIDE, size[1]))
        boxes.append(volume.read(Box((i, 0, k, y, x), stop))[0, :, 0])
    return boxes


def _grey_values(volume: Volume) -> dict[str, Any]:
    """Quantiles per channel over the sample, and the fraction of values that are no numbers."""
    import numpy as np

    boxes = _boxes(volume)
    channels = [np.concatenate([box[c].ravel() for box in boxes]) for c in range(len(boxes[0]))]
    finite = [values[np.isfinite(values)] for values in channels]
    return {
        "quantiles": {f"{q:g}": [_quantile(values, q) for values in finite] for q in _QUANTILES},
        "not_finite": 1 - sum(map(len, finite)) / sum(map(len, channels)),
    }


def _quantile(values: NDArray[np.generic], q: float) -> float | None:
    import numpy as np

    return float(np.quantile(values.astype(np.float64), q)) if values.size else None


def _content(volume: Volume) -> dict[str, Any]:
    """Foreground fraction, threshold and polarity as training would see them; nothing where they cannot be told."""
    from isoscope.recipe import DomainRecipe
    from isoscope.survey import survey

    try:
        domain = survey([volume], DomainRecipe(), volume.header.name)
    except IsoscopeError as error:
        return {"foreground": None, "threshold": None, "polarity": None, "note": str(error)}
    polarity = {1: "bright", -1: "dark", 0: "undetermined"}[domain.polarity]
    return {"foreground": domain.foreground, "threshold": domain.threshold, "polarity": polarity, "note": None}


_LABELS = {
    "shape": "shape (TCZYX)", "axes": "axes in the file", "dtype": "type", "pixel_size_zyx": "pixel size (z, y, x)",
    "unit": "unit", "channels": "channels", "rgb": "RGB", "not_finite": "NaN or infinite",
    "foreground": "content, fraction", "threshold": "content, threshold", "polarity": "content is", "note": "note",
}  # fmt: skip


def _page(facts: dict[str, Any]) -> str:
    """One image, a fact per line; what is not known is left out."""
    lines = [facts["name"]]
    lines += [f"  {label:22}{_said(facts[key])}" for key, label in _LABELS.items() if facts[key] not in (None, [])]
    for q, values in facts["quantiles"].items():
        lines.append(f"  {f'{float(q):.0%} of values up to':22}{_said(values)}")
    return "\n".join(lines)


def _said(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(_said, value))
    return "-" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)

"""Find the tiles of a slide that hold no tissue, and what the network makes of their grey value."""

from __future__ import annotations

import logging
import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from isoscope import kinds, overviews
from isoscope.errors import DataError
from isoscope.frames import Frames
from isoscope.inference.blank import Blank, Key, key_of
from isoscope.inference.fitting import frames_of
from isoscope.inference.planning import Plan
from isoscope.model import Model
from isoscope.normalisation import layers
from isoscope.parameters import build
from isoscope.tiling import Tile, multiple, padded_size
from isoscope.tissue import tissue
from isoscope.volume import ArrayVolume, Volume
from isoscope.writing.fingerprint import digest

__all__ = ["skipping"]

_log = logging.getLogger(__name__)

_FINEST, _CELLS = 8, 2048
"""Least side of a cell of the overview in pixels, and most cells along a side."""
_FLAT = 0.05
"""A tile is flat if no cell is further from its median than this part of the contrast between tissue and background."""
_TOLD = 16
Floats = NDArray[np.float64]
Colour = tuple[float, ...]
"""Grey values of the input: its channels, each with the planes that the network reads together."""


@dataclass(frozen=True, slots=True, eq=False)
class _Overview:
    """One frame in few pixels: grey values [channels x planes, h, w], what may be tissue, what still counts as flat."""

    values: Floats
    mask: NDArray[np.bool_]
    tolerance: float


def skipping(plan: Plan, model: Model, volume: Volume) -> Plan:
    """The plan without the tiles that see no tissue, halo included, and are flat; the same where none is.

    Each is filled with what the network makes of a plane of the tile's own grey value, measured in the input: glass
    and unscanned parts of a slide differ. Everything is a function of input, model and plan, so that resuming holds.

    Args:
        plan: from `plan`.
        model: the same model.
        volume: the same volume; an overview of it is read, from its pyramid where `plan.source` has one.

    Raises:
        DataError: if the network cannot see such a tile by itself, or nobody knows whether its content is bright.
    """
    _check(model, volume)
    step = max(_FINEST, math.ceil(max(plan.grid.size) / _CELLS))
    frames = frames_of(model, volume)
    pyramid = overviews.levels(plan.source) if plan.source else [volume]
    colours: dict[Key, Colour] = {}
    areas: Counter[bool] = Counter()
    for frame in range(len(frames)):
        seen = _overview(pyramid, frames, frame, step, model)
        for tile in _tiles(plan, frame):
            found = None if seen is None else _colour(seen, tile, step, volume.header.dtype)
            areas[found is not None] += math.prod(span.stop - span.start for span in tile.write)
            if found is not None:
                colours[key_of(frame, tile)] = found
    if not colours:
        _log.warning("%s: no tile is flat background; all are computed", frames.name)
        return plan
    return _without(plan, colours, _fills(model, volume, set(colours.values())), areas, step)


def _check(model: Model, volume: Volume) -> None:
    if model.reads.prepare.sides or model.reads.prepare.scale:
        raise DataError("got a model that resamples or turns what it reads; expected one of slides; compute all tiles")
    if model.halo is None or (model.normalisation != "frozen" and any(True for _ in layers(model.network))):
        raise DataError(
            f"got a network whose tiles depend on the whole plane ({model.normalisation} normalisation); expected one "
            f"with frozen statistics and a halo to skip background; compute all tiles"
        )
    if model.inputs.context:
        raise DataError("got a model of planes with their neighbours; expected one of slides; compute all tiles")
    if model.draw:
        raise DataError("got a model that draws noise, which flat tiles would lack; expected one without; compute all")
    if model.inputs.polarity == 0 and not volume.header.rgb:
        raise DataError(
            f"the model does not know whether content is bright or dark in its {model.inputs.name}; expected to, to "
            f"skip background; train with --set {model.inputs.name}.polarity=dark (or bright), or compute all tiles"
        )


def _overview(pyramid: list[Volume], frames: Frames, frame: int, step: int, model: Model) -> _Overview | None:
    """None where nothing can be told apart. Tissue in any plane that the network reads is tissue."""
    t, z = frames.places[frame]
    header = pyramid[0].header
    planes = range(header.shape[2]) if frames.planes == "stack" else [z]
    values = [overviews.overview(pyramid, (t, plane), step) for plane in planes]
    found = [tissue(v, rgb=header.rgb, polarity=model.inputs.polarity) for v in values]
    if not all(found):
        return None
    mask = np.logical_or.reduce([each.mask for each in found if each])
    together = np.stack(values, axis=1)
    contrast = min(each.contrast for each in found if each)
    return _Overview(together.reshape(-1, *together.shape[-2:]), mask, _FLAT * contrast)


def _tiles(plan: Plan, frame: int) -> Iterator[Tile]:
    make = build(kinds.tilings, plan.tiling)
    for job in plan.jobs:
        if job.frame == frame:
            yield from make(job.region, plan.grid)


def _colour(seen: _Overview, tile: Tile, step: int, dtype: np.dtype[Any]) -> Colour | None:
    """The median grey values of all that a tile sees; none if there may be tissue in it, or it is not flat."""
    ys, xs = (slice(span.start // step, -(-span.stop // step)) for span in tile.read)
    if seen.mask[ys, xs].any():
        return None
    cells = seen.values[:, ys, xs]
    median = np.median(cells, axis=(1, 2))
    if (np.abs(cells - median[:, None, None]) > seen.tolerance).any():
        return None
    return tuple((np.rint(median) if dtype.kind in "iu" else median).astype(dtype).tolist())


def _fills(model: Model, volume: Volume, colours: set[Colour]) -> dict[Colour, NDArray[np.float32]]:
    """The network's output in the middle of a plane of each colour, where no border is seen."""
    _, c, _, _, _ = volume.header.shape
    assert model.halo is not None
    side = padded_size(1, model.stride) + 2 * multiple(model.halo, model.stride)
    found = {}
    for colour in sorted(colours):
        planes = len(colour) // c
        values = np.asarray(colour, volume.header.dtype).reshape(1, c, planes, 1, 1)
        shape = (1, c, planes, side, side)
        constant = ArrayVolume(np.broadcast_to(values, shape), header=replace(volume.header, shape=shape))
        read = frames_of(model, constant).read(0, slice(0, side), slice(0, side))
        made = model(torch.from_numpy(np.ascontiguousarray(read, np.float32)))
        found[colour] = made[:, side // 2, side // 2].cpu().numpy()
    return found


def _without(
    plan: Plan,
    colours: Mapping[Key, Colour],
    fills: Mapping[Colour, NDArray[np.float32]],
    areas: Mapping[bool, int],
    step: int,
) -> Plan:
    """The plan that says of itself what it leaves out; what is filled in follows from that and the model."""
    counts = Counter(colours.values())
    facts = {
        "tiles": len(colours), "fraction": areas[True] / sum(areas.values()), "cell": step,
        "fills": [
            {"measured": list(colour), "filled": fills[colour].tolist(), "tiles": count}
            for colour, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:_TOLD]
        ],
    }  # fmt: skip
    named = digest(sorted([*key, *colour] for key, colour in colours.items()))
    attributes = {**plan.header.attributes, "background_skipped": facts}
    return replace(
        plan,
        header=replace(plan.header, attributes=attributes),
        blank=Blank({key: fills[colour] for key, colour in colours.items()}, facts),
        decides={**plan.decides, "background_skipped": named},
    )

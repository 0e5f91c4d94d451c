"""D0: do the two domains belong together? Asked before training, because no loss will tell later.

Generators move what one domain has more of into the other: Cohen et al. 2018 (arXiv 1805.08841) saw tumours added and
erased where only the class balance differed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray

from isoscope.domain import Domain
from isoscope.errors import DataError
from isoscope.frames import Frames, Planes
from isoscope.intensity import Intensity
from isoscope.quantity import micrometers
from isoscope.saliency import content, smooth, threshold
from isoscope.splits.fingerprint import pixel_hash
from isoscope.volume import Box, Volume

__all__ = ["Finding", "Level", "compare"]

Level = Literal["ok", "warn", "fail"]
_FOREGROUND, _PIXEL_SIZE, _DIAMETER = 2.0, 1.1, 2.0
_SAMPLES, _SIDE = 16, 256
_SIGMA = 1.5
_SMALLEST = 12
"""Pixels of an object; what is smaller is noise that the smoothing let through."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was compared.

    Attributes:
        id: such as "D0.foreground".
        level: "ok", "warn" or "fail".
        message: one line; for a warning or failure with the remedy.
        values: the numbers behind it.
    """

    id: str
    level: Level
    message: str
    values: dict[str, float] = field(default_factory=dict)


def compare(
    source_volumes: Sequence[Volume], target_volumes: Sequence[Volume], source: Domain, target: Domain
) -> list[Finding]:
    """Compare two domains: content, pixel size, objects, and images in both.

    Args:
        source_volumes: images of domain A; some boxes are read, and all of those that may be in both domains.
        target_volumes: images of domain B.
        source: domain A as surveyed.
        target: domain B as surveyed.

    Returns:
        One finding each, D0.foreground, D0.pixel_size, D0.objects and D0.shared.
    """
    return [
        _foreground(source, target),
        _pixel_size(source, target),
        _objects(_diameters(source_volumes, source), _diameters(target_volumes, target)),
        _shared(source_volumes, target_volumes),
    ]


def _ratio(a: float, b: float) -> float:
    """The larger over the smaller; large but finite where one is zero."""
    return max(a, b) / max(min(a, b), 1e-6)


def _foreground(source: Domain, target: Domain) -> Finding:
    a, b = source.foreground, target.foreground
    if not source.polarity or not target.polarity:
        return Finding("D0.foreground", "ok", "content fraction not compared: its polarity is not known")
    values = {"source": a, "target": b, "ratio": _ratio(a, b)}
    said = f"content covers {a:.1%} of the source, {b:.1%} of the target"
    if values["ratio"] <= _FOREGROUND:
        return Finding("D0.foreground", "ok", said, values)
    remedy = "content may be invented or erased; choose fields alike, crop the empty ones, or correct the thresholds"
    return Finding("D0.foreground", "warn", f"{said}; expected at most {_FOREGROUND:g} times as much; {remedy}", values)


def _pixel_size(source: Domain, target: Domain) -> Finding:
    a, b = (size and size[1:] for size in (micrometers(d.pixel_size, d.unit) for d in (source, target)))
    if a is None or b is None:
        missing = " and ".join(d.name for d, size in ((source, a), (target, b)) if size is None)
        return Finding("D0.pixel_size", "ok", f"pixel size not compared: no known unit states that of {missing}")
    values = {"source": a[1], "target": b[1], "ratio": max(_ratio(*pair) for pair in zip(a, b, strict=True))}
    said = f"pixels are {a[1]:g} µm wide in the source, {b[1]:g} µm in the target"
    if values["ratio"] <= _PIXEL_SIZE:
        return Finding("D0.pixel_size", "ok", said, values)
    remedy = "the network would have to change sizes; resample one set to the other's pixel size"
    return Finding("D0.pixel_size", "warn", f"{said}; expected at most {_PIXEL_SIZE - 1:.0%} apart; {remedy}", values)


def _objects(source: NDArray[np.float64], target: NDArray[np.float64]) -> Finding:
    if not source.size or not target.size:
        return Finding("D0.objects", "ok", "object size not compared: no objects stand out in one of the domains")
    a, b = float(np.median(source)), float(np.median(target))
    values = {
        "source": a, "target": b, "ratio": _ratio(a, b),
        "source_objects": float(source.size), "target_objects": float(target.size),
    }  # fmt: skip
    said = f"objects are {a:.1f} px across in the source, {b:.1f} px in the target (medians)"
    if values["ratio"] <= _DIAMETER:
        return Finding("D0.objects", "ok", said, values)
    remedy = "sizes may be changed where content should stay; check magnification and thresholds, or resample one set"
    return Finding("D0.objects", "warn", f"{said}; expected at most {_DIAMETER:g} times as large; {remedy}", values)


def _frames(volume: Volume, domain: Domain) -> Frames:
    """The volume's frames as the domain was surveyed: planes or stacks, colour or grey."""
    for planes in get_args(Planes):
        for grey in (False, True):
            frames = Frames(volume, planes, grey, domain.context)
            if frames.channels == domain.channels:
                return frames
    raise DataError(
        f"{volume.header.name} has {volume.header.shape[1]} channels; expected the {domain.channels} of {domain.name}; "
        f"survey these images"
    )


def _samples(volumes: Sequence[Volume], domain: Domain) -> Iterator[NDArray[np.float32]]:
    """Boxes of at most 256 px, spread over all images by a fixed seed."""
    rng = np.random.default_rng(0)
    frames = [_frames(volume, domain) for volume in volumes]
    for pick in np.resize(rng.permutation(len(frames)), _SAMPLES):
        own = frames[pick]
        y, x = (int(rng.integers(0, max(1, n - _SIDE + 1))) for n in own.size)
        ys, xs = slice(y, min(y + _SIDE, own.size[0])), slice(x, min(x + _SIDE, own.size[1]))
        yield own.read(int(rng.integers(len(own))), ys, xs).astype(np.float32)


def _mask(values: NDArray[np.float32], domain: Domain) -> NDArray[np.bool_]:
    """Content or not, smoothed as for the survey's fraction of content."""
    x = Intensity(domain.limits).normalise(torch.from_numpy(values))[None]
    signed = (domain.polarity or 1) * (smooth(content(x, domain), _SIGMA) - threshold(domain))
    mask: NDArray[np.bool_] = signed[0, domain.context].numpy() > 0  # of the plane itself
    return mask


def _diameters(volumes: Sequence[Volume], domain: Domain) -> NDArray[np.float64]:
    """Diameters, in pixels, of circles with the area of each connected piece of content in a sample."""
    from scipy import ndimage

    areas = []
    for values in _samples(volumes, domain):
        labels, _ = ndimage.label(_mask(values, domain))
        areas.append(np.bincount(labels.ravel())[1:])
    found = np.concatenate(areas)
    return np.sqrt(4 * found[found >= _SMALLEST] / np.pi)


def _look(volume: Volume) -> tuple[object, ...]:
    """What equal images share and unequal ones hardly do, without reading much."""
    header = volume.header
    _, c, _, y, x = header.shape
    corner = volume.read(Box((0, 0, 0, y // 2, x // 2), (1, c, 1, min(y, y // 2 + 64), min(x, x // 2 + 64))))
    return header.shape, header.dtype.str, corner.tobytes()


def _shared(source: Sequence[Volume], target: Sequence[Volume]) -> Finding:
    alike: dict[tuple[object, ...], tuple[list[Volume], list[Volume]]] = defaultdict(lambda: ([], []))
    for side, volumes in enumerate((source, target)):
        for volume in volumes:
            alike[_look(volume)][side].append(volume)
    twins = [pair for group in alike.values() if all(group) for pair in _twins(*group)]
    values = {"shared": float(len(twins))}
    if not twins:
        return Finding("D0.shared", "ok", "no image is in both domains", values)
    (a, b), *others = twins
    more = f", and {len(others)} more" if others else ""
    said = f"{a} (source) and {b} (target) hold the same pixels{more}; expected no image in both domains"
    return Finding("D0.shared", "fail", f"{said}; remove one of each, or let isoscope split do so", values)


def _twins(source: Sequence[Volume], target: Sequence[Volume]) -> list[tuple[str, str]]:
    hashes = {pixel_hash(volume): volume.header.name for volume in source}
    found = ((pixel_hash(volume), volume.header.name) for volume in target)
    return [(hashes[key], name) for key, name in found if key in hashes]

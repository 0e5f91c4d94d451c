"""What a run came from: its images, first weights and plug-ins, so that going on is going on."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from isoscope.durable import read_json, write_json
from isoscope.errors import DataError, refusal
from isoscope.provenance import check_unchanged
from isoscope.volume import Box, Volume

__all__ = ["NAME", "Facts", "check", "check_plugins", "describe", "write"]

NAME = "origin.json"
_SIDES = ("source", "target")
_SIDE, _LOOKED_INTO = 64, 256
_log = logging.getLogger(__name__)

Facts = dict[str, Any]


def describe(
    source: Sequence[Volume], target: Sequence[Volume], weights: Mapping[str, Any] | None = None,
    plugins: Sequence[Mapping[str, str]] = (),
) -> Facts:  # fmt: skip
    """Name, shape and type of every image, a hash of some grey values of up to 256 per side, first weights, plug-ins.

    Args:
        source: images of domain A.
        target: images of domain B.
        weights: of which model the run begins with those, or none.
        plugins: that the run uses, as `provenance.plugins_used` gives them.
    """
    return {
        "format": 1, "weights": dict(weights) if weights else None, "plugins": [dict(p) for p in plugins],
        "source": _images(source), "target": _images(target),
    }  # fmt: skip


def _images(volumes: Sequence[Volume]) -> list[Facts]:
    every = -(-len(volumes) // _LOOKED_INTO)
    return [_image(volume, hashed=n % every == 0) for n, volume in enumerate(volumes)]


def _image(volume: Volume, hashed: bool) -> Facts:
    header = volume.header
    facts = {"name": header.name, "shape": list(header.shape), "dtype": str(header.dtype)}
    return facts | {"values": _values(volume) if hashed else None}


def _values(volume: Volume) -> str:
    """A hash of three small boxes: in the first plane, the middle one and the last."""
    dtype, state = volume.header.dtype.newbyteorder("<"), hashlib.sha256()
    for box in _boxes(volume):
        state.update(np.ascontiguousarray(volume.read(box), dtype).tobytes())
    return state.hexdigest()[:32]


def _boxes(volume: Volume) -> Iterator[Box]:
    t, c, z, y, x = volume.header.shape
    for part in (0.0, 0.5, 1.0):
        i, k, top, left = (int(part * room) for room in (t - 1, z - 1, max(0, y - _SIDE), max(0, x - _SIDE)))
        yield Box((i, 0, k, top, left), (i + 1, c, k + 1, min(y, top + _SIDE), min(x, left + _SIDE)))


def write(folder: Path, facts: Facts) -> None:
    """Leave the facts in a run's folder."""
    write_json(folder / NAME, facts)


def check(folder: Path, source: Sequence[Volume], target: Sequence[Volume], begun: bool) -> None:
    """Refuse to go on with a run on other images, or without the weights that it began with.

    Args:
        folder: the run's folder.
        source: images of domain A.
        target: images of domain B.
        begun: there is a checkpoint to go on from.

    Raises:
        DataError: naming what differs.
    """
    path = folder / NAME
    if not path.exists():
        _log.warning("%s does not say which images it learned from: nobody has checked that these are the same", folder)
        return
    try:
        facts = read_json(path)
        recorded = {side: [dict(image) for image in facts[side]] for side in _SIDES}
        weights = facts["weights"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise refusal(path, f"damage ({error})", "what training wrote", "restore it, or start another run") from error
    for side, volumes in zip(_SIDES, (source, target), strict=True):
        _compare(folder, side, recorded[side], _images(volumes))
    if weights and not begun:
        raise refusal(
            folder, "no checkpoint", f"one to go on from, as it began with the weights of {weights.get('model')}",
            "start it again with --overwrite",
        )  # fmt: skip


def check_plugins(folder: Path) -> None:
    """Refuse to go on with a run on plug-ins of other versions; runs of before these were recorded go on.

    Args:
        folder: the run's folder.

    Raises:
        PluginError: naming both versions.
        DataError: if what was recorded is damaged.
    """
    path = folder / NAME
    try:
        check_unchanged(read_json(path).get("plugins", ()) if path.exists() else (), f"the run in {folder}")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise refusal(path, f"damage ({error})", "what training wrote", "restore it, or start another run") from error


def _compare(folder: Path, side: str, was: Sequence[Facts], now: Sequence[Facts]) -> None:
    remedy = "give the same images, or start another run with another --out"
    if len(was) != len(now):
        raise DataError(f"{side}: got {len(now)} images; expected the {len(was)} that {folder} learned from; {remedy}")
    for before, after in zip(was, now, strict=True):
        for key, what in (("name", "called"), ("shape", "of shape"), ("dtype", "of type")):
            if before.get(key) != after[key]:
                raise DataError(
                    f"{side}: got an image {what} {after[key]}; expected {before.get('name')}, {what} "
                    f"{before.get(key)}, which {folder} learned from; {remedy}"
                )
        if before.get("values") != after["values"]:
            raise DataError(
                f"{side}: {after['name']} has other grey values; expected those that {folder} learned from; {remedy}"
            )

"""A slide as large as scanners make them, of real tissue mirrored over and over, streamed through the same model."""

from __future__ import annotations

import argparse
import json
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from isoscope import inference
from isoscope.sources import open_all
from isoscope.volume import Box, Volume
from sliding.processes import isoscope, remembered
from sliding.real import grey_slide, pixels, predicted, trained

_STRIP = 1024
_WINDOW = 256


def _mirrored(index: NDArray[Any], length: int) -> NDArray[Any]:
    """Where along an axis of a picture the pixels of its endless mirroring lie: no edge breaks the tissue."""
    at = index % (2 * length)
    return np.minimum(at, 2 * length - 1 - at)


def written(path: Path, tissue: NDArray[Any], size: tuple[int, int]) -> Path:
    """The virtual slide as a bare zarr array, written once."""
    unfinished = path.with_suffix(".unfinished")
    if not path.exists():
        shutil.rmtree(unfinished, ignore_errors=True)
        tile = (_STRIP // 2, _STRIP // 2)
        array = zarr.create_array(unfinished, shape=size, dtype=tissue.dtype, chunks=tile, dimension_names=("y", "x"))
        columns = _mirrored(np.arange(size[1]), tissue.shape[1])
        for y in range(0, size[0], _STRIP):
            rows = _mirrored(np.arange(y, min(y + _STRIP, size[0])), tissue.shape[0])
            array[y : y + len(rows)] = tissue[rows][:, columns]
        unfinished.rename(path)
    return path


def _as_it_stands(made: Path, like: Path, size: tuple[int, int]) -> zarr.Array[Any]:
    """The full resolution of a prediction, finished or not: a draft lacks a description, its shards are as they stay.

    Args:
        made: the prediction.
        like: a finished prediction by the same model, for its description.
        size: of the slide.
    """
    if made.exists():
        found = zarr.open_array(made / "0", mode="r")
    else:
        description = json.loads((like / "0" / "zarr.json").read_text())
        description["shape"][-2:] = size
        folder = made.with_name(f"{made.name}.so-far")
        folder.mkdir(exist_ok=True)
        (folder / "zarr.json").write_text(json.dumps(description))
        (folder / "c").unlink(missing_ok=True)
        (folder / "c").symlink_to(_level(made) / "c")
        found = zarr.open_array(folder, mode="r")
    return found


def _level(made: Path) -> Path:
    return (made if made.exists() else made.with_name(f".{made.name}.partial")) / "0"


def _shards(made: Path) -> set[tuple[int, int]]:
    """Row and column of the shards that are there, of the full resolution."""
    files = [f for f in (_level(made) / "c").rglob("*") if f.is_file() and f.name.isdigit()]
    return {(int(f.parent.name), int(f.name)) for f in files}


def _places(
    slide: Volume, side: int, margin: int, stride: int, there: set[tuple[int, int]], count: int, seed: int
) -> Any:
    """Random windows in what is done, across borders of tiles and shards as chance has it."""
    random = np.random.default_rng(seed)
    found: list[tuple[int, int]] = []
    while there and len(found) < count:
        # a network with strides makes another picture of what begins between them, tiled or not
        y, x = (int(random.integers(margin, n - _WINDOW - margin)) // stride * stride for n in slide.header.shape[3:])
        corners = {(b // side, a // side) for b in (y, y + _WINDOW - 1) for a in (x, x + _WINDOW - 1)}
        found += [(y, x)] if corners <= there else []
    return found


def _exact(args: argparse.Namespace, run: Path, slide: Volume, stream: Any, there: set[tuple[int, int]]) -> Any:
    """Windows of the stream against the same places with their margins, in one pass each."""
    predictor = inference.load(run)
    margin = -(-(predictor.model.halo or 0) // predictor.model.stride) * predictor.model.stride
    values = differ = most = 0
    places = _places(slide, stream.shards[-1], margin, predictor.model.stride, there, args.windows, args.seed)
    for y, x in places:
        low, side = (0, 0, 0, y - margin, x - margin), _WINDOW + 2 * margin
        crop = slide.read(Box(low, (1, 1, 1, low[3] + side, low[4] + side)))[0, 0, 0]
        inner = predictor.predict(crop, "YX", tile=4 * _WINDOW)[:, margin:-margin, margin:-margin].astype(np.int16)
        part = np.asarray(stream[..., y : y + _WINDOW, x : x + _WINDOW]).reshape(inner.shape)
        difference = np.abs(inner - part)
        values, differ = values + difference.size, differ + int((difference > 0).sum())
        most = max(most, int(difference.max()))
    return {"windows": len(places), "values": values, "differ": differ, "most": most}


def measured(args: argparse.Namespace) -> dict[str, Any]:
    """Time, memory, and in what is done whether the stream is what a pass over a place alone gives."""
    run, size = trained(args), (int(args.size[0]), int(args.size[1]))
    tissue = pixels(open_all(str(grey_slide(args)))[0])[0]
    name = f"virtual-{size[0]}x{size[1]}"
    slide = written(args.out / f"{name}.zarr", tissue, size)
    made = args.out / f"{run.name}-{name}.ome.zarr"
    ran = Path(f"{made}.ran.json")
    if not (ran.exists() and (remembered(ran).done or args.minutes == 0)):
        words = ["--out", made, "--quiet", *(["--resume"] if ran.exists() else ["--overwrite"])]
        limit = None if args.minutes is None else 60 * args.minutes
        remembered(ran, isoscope("predict", run, slide, *words, facts=args.out / "virtual.json", seconds=limit))
    opened, there = open_all(str(slide))[0], _shards(made)
    stream = _as_it_stands(made, predicted(run, grey_slide(args), ".ome.zarr")[0], size)
    shards = int(np.prod([-(-n // s) for n, s in zip(size, stream.shards[-2:], strict=True)]))
    return {
        "size": list(size), **asdict(remembered(ran)), "shards": shards, "shards done": len(there),
        "exact": _exact(args, run, opened, stream, there),
    }  # fmt: skip

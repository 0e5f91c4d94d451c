"""What readers that are not ours make of a prediction: tifffile, zarr-python and the models of OME-Zarr."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import ome_zarr_models
import tifffile
import zarr
from numpy.typing import NDArray


def judged(store: Path, tiff: Path, values: NDArray[Any]) -> dict[str, Any]:
    """Whether both files are what they say they are and hold the same values, [C, H, W], for everybody.

    Raises:
        ValidationError: if the store is no valid OME-Zarr.
    """
    return {"tifffile": _tiff(tiff, values), "zarr-python and ome-zarr-models": _zarr(store, values)}


def _tiff(path: Path, values: NDArray[Any]) -> dict[str, Any]:
    with tifffile.TiffFile(path) as file:
        series = file.series[0]
        read = series.asarray()
        levels, axes = [list(level.shape) for level in series.levels], series.axes
        ome = file.is_ome
    read = np.moveaxis(read, axes.index("S"), 0) if "S" in axes else read
    return {
        "ome": ome,
        "axes": axes,
        "levels": levels,
        "equal": bool(np.array_equal(read.reshape(values.shape), values)),
    }


def _zarr(path: Path, values: NDArray[Any]) -> dict[str, Any]:
    group = zarr.open_group(path, mode="r")
    model = ome_zarr_models.open_ome_zarr(group)
    arrays = [group[name] for name in sorted(group.array_keys(), key=int)]
    read = np.asarray(arrays[0][:])
    return {
        "model": f"{type(model).__module__}.{type(model).__name__}",
        "levels": [list(a.shape) for a in arrays],
        "equal": bool(np.array_equal(read.reshape(values.shape), values)),
    }

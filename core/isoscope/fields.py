"""Normalisation statistics that vary over a plane: measured on a fixed grid, interpolated to every pixel.

The idea is that of kernelised and dense normalisation (Ho et al., ECCV 2022 and 2024, arXiv 2407.04245): each pixel is
normalised by statistics of its surroundings, which no tile border can change.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from isoscope.normalisation import InstanceNorm, layers

__all__ = ["Field", "Window", "measured", "use"]

Window = tuple[int, int, int, int]
"""What a tile shows of its plane: first row, first column, height, width, in pixels of the plane."""

_ROWS = 64
"""Feature rows that are normalised at a time, so that interpolated statistics never fill a whole map."""


@dataclass(frozen=True, slots=True)
class Field:
    """Statistics of one normalisation over one plane.

    Attributes:
        values: [ny, nx, 2, C], mean and 1 / standard deviation at the centres of ny x nx equal cells.
        size: height and width of the plane in pixels.
    """

    values: Tensor
    size: tuple[int, int]

    def normalised(self, x: Tensor, norm: InstanceNorm, window: Window) -> Tensor:
        """Normalise features of a tile by the statistics where each of them lies, then scale and shift.

        Args:
            x: [1, C, h, w].
            norm: whose scale and shift to use.
            window: what the tile shows.
        """
        top, left, height, width = window
        h, w = x.shape[2:]
        across = _interpolated(self.values, 1, (left, width, self.size[1]), w)
        out = torch.empty_like(x)
        for start in range(0, h, _ROWS):
            stop = min(start + _ROWS, h)
            here = _interpolated(across, 0, (top, height, self.size[0]), h, start, stop).to(x.dtype)
            mean, inverse = here.permute(2, 3, 0, 1)
            gain = inverse * norm.weight.to(x.dtype)[:, None, None]
            out[:, :, start:stop] = (x[:, :, start:stop] - mean) * gain + norm.bias.to(x.dtype)[:, None, None]
        return out


def _interpolated(
    values: Tensor, axis: int, span: tuple[int, int, int], count: int, start: int = 0, stop: int | None = None
) -> Tensor:
    """Linear interpolation along one axis of cells, constant beyond the outer centres.

    Positions come from absolute pixels in float64, so that a pixel has the same statistics in every tile.

    Args:
        values: cells along `axis`.
        axis: 0 or 1.
        span: first pixel and length of the tile, and length of the plane.
        count: features along the tile.
        start: the first of them that is wanted.
        stop: the first that is not; none: all from `start` on.
    """
    first, length, plane = span
    cells = values.shape[axis]
    pixels = first + (np.arange(start, count if stop is None else stop) + 0.5) * (length / count)
    places = np.clip(pixels * (cells / plane) - 0.5, 0, cells - 1)
    low = np.minimum(places.astype(np.int64), max(cells - 2, 0))
    part = torch.from_numpy((places - low).astype(np.float32)).to(values.device)
    near = values.index_select(axis, torch.from_numpy(low).to(values.device))
    far = values.index_select(axis, torch.from_numpy(np.minimum(low + 1, cells - 1)).to(values.device))
    shape = [1] * values.ndim
    shape[axis] = -1
    return near + (far - near) * part.reshape(shape)


@torch.no_grad()
def measured(
    network: nn.Module, patches: Iterable[Tensor], cells: tuple[int, int], size: tuple[int, int]
) -> list[Field]:
    """The statistics of every normalisation in a network, from one patch per cell, as training saw patches.

    Args:
        network: whose normalisations use each patch's own statistics.
        patches: [1, C, h, w], normalised, row by row of the cells.
        cells: their number along y and x.
        size: of the plane, in pixels.
    """
    found = list(layers(network))
    seen: list[list[Tensor]] = [[] for _ in found]

    def watcher(n: int, norm: InstanceNorm) -> torch.utils.hooks.RemovableHandle:
        return norm.register_forward_pre_hook(lambda _, inputs: seen[n].append(_statistics(inputs[0], norm.eps)))

    handles = [watcher(n, norm) for n, norm in enumerate(found)]
    try:
        for patch in patches:
            network(patch)
    finally:
        for handle in handles:
            handle.remove()
    return [Field(torch.stack(values).reshape(*cells, 2, -1), size) for values in seen]


def _statistics(x: Tensor, eps: float) -> Tensor:
    """[1, C, h, w] -> [2, C]: mean and 1 / standard deviation."""
    variance, mean = torch.var_mean(x.float(), dim=(0, 2, 3), correction=0)
    return torch.stack([mean, torch.rsqrt(variance + eps)])


def use(network: nn.Module, fields: Sequence[Field], windows: Sequence[Window]) -> None:
    """Let the next call of a network, on one tile per window, normalise by fields.

    Args:
        network: the one that they were measured on.
        fields: of the plane that the tiles belong to.
        windows: what each tile shows.
    """
    for layer, field in zip(layers(network), fields, strict=True):
        layer.localise([partial(field.normalised, window=window) for window in windows])

"""How outputs of the network come into the computer's memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

import torch
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["landed"]

T = TypeVar("T")
_AHEAD = 2
"""Outputs that travel while the network is at the next tiles."""


def landed(made: Iterable[tuple[T, Tensor]], device: torch.device) -> Iterator[tuple[T, NDArray[Any]]]:
    """Items with their outputs, in order. From CUDA they travel while the network is at the next tiles already.

    Args:
        made: items with outputs on the device.
        device: of the network.
    """
    if device.type != "cuda":
        for item, values in made:
            yield item, values.cpu().numpy()
        return
    travelling: deque[tuple[T, Tensor, torch.cuda.Event]] = deque()
    for item, values in made:
        host = torch.empty(values.shape, dtype=values.dtype, pin_memory=True)
        host.copy_(values, non_blocking=True)
        arrival = torch.cuda.Event()  # type: ignore[no-untyped-call]
        arrival.record()
        travelling.append((item, host, arrival))
        if len(travelling) > _AHEAD:
            yield _arrived(*travelling.popleft())
    while travelling:
        yield _arrived(*travelling.popleft())


def _arrived(item: T, host: Tensor, arrival: torch.cuda.Event) -> tuple[T, NDArray[Any]]:
    arrival.synchronize()
    return item, host.numpy()

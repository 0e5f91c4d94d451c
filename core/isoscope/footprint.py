"""How much memory a network needs for its input: what its operations allocate, counted as they run."""

from __future__ import annotations

import weakref
from collections import Counter
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from isoscope.device import layout
from isoscope.tiling import multiple

__all__ = ["bytes_per_pixel"]


class _Watch(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Adds up the memory behind tensors while any of them lives, and remembers the most there was."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.live = self.most = 0
        self._holders: Counter[int] = Counter()

    def __torch_dispatch__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        made = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(made):
            if isinstance(tensor, Tensor):
                self._hold(tensor)
        return made

    def _hold(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        where, size = storage.data_ptr(), storage.nbytes()
        if not self._holders[where]:
            self.live += size
            self.most = max(self.most, self.live)
        self._holders[where] += 1
        weakref.finalize(tensor, self._release, where, size)

    def _release(self, where: int, size: int) -> None:
        self._holders[where] -= 1
        if not self._holders[where]:
            self.live -= size


@torch.inference_mode()
def bytes_per_pixel(network: nn.Module, channels: int, side: int = 256) -> float:
    """The most that activations need at a time, per pixel of the input; what libraries use inside is not seen.

    Args:
        network: a generator in evaluation mode, on any device.
        channels: of its input.
        side: of the square that is tried.
    """
    parameter = next(network.parameters(), torch.empty(0))
    side = multiple(side, int(getattr(network, "stride", 1)))
    with _Watch() as watch:
        x = torch.zeros(1, channels, side, side, device=parameter.device, dtype=parameter.dtype)
        network(x.contiguous(memory_format=layout(parameter.device)))
    most: float = watch.most / side**2
    return most

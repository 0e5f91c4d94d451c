"""A pool of past fakes, so that discriminators do not forget (Shrivastava et al. 2017)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["ImagePool"]


class ImagePool(nn.Module):
    """Keeps up to `size` images on the device, preallocated; saved and restored with the method.

    Args:
        size: images kept; 0 passes everything through.
        shape: of one image, (C, H, W).
    """

    images: Tensor
    filled: Tensor

    def __init__(self, size: int, shape: tuple[int, int, int]) -> None:
        super().__init__()
        self.size = size
        self.register_buffer("images", torch.zeros(size, *shape))
        self.register_buffer("filled", torch.tensor(0))
        self._filled = 0

    def forward(self, fakes: Tensor) -> Tensor:
        """While filling: the new images. Once full: each image is, with probability 1/2, swapped for a stored one."""
        if self.size == 0:
            return fakes
        return torch.stack([self._one(image) for image in fakes])

    def _one(self, image: Tensor) -> Tensor:
        if self._filled < self.size:
            self.images[self._filled] = image
            self._filled += 1
            self.filled.fill_(self._filled)
            return image
        if torch.rand(()) < 0.5:  # drawn on the host, so that no device is asked to wait
            return image
        place = int(torch.randint(self.size, ()))
        old = self.images[place].clone()
        self.images[place] = image
        return old

    def _load_from_state_dict(self, *args: object, **kwargs: object) -> None:
        super()._load_from_state_dict(*args, **kwargs)
        self._filled = int(self.filled)

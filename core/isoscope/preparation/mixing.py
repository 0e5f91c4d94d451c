"""Colour patches in the stains of other images of their set, so that no stain is learned from the looks of a tissue."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isoscope.preparation.stain import Method, moved
from isoscope.preparation.staining import stain_of, white_of
from isoscope.volume import Volume

__all__ = ["StainMixing"]

_DRAWN = 3
"""Marks this random stream, apart from those that draw places."""


class StainMixing:
    """Gives a patch the stain of an image drawn from its set, each as likely, its own among them.

    The colour of a grey level differs between specimens for reasons that the grey image does not show. A network that
    sees few of them learns to tell them apart by their texture, and is sure of a wrong colour in the next one.

    Args:
        volumes: RGB of uint8 or uint16; those with too little stain to measure are left as they are.
        method: how stains are measured and moved.

    Raises:
        DataError: for volumes that are no such images.
    """

    def __init__(self, volumes: Sequence[Volume], method: Method) -> None:
        self._method: Method = method
        self._numbers = [stain_of(volume, method) for volume in volumes]
        self._white = [white_of(volume) for volume in volumes]
        self._known = [n for n, numbers in enumerate(self._numbers) if numbers is not None]

    def __call__(self, values: NDArray[Any], volume: int, key: Sequence[int]) -> NDArray[Any]:
        """A patch [3, H, W] in grey values, of the volume with that number; what is drawn is a function of `key`."""
        own = self._numbers[volume]
        if own is None or len(self._known) < 2:
            return values
        chosen = self._known[int(np.random.default_rng([*key, _DRAWN]).integers(len(self._known)))]
        other = self._numbers[chosen]
        if chosen == volume or other is None:
            return values
        white = self._white[volume]
        made = moved(self._method, own, other)(np.moveaxis(values, 0, -1) / white) * white
        return np.moveaxis(made, -1, 0).astype(np.float32)

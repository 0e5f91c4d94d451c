"""Noise for generators that draw: a function of seed, image and place, so that neither tiles nor resuming show."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from isoscope.frames import Frames, Planes
from isoscope.volume import Volume

__all__ = ["Draw", "Drawing", "NoisyFrames", "white_noise"]

_CELL = 128


@dataclass(frozen=True, slots=True)
class Draw:
    """Which noise: the same seed and number give every image the same noise again.

    Attributes:
        seed: of all draws.
        number: which draw of an image, from 0.
        pixel: maps of white noise that the network takes.
        image: numbers per image that it takes.
    """

    seed: int
    number: int
    pixel: int
    image: int

    def facts(self) -> dict[str, Any]:
        """All that decides the noise: other versions of numpy may turn the same random bits into other numbers."""
        return {**asdict(self), "numpy": np.__version__}

    def key(self, *what: object) -> int:
        """128 bits for one field of noise."""
        text = "/".join(map(str, (self.seed, self.number, *what)))
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:16], "little")


def white_noise(key: int, ys: slice, xs: slice) -> NDArray[np.float32]:
    """Unit Gaussian noise of a region of an endless plane, float32 [h, w].

    Every cell of 128 px has its own stream of a counter-based generator (Philox, Salmon et al. 2011), so that any part
    of the plane can be drawn at any time.
    """
    rows, columns = (range(s.start // _CELL, -(-s.stop // _CELL)) for s in (ys, xs))
    cells = [[_cell(key, row, column) for column in columns] for row in rows]
    y, x = ys.start - rows.start * _CELL, xs.start - columns.start * _CELL
    return np.block(cells)[y : y + ys.stop - ys.start, x : x + xs.stop - xs.start]


def _cell(key: int, row: int, column: int) -> NDArray[np.float32]:
    # the place stands in the upper half of the counter, which no cell's own numbers reach
    stream = np.random.Philox(key=key, counter=np.array([0, 0, row, column], np.uint64))
    return np.random.Generator(stream).standard_normal((_CELL, _CELL), np.float32)


class NoisyFrames(Frames):
    """Frames whose pixels come with the noise for them as further channels, float32 [C + maps, h, w].

    Args:
        volume: the images.
        planes: as for `Frames`.
        grey: as for `Frames`.
        context: as for `Frames`.
        draw: which noise. The image's name and the place in it decide the rest.
    """

    def __init__(self, volume: Volume, planes: Planes, grey: bool, draw: Draw, context: int = 0) -> None:
        super().__init__(volume, planes, grey, context)
        self._draw = draw

    def read(self, index: int, ys: slice, xs: slice, held: Volume | None = None) -> NDArray[Any]:
        """The pixels of one frame and their noise."""
        values = super().read(index, ys, xs, held).astype(np.float32)
        white = [white_noise(self._draw.key(self.name, index, n), ys, xs) for n in range(self._draw.pixel)]
        level = [np.full(values.shape[1:], self._level(n), np.float32) for n in range(self._draw.image)]
        return np.concatenate([values, *(noise[None] for noise in (*white, *level))])

    def _level(self, number: int) -> float:
        """One number for the whole image."""
        return float(_cell(self._draw.key(self.name, "image", number), 0, 0)[0, 0])


class Drawing(nn.Module):
    """A generator that finds its noise in the last channels of its input.

    Args:
        network: the generator.
        channels: of the image itself.
    """

    def __init__(self, network: nn.Module, channels: int) -> None:
        super().__init__()
        self.network, self.channels = network, channels

    def forward(self, x: Tensor) -> Tensor:
        """[N, C + maps, H, W] -> [N, C_out, H, W]; without the maps, the network's answer without noise."""
        image, noise = torch.split(x, [self.channels, x.shape[1] - self.channels], 1)
        return self.network(image, noise) if noise.shape[1] else self.network(image)  # type: ignore[no-any-return]

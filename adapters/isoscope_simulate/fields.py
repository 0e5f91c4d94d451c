"""Fields of a scene as volumes: made when they are read, and the same every time."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isoscope.volume import Box, Header
from isoscope_simulate.contents import CONTENTS, MARGIN
from isoscope_simulate.scenes import Scene

__all__ = ["FieldVolume", "expected", "fields"]

Floats = NDArray[np.float64]
_CONTENT, _NOISE = 0, 1


def _content(scene: Scene, number: int) -> Floats:
    """[Z, Y, X] with a margin in the plane."""
    rng = np.random.default_rng([scene.seed, number, _CONTENT])
    side = scene.size + 2 * MARGIN
    return CONTENTS[scene.content](rng, (scene.planes, side, side))


def expected(scene: Scene, number: int) -> Floats:
    """Photons per pixel that a field sends to the camera on average, [Z, Y, X]; of truth, through no optics."""
    from scipy.ndimage import gaussian_filter

    light = _content(scene, number)
    if scene.view != "truth":
        seen = gaussian_filter(light, scene.sigma, mode="nearest")
        # blur takes from thin objects what makes them bright; the exposure makes up for it
        light = seen / max(float(np.quantile(seen, 0.999)), 1e-9)
    return scene.photons * light[:, MARGIN:-MARGIN, MARGIN:-MARGIN]


@lru_cache(maxsize=8)
def _field(scene: Scene, number: int) -> NDArray[Any]:
    photons = expected(scene, number)
    if scene.view == "truth":
        return (scene.offset + scene.gain * photons).astype(np.float32)
    rng = np.random.default_rng([scene.seed, number, _NOISE, len(scene.view)])
    grey = scene.offset + scene.gain * rng.poisson(photons) + scene.read * rng.standard_normal(photons.shape)
    return np.clip(np.rint(grey), 0, 65535).astype(np.uint16)


class FieldVolume:
    """One field."""

    def __init__(self, scene: Scene, number: int) -> None:
        self.scene, self.number = scene, number
        name = f"{scene.view}-{scene.content}-{scene.seed}-{number:04d}"
        shape = (1, 1, scene.planes, scene.size, scene.size)
        dtype = np.dtype(np.float32 if scene.view == "truth" else np.uint16)
        self.header = Header(
            name, shape, dtype, "ZYX" if scene.planes > 1 else "YX", (scene.step, scene.pixel, scene.pixel),
            channels=(scene.content,), attributes={"simulated": {**scene.model_dump(), "field": number}},
        )  # fmt: skip

    def read(self, box: Box, /) -> NDArray[Any]:
        """Grey values of a box; the whole field is made for it, and kept for the next."""
        return _field(self.scene, self.number)[None, None][box.slices].copy()


def fields(scene: Scene) -> list[FieldVolume]:
    """All fields of a scene, none made yet."""
    return [FieldVolume(scene, number) for number in range(scene.count)]

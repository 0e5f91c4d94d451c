"""Every parameter of a simulated set, and the presets that pin them by name and version."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal
from urllib.parse import parse_qsl

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from isoscope.errors import DataError, nearest, refusal
from isoscope.parameters import one_line

__all__ = ["AXIAL_MARGIN", "MARGIN", "PREFIX", "PRESETS", "Settings", "parse"]

PREFIX = "simulate:"
MARGIN = 32
"""Pixels simulated beyond each edge of a field, so that light reaches it from outside too."""
AXIAL_MARGIN = 64
"""The same above and below a volume, where optics blur more."""

_MOST_VOXELS = 2**26
_MOST_BYTES = 2**31
_REMEDY = "lower size, depth or count; other seeds give other fields"

Content = Literal["microtubules", "granules", "nuclei", "tissue"]


class Settings(BaseModel):
    """A set of simulated fields.

    Content depends on `content`, `seed`, `size`, `depth` and `density` alone: sets that share these show the same
    fields, whatever their optics and camera.

    Attributes:
        content: what is in the fields.
        seed: of the content, and of the noise.
        count: of fields.
        size: side of a field in pixels.
        depth: planes of a field before `step` leaves any out; 1 for a picture.
        density: of the content, relative to the preset.
        pixel_size: in micrometers, along z too before `step`.
        step: every how many planes one is recorded.
        psf: point spread function: none, gaussian, airy (pictures only), or phase: light transmitted by a weak phase
            object (pictures only), recorded at several foci.
        foci: planes of psf phase, around the object.
        focus_step: from one to the next, in micrometers.
        phase: of brightness 1 for psf phase, in radians.
        labels: a label image instead of one of light: which nucleus each pixel belongs to, 0 for none.
        na: numerical aperture.
        wavelength: of the light in micrometers.
        index: refractive index of the immersion.
        sigma: of a gaussian psf in pixels; none: from na and wavelength.
        photons: expected at brightness 1; 0 for no noise, no camera and float32.
        gain: grey values per photon.
        offset: grey value of darkness.
        read_noise: standard deviation in grey values.
        draw: of the noise; another one is another exposure of the same fields.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    content: Content = "microtubules"
    seed: int = Field(default=0, ge=0)
    count: int = Field(default=8, ge=1, le=10_000)
    size: int = Field(default=256, ge=16, le=8128)
    depth: int = Field(default=1, ge=1, le=1024)
    density: float = Field(default=1.0, gt=0, le=10)
    pixel_size: float = Field(default=0.05, gt=0)
    step: int = Field(default=1, ge=1, le=64)
    psf: Literal["none", "gaussian", "airy", "phase"] = "none"
    foci: int = Field(default=5, ge=1, le=256)
    focus_step: float = Field(default=2.0, gt=0)
    phase: float = Field(default=0.2, gt=0, le=1)
    labels: bool = False
    na: float = Field(default=1.4, gt=0, le=1.7)
    wavelength: float = Field(default=0.6, gt=0)
    index: float = Field(default=1.518, ge=1, le=2)
    sigma: float | None = Field(default=None, ge=0, le=MARGIN / 4)
    photons: float = Field(default=0.0, ge=0, le=1e6)
    gain: float = Field(default=1.0, gt=0)
    offset: float = Field(default=100.0, ge=0)
    read_noise: float = Field(default=0.0, ge=0)
    draw: int = Field(default=0, ge=0)

    @property
    def planes(self) -> int:
        """How many are recorded."""
        return self.foci if self.psf == "phase" else -(-self.depth // self.step)

    @property
    def voxel(self) -> tuple[float, float, float]:
        """Size along z, y and x in micrometers."""
        return self.focus_step if self.psf == "phase" else self.pixel_size * self.step, self.pixel_size, self.pixel_size

    @property
    def sigmas(self) -> tuple[float, float]:
        """Axial and lateral sigma of the gaussian psf in pixels (paraxial wide-field: Zhang et al. 2007)."""
        if self.psf != "gaussian":
            return 0.0, 0.0
        k = 2 * math.pi / self.wavelength
        lateral = math.sqrt(2) / (k * self.na) / self.pixel_size if self.sigma is None else self.sigma
        return lateral * 2 * math.sqrt(3) * self.index / self.na, lateral


# Brightness 1 is 1000 grey values for every camera, so that errors compare. Only `sharp` begins with other fields.
_OPTICS: dict[str, dict[str, Any]] = {
    "truth": {"seed": 0},
    "widefield": {"seed": 0, "psf": "gaussian", "sigma": 3.0, "photons": 100, "gain": 10, "read_noise": 10},
    "noisy": {"seed": 0, "psf": "gaussian", "sigma": 1.0, "photons": 20, "gain": 50, "read_noise": 20},
    "sharp": {"seed": 1, "psf": "gaussian", "sigma": 1.0, "photons": 1000, "gain": 1, "read_noise": 3},
}
_CONTENTS: dict[str, dict[str, Any]] = {
    "microtubules": {"content": "microtubules", "pixel_size": 0.05},
    "granules": {"content": "granules", "pixel_size": 0.05},
    "nuclei": {"content": "nuclei", "pixel_size": 0.3},
    "tissue": {"content": "tissue", "pixel_size": 0.5},
}
_TRANSMITTED = {"seed": 0, "psf": "phase", "na": 0.5, "photons": 1000, "gain": 1, "read_noise": 3}
PRESETS: dict[str, Mapping[str, Any]] = {
    f"{optics}-{content}-v1": {**ours, **seen}
    for optics, seen in _OPTICS.items()
    for content, ours in _CONTENTS.items()
} | {
    "transmitted-nuclei-v1": {**_CONTENTS["nuclei"], **_TRANSMITTED},
    "labels-nuclei-v1": {**_CONTENTS["nuclei"], "seed": 1, "labels": True},
}
"""Parameters by name. A released version never changes: other values are another version."""


def parse(where: str) -> Settings:
    """The settings behind `simulate:NAME?parameter=value&parameter=value`.

    Raises:
        DataError: for an unknown name or parameter, a value that cannot stand, or more than memory should hold.
    """
    name, _, query = where.removeprefix(PREFIX).partition("?")
    if name not in PRESETS:
        raise DataError(f"{where}: no simulation is called {name!r}; {nearest(name, PRESETS)}")
    try:
        given = dict(parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query)))
        if "content" in given:
            raise refusal(where, "content", "the content of the name", f"choose among {', '.join(PRESETS)}")
        settings = Settings.model_validate({**_pinned(name, given), **given})
    except ValidationError as error:
        raise DataError(one_line(error, dict(Settings.model_fields), where)) from None
    except ValueError as error:
        raise refusal(where, repr(query), "parameter=value, joined by &", "write it so, in quotes") from error
    _check(where, settings)
    return settings


def _pinned(name: str, given: Mapping[str, str]) -> Mapping[str, Any]:
    """The preset, without its sigma where the user describes an objective instead."""
    objective = given.keys() & {"na", "wavelength", "index"}
    return {key: value for key, value in PRESETS[name].items() if not (objective and key == "sigma")}


def _check(where: str, s: Settings) -> None:
    voxels = (s.size + 2 * MARGIN) ** 2 * (s.depth + 2 * AXIAL_MARGIN if s.depth > 1 else 1)
    if voxels > _MOST_VOXELS:
        raise refusal(where, f"fields of {voxels} voxels, margins included", f"at most {_MOST_VOXELS}", _REMEDY)
    total = s.count * s.planes * s.size**2 * (2 if s.photons or s.labels else 4)
    if total > _MOST_BYTES:
        raise refusal(where, f"{total} bytes in all", f"at most {_MOST_BYTES}", _REMEDY)
    if s.depth > 1 and s.psf in ("airy", "phase"):
        raise refusal(where, f"psf {s.psf} with depth", "psf gaussian in volumes", "choose another psf")
    if s.labels and s.content != "nuclei":
        raise refusal(where, f"labels of {s.content}", "labels of nuclei", "choose labels-nuclei-v1")
    axial, lateral = s.sigmas
    if lateral > MARGIN / 4 or (s.depth > 1 and axial > AXIAL_MARGIN / 4):
        got, most = f"sigmas of {axial:.3g} px along z and {lateral:.3g} across", (AXIAL_MARGIN / 4, MARGIN / 4)
        raise refusal(where, got, f"at most {most[0]:g} and {most[1]:g}", "lower sigma, or enlarge pixel_size")

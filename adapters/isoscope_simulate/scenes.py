"""What a name such as `simulate:widefield-microtubules-v1?seed=3` means, to the last number."""

from __future__ import annotations

from typing import Annotated, Literal, get_args
from urllib.parse import parse_qsl

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from isoscope.errors import DataError, nearest

__all__ = ["SCHEME", "Content", "Scene", "View", "scene"]

SCHEME = "simulate:"
Content = Literal["microtubules", "granules", "nuclei", "tissue"]
View = Literal["truth", "sharp", "widefield"]
_VERSION = "v1"
_MOST_PIXELS = 2**27
Positive = Annotated[float, Field(gt=0)]


class Scene(BaseModel):
    """The parameters of a set of fields; every number decides, and none changes within a version.

    Lengths are in micrometers. The content depends on seed, number of the field, size, planes and pixel alone: views of
    one seed show the same content.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    view: View
    content: Content
    seed: int = Field(0, ge=0, description="of the content; noise has a stream of its own")
    count: int = Field(16, ge=1, le=10_000, description="fields")
    size: int = Field(256, ge=32, le=8192, description="side in pixels")
    planes: int = Field(1, ge=1, le=512, description="of a z-stack")
    pixel: Positive = 0.065
    step: Positive = Field(0.2, description="from plane to plane")
    aperture: float = Field(1.4, gt=0, le=1.7, description="numerical, of the objective")
    wavelength: Positive = Field(0.6, description="of emission")
    index: Positive = Field(1.515, description="refractive, of the immersion")
    photons: Positive = Field(200.0, description="of the brightest pixels, expected")
    gain: Positive = Field(2.0, description="grey values per photon")
    offset: float = Field(100.0, ge=0, description="grey values of darkness")
    read: float = Field(3.0, ge=0, description="read noise in grey values")

    @property
    def sigma(self) -> tuple[float, float, float]:
        """Of the Gaussian that is closest to the point spread function, (z, y, x) in pixels (Zhang et al. 2007)."""
        lateral = 0.225 * self.wavelength / self.aperture / self.pixel
        axial = 0.78 * self.wavelength * self.index / self.aperture**2 / self.step if self.planes > 1 else 0.0
        return axial, lateral, lateral


_OWN: dict[View, dict[str, float | int]] = {
    "truth": {},
    # as of a STED or structured-illumination image: four times finer, and other fields than the wide-field set's
    "sharp": {"seed": 1000, "aperture": 1.4, "wavelength": 0.15, "photons": 1000.0},
    "widefield": {},
}


def scene(name: str) -> Scene:
    """The scene behind a name: `simulate:VIEW-CONTENT-v1`, with parameters after `?`.

    Raises:
        DataError: naming what is unknown or out of range, and what is closest to it.
    """
    said, _, query = name.removeprefix(SCHEME).partition("?")
    view, content = _kind(said)
    given = dict(parse_qsl(query, keep_blank_values=True))
    for key in given:
        if key not in Scene.model_fields or key in ("view", "content"):
            known = [k for k in Scene.model_fields if k not in ("view", "content")]
            raise DataError(f"{name}: no parameter is called {key!r}; {nearest(key, known)}")
    try:
        made = Scene.model_validate({"view": view, "content": content, **_OWN.get(view, {}), **given})  # type: ignore[call-overload]
    except ValidationError as error:
        first = error.errors()[0]
        raise DataError(f"{name}: {'.'.join(map(str, first['loc']))}={first['input']!r}: {first['msg']}") from None
    if made.size**2 * made.planes > _MOST_PIXELS:
        raise DataError(
            f"{name}: {made.planes} planes of {made.size}² px; expected at most {_MOST_PIXELS} pixels a field"
        )
    return made


def _kind(said: str) -> tuple[str, str]:
    known = [f"{view}-{content}-{_VERSION}" for view in get_args(View) for content in get_args(Content)]
    if said not in known:
        raise DataError(f"nothing is simulated as {said!r}; {nearest(said, known)}")
    view, content, _ = said.split("-")
    return view, content

"""The recipe's section `prepare`: what is done to grey values on reading, in this order; by default nothing."""

from __future__ import annotations

from math import isfinite
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from isoscope.errors import RecipeError

__all__ = ["OFFSET_PERCENTILE", "Background", "Labels", "Preparation", "Stain", "check_sides"]

OFFSET_PERCENTILE = 0.1
"""Of all sampled grey values of a set: what `offset: auto` takes for the camera's offset."""


_Factor = Annotated[float, Field(ge=1 / 64, le=64, allow_inf_nan=False)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Background(_Part):
    """Slow background, subtracted from each plane: the plane itself, blurred. It cannot be undone in an output."""

    sigma: float = Field(50.0, gt=0, le=1000, description="of the Gaussian in pixels, cut at 3 sigma; above any object")


class Labels(_Part):
    """Label images and masks as the depth of each pixel in its object: touching objects have a seam between them."""

    depth: float = Field(4.0, ge=1, le=100, description="in pixels, at which it ends to grow; below half an object")


class Stain(_Part):
    """One stain for a whole H&E set: every image is moved to the set's median image, whose numbers are recorded."""

    name: Literal["reinhard", "macenko"] = Field(description="mean and spread in Lab, or stain vectors and strengths")
    image: str | None = Field(None, description="the median image; none: found")
    reference: tuple[tuple[float, ...], ...] | None = Field(None, description="its numbers; none: measured")

    @field_validator("reference")
    @classmethod
    def _rows(cls, value: Any, info: ValidationInfo) -> Any:
        shape = {"reinhard": [3, 3], "macenko": [3, 3, 2]}.get(info.data.get("name", ""))
        if value is not None and [len(row) for row in value] != shape:
            raise ValueError("expected none, or two rows of three numbers and for macenko a third of two")
        return value


class Preparation(_Part):
    """What is done to grey values on reading; limits, thresholds and outputs count from what comes of it."""

    offset: float | Literal["auto"] | None = Field(
        None, description="camera offset in grey values, subtracted and added back to outputs; auto: measured"
    )
    background: Background | None = Field(None, description="slow background, subtracted; of the source only")
    labels: Labels | None = Field(None, description="read label images or masks as depth in their objects, in pixels")
    stain: Stain | None = Field(None, description="reinhard or macenko: one stain for the H&E images of the target")
    scale: tuple[_Factor, _Factor, _Factor] | None = Field(
        None, description="pixels for one on disk, along z, y, x: linear interpolation; averages where below 1"
    )
    sides: bool = Field(False, description="see volumes from their sides, as XZ and YZ planes; of the source only")

    @field_validator("offset", mode="before")
    @classmethod
    def _number_or_auto(cls, value: Any) -> Any:
        number = isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)
        if not (number or value in ("auto", None)):
            raise ValueError("expected a number of grey values, auto or none")
        return value

    @field_validator("stain", mode="before")
    @classmethod
    def _from_name(cls, value: Any) -> Any:
        return {"name": value} if isinstance(value, str) else value


def check_sides(source: Preparation, target: Preparation) -> None:
    """Refuse what one of the two sides cannot have, and what excludes each other.

    Raises:
        RecipeError: naming the key.
    """
    if target.background:
        raise RecipeError(
            "target.prepare.background cannot be undone in outputs; expected it of the source only; leave it out"
        )
    if source.stain:
        raise RecipeError("got source.prepare.stain; expected a stain of the target only, to learn from; leave it out")
    if target.stain and target.offset is not None:
        raise RecipeError("got an offset and a stain in target.prepare; expected either; leave out the offset")
    if target.sides:
        raise RecipeError("got target.prepare.sides; expected sides of the source only, which XY planes teach")
    for side, given in (("source", source), ("target", target)):
        declared = given.model_dump(exclude_none=True, exclude_defaults=True)
        if "labels" in declared and len(declared) > 1:
            raise RecipeError(
                f"got {' and '.join(declared)} in {side}.prepare; labels have no grey values; leave out the rest"
            )

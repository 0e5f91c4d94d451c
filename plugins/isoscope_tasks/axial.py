"""Anisotropic volume -> isotropic volume."""

from __future__ import annotations

from typing import Any

from isoscope.domain import Domain
from isoscope.errors import DataError
from isoscope.parameters import Component
from isoscope.preparation import Preparation
from isoscope.quantity import plain_ratio
from isoscope.recipe import DomainRecipe, Recipe, Term, Training

__all__ = ["axial"]

_FINEST, _COARSEST = 1.0, 32.0
_SAME = 0.02
"""Part by which planes may seem nearer than pixels are wide."""


def axial(source: Domain, target: Domain, /) -> Recipe:
    """Restore the resolution along z: learn from XY planes, which are sharp, what XZ and YZ planes should look like.

    Source and target may be the same volume. It is read with z interpolated to the pixel size across it, and seen from
    its sides; the way back is a blur along z and planes that lie apart, both measured on the volume. Predictions are
    made on XZ and on YZ planes and averaged, on the isotropic grid.
    Content must be bright in both domains, or dark in both: only the relative polarity matters.
    """
    if source.channels != target.channels:
        raise DataError(f"axial needs equal channels, got {source.channels} and {target.channels}; give matching ones")
    scale = _scale(source, target)
    step, square = max(1.0, scale[0]), _squared(target)
    return Recipe(
        source=DomainRecipe(polarity="bright", prepare=Preparation(scale=scale, sides=True)),
        target=DomainRecipe.model_validate({"polarity": "bright", **square}),
        method=Component.model_validate(
            {
                "name": "c2gan",
                "forward": {"name": "refine"},
                "backward": {"name": "axial", "step": step},
                "noise": 0.0,
                "rate": 1e-3,
            }
        ),
        losses={
            "lsgan": Term(weight=0.0),
            "cycle": Term.model_validate({"weight": 100.0, "weight_a": 0.0, "error_b": "squared"}),
            "faithful": Term.model_validate(
                {"use": "cycle", "weight": 0.5, "share": 0.25, "weight_b": 0.0, "blur_a": 4.0}
            ),
            "saliency": Term.model_validate({"weight": 0.5, "share": 0.25, "blur": 1.5}),
        },
        training=Training(augmentation="flips"),
    )


def _squared(target: Domain) -> dict[str, Any]:
    """How planes of pixels that are no squares are read, so that they are; nothing where they are."""
    assert target.pixel_size is not None
    y = plain_ratio(target.pixel_size[1] / target.pixel_size[2])
    return {} if y == 1 else {"prepare": Preparation(scale=(1.0, y, 1.0))}


def _scale(source: Domain, target: Domain) -> tuple[float, float, float]:
    """Pixels of the isotropic grid, which is that of the target's planes, for one of the source."""
    if source.pixel_size is None or target.pixel_size is None:
        raise DataError(
            "axial needs to know how far planes lie apart, and got no pixel size; expected z, y and x; say so with "
            "--pixel-size Z,Y,X in micrometers"
        )
    if source.unit != target.unit:
        raise DataError(
            f"axial got pixel sizes in {source.unit} and {target.unit}; expected one unit; give both by --pixel-size"
        )
    if source.depth < 2:
        raise DataError(
            f"axial needs volumes, got {source.depth} plane; expected a z-stack; choose denoise or superres"
        )
    fine = target.pixel_size[-1]
    z, y, x = (plain_ratio(size / fine) for size in source.pixel_size)
    if not _FINEST - _SAME <= z <= _COARSEST:
        raise DataError(
            f"axial got planes {source.pixel_size[0]:g} apart and pixels {fine:g} wide; expected planes 1 to "
            f"{_COARSEST:g} pixels apart; check --pixel-size Z,Y,X"
        )
    return z, y, x

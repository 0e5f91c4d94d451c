"""A parameter that has a physical meaning, with its unit: for people, and for model.json."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, cast

from torch import nn

__all__ = ["Quantity", "described", "facts", "micrometers", "plain_ratio"]

_SAME, _ROUNDED, _DENOMINATOR = 0.02, 1e-3, 12
"""Parts by which equal pixel sizes differ, by which a fraction is missed, and how plain fractions are."""


_MICROMETERS = {"nanometer": 1e-3, "micrometer": 1.0, "millimeter": 1e3}


@dataclass(frozen=True, slots=True)
class Quantity:
    """What was measured or learned.

    Attributes:
        values: one for all channels, or one for each.
        unit: in words, such as "grey values" or "pixels".
    """

    values: tuple[float, ...]
    unit: str

    def __str__(self) -> str:
        return f"{', '.join(f'{v:.4g}' for v in self.values)} {self.unit}"


def described(network: nn.Module) -> Mapping[str, Quantity]:
    """The physical parameters of a generator that offers `describe`; none of others."""
    if not hasattr(network, "describe"):
        return {}
    return cast("Mapping[str, Quantity]", cast("Any", network).describe())


def facts(network: nn.Module) -> dict[str, dict[str, Any]]:
    """The same, ready for JSON."""
    return {name: {"values": list(q.values), "unit": q.unit} for name, q in described(network).items()}


def micrometers(size: tuple[float, ...] | None, unit: str) -> tuple[float, ...] | None:
    """A pixel size in micrometers; None where it, or its unit, is not known."""
    return None if size is None or unit not in _MICROMETERS else tuple(n * _MICROMETERS[unit] for n in size)


def plain_ratio(ratio: float) -> float:
    """A ratio of two pixel sizes without what these are rounded by: a simple fraction where it nearly is one."""
    if abs(ratio - 1) < _SAME:
        return 1.0
    plain = Fraction(ratio).limit_denominator(_DENOMINATOR)
    return float(plain) if abs(plain - ratio) < _ROUNDED * ratio else ratio

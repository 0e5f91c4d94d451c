"""A parameter that has a physical meaning, with its unit: for people, and for model.json."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from torch import nn

__all__ = ["Quantity", "described", "facts"]


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

"""All that decides an output's bytes, and how two such descriptions differ."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["differences", "digest", "plain"]


def plain(fingerprint: Mapping[str, Any]) -> dict[str, Any]:
    """As it will be read back: tuples become lists, keys text."""
    found: dict[str, Any] = json.loads(json.dumps(dict(fingerprint), allow_nan=False))
    return found


def digest(facts: Any) -> str:
    """A short hash of whatever JSON can hold."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]


def differences(found: Mapping[str, Any], wanted: Mapping[str, Any], prefix: str = "") -> list[str]:
    """What differs between two fingerprints, one entry per key: "tile was 512, now 256"."""
    return list(_differences(found, wanted, prefix))


def _differences(found: Mapping[str, Any], wanted: Mapping[str, Any], prefix: str) -> Iterator[str]:
    for key in sorted({*found, *wanted}):
        old, new = found.get(key), wanted.get(key)
        if isinstance(old, dict) and isinstance(new, dict):
            yield from _differences(old, new, f"{prefix}{key}.")
        elif old != new:
            yield f"{prefix}{key} was {_short(old)}, now {_short(new)}"


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 40 else f"{text[:36]}..."

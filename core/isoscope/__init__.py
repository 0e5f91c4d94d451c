"""isoscope: learn to turn one kind of microscopy image into another, without paired examples.

`import isoscope` is light; sub-modules such as `isoscope.training` and `isoscope.inference` load on first use.
"""

from __future__ import annotations

import importlib
from importlib.metadata import version
from types import ModuleType

__all__ = [
    "address",
    "baselines",
    "comparison",
    "errors",
    "evaluation",
    "figures",
    "inference",
    "kinds",
    "pictures",
    "proposal",
    "recipe",
    "registry",
    "sources",
    "testing",
    "training",
    "volume",
]

__version__ = version("isoscope")


def __getattr__(name: str) -> ModuleType:
    if name in __all__:
        return importlib.import_module(f"isoscope.{name}")
    raise AttributeError(f"module 'isoscope' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])

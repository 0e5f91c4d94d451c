"""The `simulate` store: reads what was never recorded; writes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from isoscope.errors import refusal
from isoscope.reading import ReadOptions
from isoscope.volume import Header, Layout, Sink, Volume

__all__ = ["SimulateStore", "simulate"]

_PREFIX = "simulate:"


@dataclass(frozen=True, slots=True)
class SimulateStore:
    """Sets of simulated fields: `simulate:NAME?parameter=value&...`."""

    suffixes: tuple[str, ...] = ("simulate:NAME",)
    writes: tuple[str, ...] = ()
    virtual: bool = True

    def claims(self, path: Path, /) -> bool:
        """Whether the name begins with simulate:."""
        return path.name.startswith(_PREFIX)

    def open(self, path: Path, options: ReadOptions = ReadOptions(), /) -> list[Volume]:
        """Every field of the set; none is simulated before it is read.

        Raises:
            DataError: for an unknown name or parameter, a value that cannot stand, or more than memory should hold.
        """
        from isoscope_simulate.reader import open_volumes

        return open_volumes(path, options)

    def create(self, path: Path, _header: Header, _layout: Layout, /) -> Sink:
        """Nothing is written as a simulation.

        Raises:
            DataError: always.
        """
        raise refusal(path, "a simulation to write", "a file", "write .ome.zarr or .ome.tif")


def simulate() -> SimulateStore:
    """Simulated fields of known content, with or without optics and camera: simulate:widefield-microtubules-v1."""
    return SimulateStore()

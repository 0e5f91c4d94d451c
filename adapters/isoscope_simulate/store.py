"""The `simulate` store: reads what a name describes; there is no file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from isoscope.errors import DataError, refusal
from isoscope.reading import ReadOptions
from isoscope.volume import Header, Layout, Sink, Volume

__all__ = ["SimulateStore", "simulate"]


@dataclass(frozen=True, slots=True)
class SimulateStore:
    """Simulated fields by name, such as `simulate:widefield-microtubules-v1?seed=3`."""

    suffixes: tuple[str, ...] = ("simulate:VIEW-CONTENT-v1",)
    writes: tuple[str, ...] = ()

    def claims(self, path: Path, /) -> bool:
        """Whether the name begins with `simulate:`."""
        from isoscope_simulate.scenes import SCHEME

        return path.name.startswith(SCHEME)

    def open(self, path: Path, options: ReadOptions = ReadOptions(), /) -> list[Volume]:
        """Every field of the scene.

        Raises:
            DataError: if no scene or parameter is called so, or a value is out of range.
        """
        from isoscope_simulate.fields import fields
        from isoscope_simulate.scenes import scene

        if options != ReadOptions():
            raise DataError(
                f"{path.name} takes no axes, level or series; expected parameters after '?'; leave them out"
            )
        return list(fields(scene(path.name)))

    def create(self, path: Path, _header: Header, _layout: Layout, /) -> Sink:
        """Nothing is written as a simulation.

        Raises:
            DataError: always.
        """
        raise refusal(path, "a simulation to write", "a file", "write .ome.zarr or .ome.tif")


def simulate() -> SimulateStore:
    """Simulated microtubules, granules, nuclei and tissue, sharp, wide-field or as they are, by name."""
    return SimulateStore()

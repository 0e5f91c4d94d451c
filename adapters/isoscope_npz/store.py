"""The `npz` store: reads NumPy archives, CARE's among them; writes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from isoscope.errors import refusal
from isoscope.reading import ReadOptions
from isoscope.volume import Header, Layout, Sink, Volume

__all__ = ["NpzStore", "npz"]


@dataclass(frozen=True, slots=True)
class NpzStore:
    """Archives of one array, or of CARE's X (the degraded images), Y (the good ones) and axes."""

    suffixes: tuple[str, ...] = (".npz",)
    writes: tuple[str, ...] = ()

    def claims(self, path: Path, /) -> bool:
        """Whether the name ends in .npz."""
        return path.name.lower().endswith(self.suffixes)

    def open(self, path: Path, options: ReadOptions = ReadOptions(), /) -> list[Volume]:
        """Every sample of the archive's array; of CARE's two, series 0 is X and series 1 is Y.

        Raises:
            DataError: if it is damaged, declares a senseless size, or nobody says which array or axes are meant.
        """
        from isoscope_npz.reader import open_volumes

        return open_volumes(path, options)

    def create(self, path: Path, _header: Header, _layout: Layout, /) -> Sink:
        """Nothing is written as npz.

        Raises:
            DataError: always.
        """
        raise refusal(path, ".npz to write", "a format with metadata", "write .ome.zarr or .ome.tif")


def npz() -> NpzStore:
    """Read NumPy archives: one array, or CARE's X, Y and axes, one image per sample."""
    return NpzStore()

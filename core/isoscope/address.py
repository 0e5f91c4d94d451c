"""Where an image lies and how it is read: enough to open it again, in another process too."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from isoscope.errors import DataError
from isoscope.reading import ReadOptions
from isoscope.sources import open_one
from isoscope.volume import Box, Header, Volume

__all__ = ["Address", "addressed"]


@dataclass(frozen=True, slots=True)
class Address:
    """One image by its file, how that is read, and which of the images in it.

    Attributes:
        path: the file or store.
        options: how it is read.
        index: which of the images in it.
    """

    path: Path
    options: ReadOptions = ReadOptions()
    index: int = 0

    def open(self) -> Volume:
        """The image. Its header says, as `read_as`, how it was asked to be read.

        Raises:
            DataError: if it is no longer there, or cannot be read.
        """
        found = addressed(self.path, self.options)
        if self.index >= len(found):
            raise DataError(f"{self.path} holds {len(found)} images; expected one at {self.index}; restore the file")
        return found[self.index][1]

    @property
    def read_as(self) -> dict[str, Any]:
        """What differs from believing the file, ready for JSON."""
        given = {f.name: (getattr(self.options, f.name), f.default) for f in fields(ReadOptions)}
        stated = {name: value for name, (value, default) in given.items() if value != default}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in stated.items()}


@dataclass(frozen=True, slots=True)
class _Told:
    """A volume whose header also says how the user had it read."""

    volume: Volume
    header: Header

    def read(self, box: Box, /) -> Any:
        return self.volume.read(box)


def addressed(path: Path, options: ReadOptions = ReadOptions()) -> list[tuple[Address, Volume]]:
    """Every image of one file or store with the address that opens it again.

    Raises:
        DataError: as `open_one`.
    """
    volumes = open_one(path, options)
    addresses = [Address(path, options, n) for n in range(len(volumes))]
    return [(address, _told(volume, address.read_as)) for address, volume in zip(addresses, volumes, strict=True)]


def _told(volume: Volume, asked: dict[str, Any]) -> Volume:
    if not asked:
        return volume
    header = volume.header
    return _Told(volume, replace(header, attributes={**header.attributes, "read_as": asked}))

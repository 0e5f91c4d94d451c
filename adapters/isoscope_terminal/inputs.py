"""The images a command works on; of many, those that cannot be used stop only themselves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from isoscope.errors import IsoscopeError
from isoscope_terminal.batch import Work

if TYPE_CHECKING:
    from isoscope.address import Address
    from isoscope.reading import ReadOptions
    from isoscope.volume import Volume
    from isoscope_terminal.readers import Reading

__all__ = ["Failed", "Item", "opened", "planned"]

P = TypeVar("P")


@dataclass(frozen=True, slots=True)
class Item:
    """One image: its volume, and where it lies."""

    volume: Volume
    address: Address

    @property
    def path(self) -> Path:
        """The file or store it came from."""
        return self.address.path


@dataclass(frozen=True, slots=True)
class Failed:
    """An image of many that cannot be used, and why; the others go on without it."""

    path: Path
    error: IsoscopeError

    def facts(self) -> dict[str, Any]:
        """What a report says of it."""
        return {"name": self.path.name, "input": str(self.path), "output": None}

    def work(self) -> Work:
        """The work of telling it when its turn comes."""
        return Work(self.path.name, self.path, 0, self._tell)

    def _tell(self, *_: object) -> dict[str, Any]:
        raise self.error


def opened(inputs: Sequence[str], reading: Reading) -> list[Item | Failed]:
    """Every image behind the inputs, in order; how they were asked to be read goes into the output's attributes.

    Raises:
        DataError: if an input is nothing, or the only image cannot be opened.
    """
    from isoscope.sources import find

    options = reading.of()
    paths = [path for where in inputs for path in find(where)]
    return [item for path in paths for item in _opened(path, options, alone=len(paths) == 1)]


def _opened(path: Path, options: ReadOptions, alone: bool) -> Sequence[Item | Failed]:
    from isoscope.address import addressed

    try:
        return [Item(volume, address) for address, volume in addressed(path, options)]
    except IsoscopeError as error:
        if alone:
            raise
        return [Failed(path, error)]


def planned(items: Sequence[Item | Failed], plan: Callable[[Item], P]) -> list[tuple[Item, P] | Failed]:
    """Every image with what will be done to it.

    Raises:
        IsoscopeError: if that cannot be done to the only image.
    """
    return [item if isinstance(item, Failed) else _planned(item, plan, alone=len(items) == 1) for item in items]


def _planned(item: Item, plan: Callable[[Item], P], alone: bool) -> tuple[Item, P] | Failed:
    try:
        return item, plan(item)
    except IsoscopeError as error:
        if alone:
            raise
        return Failed(item.path, error)

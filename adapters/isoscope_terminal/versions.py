"""Which version of OME-Zarr is written: --ome-zarr."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from isoscope.errors import DataError, RecipeError

if TYPE_CHECKING:
    from isoscope.kinds import Store

__all__ = ["OmeZarr", "check_version", "store_for"]

OmeZarr = Annotated[
    str | None,
    typer.Option(
        "--ome-zarr", metavar="0.4|0.5", show_default=False,
        help="Write this version of OME-Zarr: 0.4 for software that knows no other; else 0.5.",
    ),
]  # fmt: skip


def check_version(version: str | None, places: Iterable[Path]) -> None:
    """Refuse a version that is not written, or of outputs that are no OME-Zarr.

    Raises:
        DataError: naming the first such output.
        RecipeError: naming the versions.
    """
    for path in places if version else ():
        if not path.name.lower().endswith(".zarr"):
            raise DataError(
                f"got --ome-zarr {version} for {path}; expected an output that ends in .ome.zarr; "
                f"leave the option out, or name such an output"
            )
        try:
            store_for(path, version)
        except RecipeError as error:
            raise RecipeError(f"--ome-zarr {version}: {error}") from None


def store_for(path: Path, version: str | None) -> Store:
    """The store that writes an output, in the version asked for."""
    from isoscope.sources import store_for_writing

    return store_for_writing(path, {"version": version} if version else None)

"""What a split says of every image: the part it plays, where it lies, and the hashes it had."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, TypeAlias, get_args

from pydantic import BaseModel, ConfigDict, field_serializer

from isoscope.volume import Box

__all__ = ["ROLES", "Item", "Manifest", "Origin", "Role"]

Role: TypeAlias = Literal[
    "source", "target", "test_source", "test_target", "validation_source", "validation_target", "dropped"
]
ROLES: tuple[Role, ...] = get_args(Role)


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _Place(_Part):
    path: Path

    @field_serializer("path")
    def _posix(self, path: Path) -> str:
        return path.as_posix()


class Origin(_Place):
    """Where a materialised image came from."""

    sha256: str
    box: Box | None = None


class Item(_Place):
    """One image, or one box of it, and the part it plays.

    Attributes:
        id: the file's name; with its folders, where images of one set lie in several.
        role: the part.
        path: the file or store; absolute in memory, relative to the manifest on disk.
        box: the part of the image that is meant, or None for all of it.
        sha256: hash of the file's bytes, or of a folder's list of files and hashes.
        pixels: hash of the decoded pixels of the box, with their shape and type.
        pair: position of the pair it belongs to, in matched sets.
        origin: the image it was cut or copied from, in a materialised split.
    """

    id: str
    role: Role
    box: Box | None = None
    sha256: str
    pixels: str
    pair: int | None = None
    origin: Origin | None = None


class Manifest(_Part):
    """A split: what it was made with, its images, and what its user should know."""

    version: Literal[1] = 1
    seed: int
    fraction: float
    validation: float = 0.0
    matched: bool = False
    guard: int | None = None
    field: str | None = None
    notes: tuple[str, ...] = ()
    items: tuple[Item, ...]

    def of(self, role: Role) -> list[Item]:
        """The images of one role, in order."""
        return [item for item in self.items if item.role == role]

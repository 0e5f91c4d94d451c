"""Read zarr's JSON metadata from a folder, before the zarr library or any codec sees it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from isoscope.errors import DataError, refusal

__all__ = ["Node", "child", "read_node"]

_LIMIT = 16 * 2**20
Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Node:
    """One group or array of a zarr hierarchy, as its metadata describes it."""

    folder: Path
    version: Literal[2, 3]
    kind: Literal["array", "group"]
    document: Document
    attributes: Document

    @property
    def ome(self) -> Document:
        """The OME metadata: under `ome` since 0.5, among the attributes before."""
        found = self.attributes.get("ome", self.attributes)
        return found if isinstance(found, dict) else {}


def _load(file: Path) -> Document | None:
    if not file.is_file():
        return None
    if (size := file.stat().st_size) > _LIMIT:
        raise refusal(file, f"{size} bytes of metadata", f"at most {_LIMIT}", "write the store again")
    try:
        document = json.loads(file.read_bytes())
    except (ValueError, RecursionError) as error:
        raise DataError(f"{file}: is not valid JSON; copy the store again from its origin") from error
    if not isinstance(document, dict):
        raise refusal(file, f"a JSON {type(document).__name__}", "an object", "write the store again")
    return document


def _find(folder: Path) -> Node | None:
    if (document := _load(folder / "zarr.json")) is not None:
        kind: Literal["array", "group"] = "array" if document.get("node_type") == "array" else "group"
        attributes = document.get("attributes")
        return Node(folder, 3, kind, document, attributes if isinstance(attributes, dict) else {})
    old = _load(folder / ".zattrs")
    if (document := _load(folder / ".zarray")) is not None:
        return Node(folder, 2, "array", document, old or {})
    if (document := _load(folder / ".zgroup")) is not None or old is not None:
        return Node(folder, 2, "group", document or {}, old or {})
    return None


def read_node(folder: Path) -> Node:
    """The group or array in a folder.

    Raises:
        DataError: if the folder is missing or holds no zarr metadata.
    """
    if not folder.is_dir():
        raise refusal(folder, "a file" if folder.exists() else "nothing there", "a zarr folder", "check the path")
    if (node := _find(folder)) is None:
        raise refusal(folder, "no zarr.json, .zarray or .zgroup inside", "a zarr store", "check the path")
    return node


def child(node: Node, path: str) -> Node:
    """A group or array below another one.

    Raises:
        DataError: if it is missing, or the path leaves the store.
    """
    folder = node.folder / path
    if not folder.resolve().is_relative_to(node.folder.resolve()):
        raise refusal(node.folder, f"a reference to {path!r} outside", "a path within", "repair its metadata")
    return read_node(folder)

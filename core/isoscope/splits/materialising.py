"""A split as folders: one per role, of linked or copied files, and crops written to the bit."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path

import numpy as np

from isoscope import sources
from isoscope.errors import DataError
from isoscope.splits import manifest as manifests
from isoscope.splits.fingerprint import content_hash, pixels_of
from isoscope.splits.manifest import NAME
from isoscope.splits.roles import Item, Manifest, Origin
from isoscope.volume import Box, Header, Layout, Shape, Sink

__all__ = ["materialise"]

_FALLBACK = ".ome.zarr"
_SHARD, _CHUNK = 1024, 512


def materialise(manifest: Manifest, out: Path, progress: Callable[[int, int], None] | None = None) -> Manifest:
    """Write the images of every role but the dropped into OUT/role, and OUT/manifest.json that names them there.

    Whole files are hard links where the disk allows, else copies; OUT appears only when all of it is written.

    Args:
        manifest: the split.
        out: a folder that does not exist, or is empty.
        progress: called with (images done, images).

    Raises:
        DataError: if the folder holds something, an image changed since the split, or two would share a name.
    """
    home = out.absolute()
    if home.exists() and (not home.is_dir() or any(home.iterdir())):
        raise DataError(f"{out} exists and is not an empty folder; expected a new one; choose another --out")
    draft = home.with_name(f".{home.name}.{os.getpid()}-{secrets.token_hex(4)}.partial")
    try:
        _fill(draft, manifest, progress)
        if home.exists():
            home.rmdir()
        draft.rename(home)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    return manifests.read(home / NAME)


def _fill(draft: Path, manifest: Manifest, progress: Callable[[int, int], None] | None) -> None:
    draft.mkdir(parents=True)
    items: list[Item] = []
    names = _names(manifest)
    for item in manifest.items:
        items.append(_placed(item, draft / item.role, names[item]) if item in names else item)
        if progress:
            progress(len(items), len(manifest.items))
    manifests.write(manifest.model_copy(update={"items": tuple(items)}), draft / NAME)


def _names(manifest: Manifest) -> dict[Item, str]:
    """The name of each image in its role's folder; the dropped have none."""
    found = {item: _name(item) for item in manifest.items if item.role != "dropped"}
    for part in ("test", "validation"):
        held = [item for item in found if item.role.startswith(part)]
        if _sorts_apart(held, found):
            found |= {item: f"{item.pair:05d}_{found[item]}" for item in held}
    return found


def _name(item: Item) -> str:
    """The file's name, with its folders, and the place of a box before the suffix."""
    name = item.id.replace("/", "_")
    if item.box is None:
        return name
    suffix = _suffix(item.path)
    (y0, x0), (y1, x1) = item.box.start[3:], item.box.stop[3:]
    return f"{name[: len(name) - len(suffix)]}_y{y0}-{y1}_x{x0}-{x1}{suffix}"


def _suffix(path: Path) -> str:
    store = sources.store_for_reading(path)
    ends = [s for s in store.suffixes if path.name.lower().endswith(s)] if store else []
    return max(ends, key=len, default="")


def _sorts_apart(items: Sequence[Item], names: Mapping[Item, str]) -> bool:
    """Whether matched images, paired again by the order of their names, would meet another's partner."""
    if any(item.pair is None for item in items):
        return False
    sides = ([i for i in items if i.role.endswith(side)] for side in ("source", "target"))
    first, second = ([i.pair for i in sorted(side, key=names.__getitem__)] for side in sides)
    return first != second


def _placed(item: Item, folder: Path, name: str) -> Item:
    """Link, copy or cut one image into a folder; the entry that describes it there."""
    folder.mkdir(exist_ok=True)
    made = _whole(item, folder / name) if item.box is None else _cut(item, folder, name)
    content = content_hash(made)
    unlike = content != item.sha256 if item.box is None else pixels_of(made) != item.pixels
    if unlike:
        raise DataError(f"{item.path} has changed since it was split; expected what it held then; split again")
    origin = Origin(path=item.path, sha256=item.sha256, box=item.box)
    return item.model_copy(update={"path": made, "box": None, "sha256": content, "origin": origin})


def _whole(item: Item, made: Path) -> Path:
    given = item.path.resolve()
    if given.is_dir():
        shutil.copytree(given, _free(made))  # it follows links, so that what is copied stands by itself
        return made
    try:
        _free(made).hardlink_to(given)
    except OSError:  # another disk, or a file system without links
        shutil.copy2(given, made)
    return made


def _free(path: Path) -> Path:
    if path.exists():
        raise DataError(f"two images of {path.parent.name} would both become {path.name}; rename one of them")
    return path


def _cut(item: Item, folder: Path, name: str) -> Path:
    """Write a box as an image of its own."""
    crop = manifests.volume(item)
    made, sink = _begun(crop.header, folder / name, _suffix(item.path))
    try:
        for box in _shards(crop.header.shape):
            sink.write(box, np.ascontiguousarray(crop.read(box)))
        sink.close()
    except BaseException:
        sink.abort()
        raise
    return made


def _begun(header: Header, path: Path, suffix: str) -> tuple[Path, Sink]:
    """The crop's path and sink: in the file's own format where that can be written and holds it, else OME-Zarr."""
    layout = Layout((1, header.shape[1], 1, _SHARD, _SHARD), (1, 1, 1, _CHUNK, _CHUNK))
    _free(path)
    try:
        return path, sources.store_for_writing(path).create(path, header, layout)
    except DataError:
        other = _free(path.with_name(path.name[: len(path.name) - len(suffix)] + _FALLBACK))
        return other, sources.store_for_writing(other).create(other, header, layout)


def _shards(shape: Shape) -> Iterator[Box]:
    times, c, depth, height, width = shape
    for t, z, y, x in product(range(times), range(depth), range(0, height, _SHARD), range(0, width, _SHARD)):
        yield Box((t, 0, z, y, x), (t + 1, c, z + 1, min(y + _SHARD, height), min(x + _SHARD, width)))

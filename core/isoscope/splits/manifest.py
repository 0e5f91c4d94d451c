"""The manifest: a JSON file that names every image of a split, with hashes that tell when it no longer holds."""

from __future__ import annotations

import logging
import os
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from itertools import chain, combinations
from pathlib import Path

from pydantic import ValidationError

from isoscope import sources
from isoscope.durable import write_json
from isoscope.errors import DataError
from isoscope.parameters import one_line
from isoscope.splits.crops import Cropped
from isoscope.splits.fingerprint import content_hash, pixels_of
from isoscope.splits.roles import Item, Manifest, Role
from isoscope.volume import Volume

__all__ = ["NAME", "check", "leaks", "read", "volume", "volumes", "write"]

NAME = "manifest.json"
_log = logging.getLogger(__name__)


def volume(item: Item) -> Volume:
    """The image of an item, cut to its box.

    Raises:
        DataError: if it cannot be read.
    """
    found = sources.open_one(item.path)
    return Cropped(found[0], item.box) if item.box else found[0]


def volumes(manifest: Manifest, role: Role) -> list[Volume]:
    """The images of one role, opened."""
    return [volume(item) for item in manifest.of(role)]


def write(manifest: Manifest, path: Path) -> None:
    """Write a manifest, its paths relative to it; an existing file is never replaced.

    Raises:
        DataError: if the path is taken.
    """
    if path.exists():
        raise DataError(f"{path} exists; expected a free name; choose another")
    moved = _moved(manifest, lambda p: Path(os.path.relpath(p, path.parent.absolute())))
    write_json(path, moved.model_dump(mode="json"))


def read(path: Path) -> Manifest:
    """Read a manifest; its paths come back absolute.

    Raises:
        DataError: if it is missing, damaged, or of another version.
    """
    try:
        manifest = Manifest.model_validate_json(path.read_text(encoding="utf-8"))
    except ValidationError as error:
        raise DataError(one_line(error, dict(Manifest.model_fields), str(path)) + "; split again") from error
    except (OSError, ValueError) as error:
        raise DataError(f"{path} is no manifest that can be read ({error}); expected one from split") from error
    return _moved(manifest, lambda p: Path(os.path.normpath(path.parent.absolute() / p)))


def _moved(manifest: Manifest, move: Callable[[Path], Path]) -> Manifest:
    """The same manifest with every path changed."""
    items = []
    for item in manifest.items:
        origin = item.origin and item.origin.model_copy(update={"path": move(item.origin.path)})
        items.append(item.model_copy(update={"path": move(item.path), "origin": origin}))
    return manifest.model_copy(update={"items": tuple(items)})


def leaks(manifest: Manifest) -> list[str]:
    """Every place where two roles share pixels: equal images, and overlapping boxes of one image."""
    pixels: dict[str, dict[Role, Item]] = defaultdict(dict)
    files: dict[str, list[Item]] = defaultdict(list)
    for item in manifest.items:
        if item.role != "dropped":
            pixels[item.pixels].setdefault(item.role, item)
            files[item.sha256].append(item)
    same = (pair for group in pixels.values() for pair in combinations(group.values(), 2))
    cut = (pair for group in files.values() if any(i.box for i in group) for pair in combinations(group, 2))
    found = chain(same, (pair for pair in cut if _overlap(*pair)))
    return list(dict.fromkeys(_said(a, b) for a, b in found if a.role != b.role))


def _said(a: Item, b: Item) -> str:
    return f"{a.id} ({a.role}) and {b.id} ({b.role}) show the same pixels"


def _overlap(a: Item, b: Item) -> bool:
    """Whether two items of one file share pixels; without a box, an item is the whole image."""
    if a.box is None or b.box is None:
        return True
    edges = zip(a.box.start, a.box.stop, b.box.start, b.box.stop, strict=True)
    return all(max(a0, b0) < min(a1, b1) for a0, a1, b0, b1 in edges)


def check(
    manifest_path: Path, source_paths: Sequence[Path], target_paths: Sequence[Path], *,
    progress: Callable[[int, int], None] | None = None,
) -> Manifest:  # fmt: skip
    """Hash the training images again and hold them against their manifest.

    Args:
        manifest_path: the manifest of the split.
        source_paths: the files or stores about to be learned from, domain A.
        target_paths: the same of domain B.
        progress: called with (images done, images).

    Raises:
        DataError: if a file changed since the split, plays another part in it, or is in both domains.
    """
    manifest = read(manifest_path)
    for leak in leaks(manifest):
        raise DataError(f"{manifest_path}: {leak}; expected each in one role; split again")
    given: list[tuple[Role, Path]] = [*(("source", p) for p in source_paths), *(("target", p) for p in target_paths)]
    index = _index(manifest)
    seen: dict[str, tuple[Role, Path]] = {}
    for done, (role, path) in enumerate(given, 1):
        other, twin = seen.setdefault(_pixels(path, role, index, manifest_path), (role, path))
        if other != role:
            raise DataError(
                f"{twin} ({other}) and {path} ({role}) hold the same pixels; expected unlike domains; split again"
            )
        if progress:
            progress(done, len(given))
    return manifest


def _index(manifest: Manifest) -> dict[str, list[Item]]:
    """The items by place, by the bytes of their file and of the one it came from, and by pixels."""
    found: dict[str, list[Item]] = defaultdict(list)
    for item in manifest.items:
        origin = {f"bytes {item.origin.sha256}"} if item.origin else set()
        for key in {f"at {item.path.resolve()}", f"bytes {item.sha256}", f"pixels {item.pixels}", *origin}:
            found[key].append(item)
    return found


def _pixels(path: Path, role: Role, index: Mapping[str, list[Item]], where: Path) -> str:
    """The pixel hash of a training image that the manifest allows in this role."""
    content = content_hash(path)
    named = index.get(f"at {path.resolve()}", [])
    if any(item.sha256 != content for item in named):
        raise DataError(
            f"{path} has changed since the split {where}; expected the bytes it had; restore it or split again"
        )
    known = named or index.get(f"bytes {content}", [])
    recorded = (item.pixels for item in known if item.sha256 == content and item.box is None)
    pixels = next(recorded, None) or pixels_of(path)
    known = known or index.get(f"pixels {pixels}", [])
    wrong = sorted({item.role for item in known} - {role})
    if wrong:
        raise DataError(
            f"{path} is {' and '.join(wrong)} in {where}; expected {role}; train on the folders of the split"
        )
    if not known:
        _log.warning("%s is not in %s: nobody has checked that it is not a test image", path, where)
    return pixels

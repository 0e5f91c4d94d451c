"""Write an OME-Zarr image part by part, resume it after a kill, and let it appear only when it is whole."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from isoscope.errors import DataError, blame, refusal
from isoscope.volume import Box, Header, Layout
from isoscope.writing.draft import Draft
from isoscope_zarr.describing import describe
from isoscope_zarr.encoding import Level, Version
from isoscope_zarr.node import read_node
from isoscope_zarr.pyramid import build, identity, levels
from isoscope_zarr.rendering import seen, windows
from isoscope_zarr.store import LEDGER

__all__ = ["ZarrSink"]

_ABOUT = "metadata"
"""The part that describes the group."""
_REMEDY = "free space or choose another place"


class ZarrSink:
    """One image on its way into a store. Threads may write different shards at once."""

    def __init__(
        self, path: Path, header: Header, layout: Layout, *,
        version: Version = "0.5", fingerprint: Mapping[str, Any] | None = None, resume: bool = False,
    ) -> None:  # fmt: skip
        if resume and fingerprint is None:
            raise ValueError("resuming needs the fingerprint that the image was begun with")
        self._path = path
        self._header = _checked(path, header)
        self._levels = levels(header, layout, version)
        self._kept = fingerprint is not None
        self._ended = False
        self._sound: set[str] = set()  # shards that this sink wrote or found as they should be
        self._wanted = {**(fingerprint or {}), "layout": identity(self._levels)}
        with blame(path, "cannot be created", _REMEDY):
            self._draft = self._opened(resume)

    def _opened(self, resume: bool) -> Draft:
        return Draft.open(self._path, self._wanted, parts=list(_parts(self._levels)), resume=resume, file=LEDGER)

    def write(self, box: Box, values: NDArray[Any], /) -> None:
        """Encode one shard in memory and publish it, then say that it is there.

        Raises:
            DataError: if the disk refuses.
            ValueError: if the box is not one whole shard, clipped at the image's edge, or the values do not fit it.
        """
        if self._ended:
            raise ValueError(f"{self._path} is closed")
        full = self._levels[0]
        self._check_box(full, box, values)
        self._even_if_finished(lambda: self._put(full, box, values))
        self._sound.add(full.part(box))

    def _put(self, full: Level, box: Box, values: NDArray[Any]) -> None:
        with blame(self._path, "cannot be written", _REMEDY):
            files = full.encode(box, values)
            self._draft.ledger.put(full.part(box), files, first_channel=box.start[1], seen=seen(values))
            self._draft.beat()

    def _even_if_finished(self, step: Callable[[], None]) -> None:
        try:
            step()
        except DataError:
            if not self._overtaken():
                raise
            step()

    def _overtaken(self) -> bool:
        """Whether another process has finished the same output meanwhile; then we go on in that."""
        if not self._kept or self._draft.root.is_dir() or not (self._path / LEDGER).is_file():
            return False
        self._draft = self._opened(resume=True)
        return True

    def _check_box(self, full: Level, box: Box, values: NDArray[Any]) -> None:
        if not full.is_part(box):
            raise ValueError(f"got box {box.start} to {box.stop}; expected one whole shard of {full.shard}")
        if values.shape != box.shape or values.dtype != full.dtype:
            raise ValueError(f"got {values.dtype} {values.shape}; expected {full.dtype} {box.shape}")

    def written(self, box: Box, /) -> bool:
        """Whether the shard is there by the same plan, byte for byte, and would outlive an abort."""
        if self._ended or not self._kept or not self._levels[0].is_part(box):
            return False
        self._draft.beat()
        part = self._levels[0].part(box)
        return self._is_sound(part) or (self._overtaken() and self._is_sound(part))

    def _is_sound(self, part: str) -> bool:
        if self._draft.ledger.holds(part):
            self._sound.add(part)
            return True
        return False

    def close(self) -> None:
        """Make what is missing or damaged of pyramid and metadata, and move the store to its name.

        An older store of that name goes.

        Raises:
            DataError: if the disk refuses.
            ValueError: if a shard was never written, or is damaged and was not written again.
        """
        if not self._ended:
            self._even_if_finished(self._close)
            self._ended = True

    def _close(self) -> None:
        with blame(self._path, "cannot be finished", _REMEDY):
            missing = self._missing()
            if not missing:
                self._finish()
        if missing:
            raise ValueError(
                f"{self._path}: {missing} shards were never written, or are damaged; write them before close()"
            )
        with blame(self._path, "cannot be moved to its place", _REMEDY):
            self._draft.publish()

    def _missing(self) -> int:
        parts = map(self._levels[0].part, self._levels[0].boxes())
        return sum(part not in self._sound and not self._is_sound(part) for part in parts)

    def _finish(self) -> None:
        ledger = self._draft.ledger
        for level in self._levels:
            if not ledger.holds(level.about):
                ledger.put(level.about, level.metadata())
        build(self._levels, ledger, self._draft.beat)
        self._describe()
        ledger.close(LEDGER)

    def _describe(self) -> None:
        """Write the group's metadata, which tell what was seen in the shards."""
        ledger, full = self._draft.ledger, self._levels[0]
        parts = [full.part(box) for box in full.boxes()]
        if not ledger.holds(_ABOUT, of=(of := ledger.state(parts))):
            found = windows(self._header.shape[1], [ledger.marker(part) or {} for part in parts])
            ledger.put(_ABOUT, describe(self._header, self._levels, found), of=of)

    def abort(self) -> None:
        """Stop here; the draft stays if it was given a fingerprint to resume by."""
        if not self._kept:
            self.discard()
        elif not self._ended:
            self._draft.leave()
            self._ended = True

    def discard(self) -> None:
        """Remove what was written so far."""
        if not self._ended:
            self._draft.discard()
            self._ended = True


def _parts(made: tuple[Level, ...]) -> Iterator[str]:
    """All that a store consists of, by the names that the ledger knows them by."""
    for level in made:
        yield level.about
        yield from map(level.part, level.boxes())
    yield _ABOUT


def _checked(path: Path, header: Header) -> Header:
    if path.exists() and not (path / LEDGER).is_file():  # ours may have lost its metadata
        _refuse_strangers(path)
    if header.dtype.kind not in "iuf" or header.dtype.itemsize > 8:
        raise refusal(path, f"{header.dtype} pixels", "integers or floats of at most 64 bits", "convert them")
    names = 3 if header.rgb else len(header.channels)
    if names not in (0, header.shape[1]):
        raise refusal(path, f"{names} names for {header.shape[1]} channels", "one each", "correct the header")
    try:
        json.dumps(header.attributes, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise DataError(f"got attributes beyond JSON ({error}); expected plain values; convert them") from error
    return header


def _refuse_strangers(path: Path) -> None:
    try:
        read_node(path)
    except DataError as error:
        raise refusal(path, "something that is no zarr store", "a free name", "move it or choose another") from error

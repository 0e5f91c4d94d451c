"""Real images that ship inside a dependency, cut so that no pair is ever seen: for the demo and for trying things."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isoscope.errors import DataError
from isoscope.frames import REC601
from isoscope.volume import ArrayVolume, Box, Header, Volume

__all__ = ["TASKS", "Sample", "references", "sample"]

TASKS = ("coloration",)
"""The tasks that have a sample."""

_ROWS = 384
"""Rows of the picture to learn from; those below are held out."""

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Sample:
    """Two unpaired domains to learn from, and a held-out pair to be scored on.

    Attributes:
        source: images of domain A.
        target: images of domain B, of other places.
        held_out: images of domain A that were not learned from.
        truth: the same places in domain B.
    """

    source: Volume
    target: Volume
    held_out: Volume
    truth: Volume


def sample(task: str) -> Sample:
    """The sample of a task.

    Raises:
        DataError: if the task has none.
    """
    if task not in TASKS:
        raise DataError(f"no demo for task {task!r}; tasks with a demo: {', '.join(TASKS)}")
    return _immunohistochemistry()


def _immunohistochemistry() -> Sample:
    """Colon glands, DAB and haematoxylin: grey on the left is domain A, colour on the right is domain B."""
    from skimage.data import immunohistochemistry

    picture: Array = immunohistochemistry()  # type: ignore[no-untyped-call]
    middle = picture.shape[1] // 2
    return Sample(
        _grey(picture[:_ROWS, :middle], "ihc-left-grey"),
        _colour(picture[:_ROWS, middle:], "ihc-right-colour"),
        _grey(picture[_ROWS:], "ihc-bottom-grey"),
        _colour(picture[_ROWS:], "ihc-bottom-colour"),
    )


def _luminance(picture: Array) -> Array:
    """[H, W, 3] -> [H, W], grey values."""
    luminance: Array = np.asarray(picture, np.float64) @ np.asarray(REC601)
    return luminance


def _bytes(values: Array) -> NDArray[np.uint8]:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def _grey(picture: Array, name: str) -> Volume:
    values = _bytes(_luminance(picture))
    return ArrayVolume(values, "YX", Header(name, (1, 1, 1, *_size(values)), values.dtype, "YX"))


def _colour(picture: Array, name: str) -> Volume:
    header = Header(name, (1, 3, 1, *_size(picture)), picture.dtype, "YXC", rgb=True)
    return ArrayVolume(picture, "YXC", header)


def _size(plane: Array) -> tuple[int, int]:
    return plane.shape[0], plane.shape[1]


def references(given: Sample) -> dict[str, Volume]:
    """What colours the held-out image without any learning of shapes; a trained model has to beat these.

    Returns:
        "tint": the target's mean colour added to the grey; "table": each grey level becomes the mean colour that the
        target has where its luminance is that level.
    """
    from isoscope.baselines import luminance_table, mean_tint

    made = {"tint": mean_tint, "table": luminance_table}
    return {name: _whole(*make([given.held_out], [given.target])) for name, make in made.items()}


def _whole(volume: Volume) -> Volume:
    """A computed colour image as a camera would have it: 8 bit, in memory."""
    values = _bytes(volume.read(Box.whole(volume.header.shape))[0, :, 0])
    return _colour(np.moveaxis(values, 0, -1), volume.header.name)

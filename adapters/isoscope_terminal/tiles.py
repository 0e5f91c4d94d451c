"""Progress within a shard: a small image is one shard of many tiles."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from isoscope.model import Model

__all__ = ["counting"]


class _Watched:
    """A model that counts its calls, one per tile."""

    def __init__(self, model: Model, called: Callable[[], None]) -> None:
        self._model, self._called = model, called

    def __call__(self, values: Any) -> Any:
        made = self._model(values)
        self._called()
        return made

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)


def counting(
    model: Model, tiles: int, jobs: int, progress: Callable[[int], None]
) -> tuple[Model, Callable[[int, int], None]]:
    """The model, and a callback for finished jobs, which together tell how many tiles of an image are done.

    Args:
        model: what predicts.
        tiles: of the whole image, as the grid has them; tilings may call the model more often.
        jobs: of the whole image.
        progress: told the number of tiles.
    """
    called = finished = 0

    def one_more() -> None:
        nonlocal called
        called += 1
        progress(min(tiles * finished // jobs + called, tiles * (finished + 1) // jobs))

    def job_done(done: int, total: int) -> None:
        nonlocal called, finished
        called, finished = 0, done
        progress(tiles * done // total)

    return cast("Model", _Watched(model, one_more)), job_done

"""Work that threads begin before it is asked for, never more than a given number of pieces."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from typing import TypeVar

__all__ = ["in_order"]

T = TypeVar("T")
R = TypeVar("R")


def in_order(pool: Executor, task: Callable[[T], R], items: Iterable[T], ahead: int) -> Iterator[R]:
    """The results of a task, in the order of the items; whoever stops asking cancels what has not begun.

    Args:
        pool: whose threads work.
        task: done for each item.
        items: drawn as they are begun.
        ahead: how many are begun, or wait with their result, beyond the one that is asked for.
    """
    waiting: deque[Future[R]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(task, item))
            if len(waiting) > ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()

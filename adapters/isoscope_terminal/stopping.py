"""Ctrl-C that asks first: long work finishes its step, saves and leaves; a second Ctrl-C ends it at once."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["stoppable"]

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_NOTICE = b"\nisoscope: stopping; press Ctrl-C again to stop at once\n"


@contextmanager
def stoppable() -> Iterator[Callable[[], bool]]:
    """While inside, the yielded function says whether the user asked to stop."""
    asked = threading.Event()

    def on_signal(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 (the signature of handlers)
        if asked.is_set():
            raise KeyboardInterrupt
        asked.set()
        os.write(2, _NOTICE)  # a handler may interrupt a print half-way, so nothing buffered is safe here

    if threading.current_thread() is not threading.main_thread():
        yield asked.is_set
        return
    before = {number: signal.signal(number, on_signal) for number in _SIGNALS}
    try:
        yield asked.is_set
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

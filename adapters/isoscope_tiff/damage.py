"""Damage that tifffile mentions in its log and then reads past: lost pages, unreadable tags, contradicting tags."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tifffile import TiffPage
from tifffile.tifffile import logger

from isoscope.errors import DataError, refusal

__all__ = ["check_tags", "refuse_damage"]

_LAYOUT = (256, 257, 258, 259, 262, 273, 277, 278, 279, 284, 317, 322, 323, 324, 325, 339)
_ORIENTATION = 274
_REMEDY = "copy the file again from its origin, or export it anew"
_log = logging.getLogger(__name__)


class _Listener(logging.Handler):
    """Remembers the errors that are logged in the thread that made it."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.heard: list[str] = []
        self._thread = threading.get_ident()

    def emit(self, record: logging.LogRecord) -> None:
        if record.thread == self._thread:
            self.heard.append(" ".join(record.getMessage().split())[:200])


@contextmanager
def refuse_damage(path: Path) -> Iterator[None]:
    """Refuse the file if tifffile logs an error inside, whether it goes on or stumbles later.

    Raises:
        DataError: with the first thing it found.
    """
    listener = _Listener()
    logger().addHandler(listener)
    try:
        yield
    except DataError:
        raise
    except Exception:
        _refuse(path, listener)
        raise
    finally:
        logger().removeHandler(listener)
    _refuse(path, listener)


def _refuse(path: Path, listener: _Listener) -> None:
    if listener.heard:
        raise refusal(path, f"a damaged file ({listener.heard[0]})", "a whole one", _REMEDY)


def check_tags(path: Path, page: TiffPage) -> None:
    """Refuse a page that says two things of its layout; mention one that wants to be turned for display.

    Raises:
        DataError: naming the tag.
    """
    for code in _LAYOUT:
        said = {str(tag.value)[:40] for tag in page.tags.getall(code) or ()}
        if len(said) > 1:
            raise refusal(path, f"tag {code} as {' and as '.join(sorted(said))}", "each tag once", _REMEDY)
    if page.tags.valueof(_ORIENTATION, default=1) != 1:
        _log.warning("%s: is tagged to be turned or mirrored for display; it is read as stored", path)

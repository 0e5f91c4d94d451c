"""Consoles that fit where they are looked at."""

from __future__ import annotations

from rich.console import Console

__all__ = ["Screen", "screen"]

_WIDE = 160


class Screen(Console):
    """A console whose reader may leave: that ends a command quietly, but never hours of training."""

    def on_broken_pipe(self) -> None:
        """Let who prints decide; rich would leave the process."""
        raise BrokenPipeError


def screen(stderr: bool) -> Screen:
    """A console on the stream as it is now; wide where nobody looks at it, so that tables are not cut."""
    made = Screen(stderr=stderr, highlight=False, markup=False)
    return made if made.is_terminal else Screen(stderr=stderr, highlight=False, markup=False, width=_WIDE)

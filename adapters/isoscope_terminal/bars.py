"""A histogram as a small picture of characters."""

from __future__ import annotations

from collections.abc import Sequence

from isoscope_terminal.voice import can_write

__all__ = ["bars"]

_BLOCKS, _ASCII = " ▁▂▃▄▅▆▇█", " .:#"


def bars(counts: Sequence[float], rows: int = 3) -> list[str]:
    """Columns as high as the square roots of the counts, so that few bright pixels show beside much background.

    Args:
        counts: of each bin.
        rows: lines of the picture; in ASCII where stdout has no block signs.
    """
    signs = _BLOCKS if can_write(_BLOCKS) else _ASCII
    steps, top = len(signs) - 1, max(counts, default=0) ** 0.5 or 1.0
    heights = [_height(count**0.5 / top, rows * steps) for count in counts]
    return [
        "".join(signs[min(max(height - row * steps, 0), steps)] for height in heights).rstrip()
        for row in reversed(range(rows))
    ]


def _height(fraction: float, steps: int) -> int:
    """Steps of a column; whatever is there at all shows."""
    return max(1, round(fraction * steps)) if fraction > 0 else 0

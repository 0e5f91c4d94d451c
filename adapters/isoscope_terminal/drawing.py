"""A sheet of pictures with names written on it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image

    from isoscope.comparison import Cell

__all__ = ["draw"]

_ACROSS = 6
_GAP, _LINE, _TEXT = 6, 18, 13
_INK = (0, 0, 0)


def draw(path: Path, rows: Sequence[tuple[str, Sequence[Cell]]]) -> None:
    """Write one block per test image, below each other: its title, then every arm with its error below it.

    Args:
        path: a PNG file.
        rows: titles and cells, as `comparison.sheet` gives them.
    """
    import numpy as np

    from isoscope.writing.whole import write_whole

    blocks = [_block(title, cells) for title, cells in rows]
    whole = _paper(max(b.width for b in blocks), sum(b.height for b in blocks))
    y = 0
    for block in blocks:
        whole.paste(block, (0, y))
        y += block.height
    write_whole(path, np.asarray(whole), "YXC")


def _paper(width: int, height: int) -> Image:
    from PIL import Image

    return Image.new("RGB", (width, height), "white")


def _block(title: str, cells: Sequence[Cell]) -> Image:
    height, width = (max(cell.picture.shape[axis] for cell in cells) for axis in (0, 1))
    tall = _LINE + height + (_LINE + height if any(cell.error is not None for cell in cells) else 0) + _GAP
    across = -(-len(cells) // -(-len(cells) // _ACROSS))  # rows of about equal length
    block = _paper(_GAP + across * (width + _GAP), _LINE + -(-len(cells) // across) * tall)
    _write(block, title, (_GAP, 1), block.width - 2 * _GAP)
    for n, cell in enumerate(cells):
        corner = (_GAP + n % across * (width + _GAP), _LINE + n // across * tall)
        _place(block, cell, corner, height)
    return block


def _place(block: Image, cell: Cell, corner: tuple[int, int], height: int) -> None:
    from PIL import Image

    x, y = corner
    width = cell.picture.shape[1]
    _write(block, cell.title, (x, y + 1), width)
    block.paste(Image.fromarray(cell.picture), (x, y + _LINE))
    if cell.error is not None:
        below = y + _LINE + height
        _write(block, f"error, white: {cell.limit:.3g} or more", (x, below + 1), width)
        block.paste(Image.fromarray(cell.error), (x, below + _LINE))


def _write(block: Image, text: str, corner: tuple[int, int], width: int) -> None:
    """A line of text, cut where it would not fit."""
    from PIL import ImageDraw, ImageFont

    pen, font = ImageDraw.Draw(block), ImageFont.load_default(_TEXT)
    while pen.textlength(text, font=font) > width and len(text) > 1:
        text = text.removesuffix("…")[:-1] + "…"
    pen.text(corner, text, _INK, font=font)

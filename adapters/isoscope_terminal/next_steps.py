"""What to do after the demo: commands that can be copied."""

from __future__ import annotations

import shlex
from pathlib import Path

__all__ = ["WHITE_ERROR", "next_steps"]

WHITE_ERROR = 64
"""Error in grey values from which on the demo's picture is white."""


def next_steps(home: Path, task: str) -> str:
    """The demo by hand, and the same with one's own images."""
    run, source, target, held_out, truth, coloured, by_hand = (
        shlex.quote(str(home / name))
        for name in ("run", "source.png", "target.png", "held_out.png", "truth.png", "coloured.png", "by-hand")
    )
    return f"""look at {home / "comparison.png"}: input | prediction | truth | error (white: {WHITE_ERROR} grey values)

What next, by hand:
  isoscope train --task {task} --source {source} --target {target} --minutes 3 --out {by_hand}
  isoscope predict {run} {held_out} --out {coloured}
  isoscope evaluate {coloured} {truth} --baseline {held_out}
With your own images (files or folders; no pairs needed):
  isoscope init {task} --source MY_GREY_IMAGES --target MY_COLOUR_IMAGES -o recipe.yaml
  isoscope train recipe.yaml --source MY_GREY_IMAGES --target MY_COLOUR_IMAGES --out my-run
  isoscope predict my-run NEW_IMAGES --out coloured"""

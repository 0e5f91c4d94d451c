"""Demos on simulated images: trained from unpaired fields, and scored on others beside filters."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from isoscope.errors import DataError
from isoscope_terminal.compare import contested
from isoscope_terminal.comparing import SETS, offers_for, opened
from isoscope_terminal.readers import Reading
from isoscope_terminal.voice import Voice

__all__ = ["SIMULATED", "check_demo", "demonstrate"]

_NUCLEI = "nuclei-v1?size=128&depth=96&sigma=1.2"

SIMULATED = {
    "denoise": ("noisy-microtubules-v1", "sharp-microtubules-v1", "noisy-microtubules-v1?seed=2&count=2",
                "sharp-microtubules-v1?seed=2&count=2"),
    "superres": ("widefield-microtubules-v1", "sharp-microtubules-v1", "widefield-microtubules-v1?seed=2&count=2",
                 "sharp-microtubules-v1?seed=2&count=2"),
    "axial": (f"sharp-{_NUCLEI}&seed=0&count=2&step=4", f"sharp-{_NUCLEI}&seed=0&count=2&step=4",
              f"sharp-{_NUCLEI}&seed=2&count=1&step=4", f"sharp-{_NUCLEI}&seed=2&count=1&psf=none"),
    "labeling": ("transmitted-nuclei-v1", "sharp-nuclei-v1", "transmitted-nuclei-v1?seed=2&count=4",
                 "sharp-nuclei-v1?seed=2&count=4"),
}  # fmt: skip
"""By task: source, target, and a test of other fields with its truth, as simulations are named."""

_RANGES = {"denoise": (0.0, 3000.0), "superres": (0.0, 3000.0), "axial": (0.0, 1500.0), "labeling": (0.0, 1500.0)}
"""Of the truths, grey values."""
_ARM = "c2GAN"


def demonstrate(task: str, out: Path, minutes: float, seed: int, overwrite: bool, voice: Voice) -> None:
    """Train on simulated images as `compare` does, and say whether it was worth it."""
    from isoscope.comparison import enter

    check_demo(out, overwrite, "arms", "comparison.json")
    shutil.rmtree(out / "arms", ignore_errors=True)
    names = dict(zip(SETS, SIMULATED[task], strict=False))
    sets = opened({side: f"simulate:{name}" for side, name in names.items()} | _NO_PAIRS, Reading({}))
    for side, name in names.items():
        voice.say(f"{side.replace('_', ' ')}: simulate:{name}")
    keys = {"training": {"minutes": minutes, "seed": seed}}
    entrants = enter(_ARM, keys, sets, task=task)
    document = contested(sets, entrants, offers_for(sets, entrants), out, voice, data_range=_RANGES[task])
    voice.finish(f"{_verdict(document)}\n\n{_next(task, names, document, out)}", document)


_NO_PAIRS: dict[str, Any] = {"pairs_source": None, "pairs_target": None}


def check_demo(out: Path, overwrite: bool, *marks: str) -> None:
    """Never write into a folder that is not an earlier demo's, which has these entries."""
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    ours = out.is_dir() and all((out / mark).exists() for mark in marks)
    if not (ours and overwrite):
        raise DataError(f"{out} exists; choose another --out" + (", or --overwrite it" if ours else ""))


def _verdict(document: dict[str, Any]) -> str:
    """Which arms are ahead in PSNR or SSIM, after the fit that all were given."""
    ahead = {name: _ahead(document, key) for key, name in (("psnr_affine", "PSNR"), ("ssim_affine", "SSIM"))}
    if not any(ahead.values()):
        return "The trained model is better than all of them, in PSNR and SSIM."
    said = "; ".join(f"in {measure}: {', '.join(names)}" for measure, names in ahead.items() if names)
    return f"The trained model is NOT better than, {said}. Train longer (--minutes), or use these."


def _ahead(document: dict[str, Any], key: str) -> list[str]:
    scores = {arm["name"]: arm["mean"][key] for arm in document["arms"]}
    return [name for name, score in scores.items() if score > scores[_ARM]]


def _next(task: str, names: dict[str, str], document: dict[str, Any], out: Path) -> str:
    run = next(arm["seeds"][0]["run"] for arm in document["arms"] if arm["name"] == _ARM)
    sides = [f"simulate:{names[side]}" for side in ("source", "target")]
    return f"""look at {out / "sheet.png"}

What next, by hand:
  isoscope train --task {task} --source '{sides[0]}' --target '{sides[1]}' --out {out}-run
  isoscope predict {run} 'simulate:{names["test_source"]}' --out {out}-made
With your own images (files or folders; no pairs needed):
  isoscope train --task {task} --source MY_IMAGES --target MY_OTHER_IMAGES --out my-run"""

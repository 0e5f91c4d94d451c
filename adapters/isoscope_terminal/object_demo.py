"""The demo of `segment`: simulated nuclei and label images of others, scored as objects beside Otsu and watershed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from isoscope_terminal.demonstrations import check_demo
from isoscope_terminal.train import run_training
from isoscope_terminal.voice import Voice

if TYPE_CHECKING:
    from isoscope.volume import Volume

__all__ = ["SIMULATED", "demonstrate_objects"]

SIMULATED = ("noisy-nuclei-v1?seed=0", "labels-nuclei-v1?seed=1", "noisy-nuclei-v1?seed=2&count=4",
             "labels-nuclei-v1?seed=2&count=4")  # fmt: skip
"""Images, label images of other fields, and a test with its truth."""

_MEASURES = {"dice": "Dice", "iou": "IoU", "object_f1": "object F1", "object_count_error": "count error"}
_LEARNED, _FILTER = "c2GAN", "Otsu + watershed"
Scores = dict[str, dict[str, float]]


def demonstrate_objects(out: Path, minutes: float, seed: int, overwrite: bool, voice: Voice) -> None:
    """Train on images and on label images of other fields, number the objects, and say whether it was worth it."""
    from isoscope.durable import write_json
    from isoscope.proposal import propose
    from isoscope.sources import open_all

    check_demo(out, overwrite, "run", "scores.json")
    source, target, test, truth = (open_all(f"simulate:{name}") for name in SIMULATED)
    for side, name in zip(("source", "target", "test source", "test truth"), SIMULATED, strict=True):
        voice.say(f"{side}: simulate:{name}")
    recipe = propose(source, target, task="segment", user={"training": {"minutes": minutes, "seed": seed}}).recipe
    run_training(recipe, (source, target), out / "run", voice, overwrite=overwrite)
    found = _found(out / "run", test)
    scores = _scores(found, truth)
    write_json(out / "scores.json", scores)
    _drawn(test[0], {**{name: volumes[0] for name, volumes in found.items()}, "truth": truth[0]}, out)
    columns = [f"{len(truth)} fields", *_MEASURES.values()]
    voice.table(columns, [[name, *(f"{s[m]:.3f}" for m in _MEASURES)] for name, s in scores.items()], numbers=True)
    voice.finish(f"{_verdict(scores)}\n\n{_next(out)}", {"out": str(out), "scores": scores})


def _found(run: Path, test: Sequence[Volume]) -> dict[str, list[Volume]]:
    """The objects of the test images, without learning and by the model."""
    from isoscope.inference import load
    from isoscope.objects import LabelVolume, by_depth, by_otsu
    from isoscope.volume import ArrayVolume, Box

    predictor = load(run)
    depths = [ArrayVolume(predictor.predict(v.read(Box.whole(v.header.shape)), "TCZYX")) for v in test]
    return {
        _FILTER: [LabelVolume(v, by_otsu, {}) for v in test],
        _LEARNED: [LabelVolume(d, by_depth, {}) for d in depths],
    }


def _scores(found: Mapping[str, Sequence[Volume]], truth: Sequence[Volume]) -> Scores:
    from isoscope.evaluation import evaluate

    reports = {name: evaluate(volumes, truth, labels=True)["mean"]["prediction"] for name, volumes in found.items()}
    return {name: {m: float(report[m]) for m in _MEASURES} for name, report in reports.items()}


def _drawn(image: Volume, numbered: Mapping[str, Volume], out: Path) -> None:
    """The first test image, and its objects each in a colour: by Otsu, by the model, in truth."""
    import numpy as np

    from isoscope.pictures import numbered_objects, panel, to_display
    from isoscope.volume import Box
    from isoscope.writing.whole import write_whole

    def plane(volume: Volume) -> Any:
        return volume.read(Box.whole(volume.header.shape))[0, 0, 0]

    seen = plane(image)
    pictures = [to_display(seen, (float(seen.min()), float(np.percentile(seen, 99.8))))]
    pictures += [numbered_objects(plane(volume)) for volume in numbered.values()]
    write_whole(out / "comparison.png", panel(pictures), "YXC")


def _verdict(scores: Scores) -> str:
    mine, theirs = (scores[name]["object_f1"] for name in (_LEARNED, _FILTER))
    if mine > theirs:
        return f"The trained model finds more of the objects than {_FILTER}."
    return f"The trained model is NOT better than {_FILTER}, in object F1. Train longer (--minutes), or use that."


def _next(out: Path) -> str:
    return f"""look at {out / "comparison.png"}: image, objects by {_FILTER}, by the model, in truth

What next, by hand:
  isoscope predict {out / "run"} 'simulate:{SIMULATED[2]}' --out {out}-depth
  isoscope labels {out}-depth --out {out}-objects
With your own images, and masks or label images of others (files or folders; no pairs needed):
  isoscope train --task segment --source MY_IMAGES --target MASKS --out my-run"""

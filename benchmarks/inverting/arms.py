"""The arms of protocol 5A: what is changed against c2GAN, as recipes."""

from __future__ import annotations

from typing import Any

from inverting.fields import MIDDLE
from isoscope.overrides import merge
from isoscope.recipe import Recipe, parse, resolved

LIMITS = ((0.05, 0.95),)
"""So that grey values 0 and 1 are -1 and 1 to the networks."""

SALIENCY = {"weight": 5.0, "schedule": "exp", "speed": 6.0}
RHO = {"weight": 5.0}
OFF = 0.2
"""Thresholds that are off: by this part of the range."""


def _losses(**changed: Any) -> dict[str, Any]:
    return {"losses": {k: v for k, v in changed.items() if v is not None}}


def _brief(until: float) -> dict[str, Any]:
    return _losses(saliency={**SALIENCY, "schedule": "constant", "use": "brief_saliency", "until": until})


def _thresholds(source: float, target: float) -> dict[str, Any]:
    moved = {"source": MIDDLE["source"] + source, "target": MIDDLE["target"] + target}
    return {**_losses(saliency=SALIENCY), **{side: {"threshold": value} for side, value in moved.items()}}


_C2GAN = _losses(saliency=SALIENCY)
_SKIP = {"method": {side: {"name": "skipping", "width": 16, "blocks": 4} for side in ("forward", "backward")}}

ARMS: dict[str, tuple[str, dict[str, Any]]] = {
    "1": ("plain cycle", {}),
    "2": ("c2GAN: saliency, 5 exp(-6u)", _C2GAN),
    "3": ("saliency with G(b) for F(b)", _losses(saliency={**SALIENCY, "use": "swapped_saliency"})),
    "4": ("saliency, constant 5", _losses(saliency=RHO)),
    "5": ("saliency of hard masks", _losses(saliency={**SALIENCY, "use": "hard_saliency"})),
    "6a": ("identity loss, 5", _losses(identity={"weight": 5.0})),
    "6b": ("warm-up of 100 steps", _losses(warm_up={"weight": 10.0})),
    "7a": ("both thresholds 20 % high", _thresholds(OFF, OFF)),
    "7b": ("both thresholds 20 % low", _thresholds(-OFF, -OFF)),
    "7c": ("thresholds 20 % high in A, low in B", _thresholds(OFF, -OFF)),
    "7d": ("automatic thresholds", {**_C2GAN, **{side: {"threshold": None} for side in MIDDLE}}),
    "8": ("wrong polarity declared", {**_C2GAN, "wrong": True}),
    "9": ("plain cycle, global skip", _SKIP),
    "10a": ("saliency until u = 0.02", _brief(0.02)),
    "10b": ("saliency until u = 0.05", _brief(0.05)),
    "10c": ("saliency until u = 0.1", _brief(0.1)),
    "10d": ("saliency until u = 0.2", _brief(0.2)),
}
"""By number: what the arm is in words, and its keys over those of arm 1. 10 asks how long the term must act."""

NETWORK = {"name": "resnet", "width": 16, "blocks": 4, "norm": "instance", "upsample": "bilinear"}


def _base(polarity: str, steps: int) -> dict[str, Any]:
    declared = {"source": "dark" if polarity == "reversed" else "bright", "target": "bright"}
    sides = {s: {"limits": LIMITS, "polarity": declared[s], "threshold": MIDDLE[s]} for s in MIDDLE}
    return {
        **sides,
        "method": {
            "name": "c2gan", "forward": NETWORK, "backward": NETWORK, "rate": 4e-4, "pool": 50,
            "discriminator": {"name": "patchgan", "width": 16},
        },
        "losses": {"lsgan": {"weight": 1.0, "label": 0.9}, "cycle": {"weight": 10.0}},
        "training": {"steps": steps, "batch": 4, "patch": 64, "checkpoint_every": steps},
    }  # fmt: skip


def keys(arm: str, polarity: str, seed: int, steps: int, precision: str) -> dict[str, Any]:
    """The recipe keys that decide one run."""
    changes = dict(ARMS[arm][1])
    base = _base(polarity, steps)
    if changes.pop("wrong", False):
        source = base["source"]
        source["polarity"] = "bright" if source["polarity"] == "dark" else "dark"
    base["training"] |= {"seed": seed, "precision": precision}
    return merge(base, changes)


def recipe(decided: dict[str, Any]) -> Recipe:
    """The resolved recipe of one run; its watchdog only records, and its last networks are scored, as they are."""
    return resolved(parse(merge(decided, {"training": {"watchdog": "record", "keep": "last"}})))

"""Named starting points. `paper`, `released` and `utom` say what was published; `default` and `cpu` are ours.

`cyclegan`, `cut`, `fastcut` and `supervised` are controls: other methods on the networks of ours.
"""

from __future__ import annotations

from typing import Any

from isoscope.controls import CONTROLS
from isoscope.errors import RecipeError, nearest

__all__ = ["NAMES", "PUBLISHED", "preset"]

PUBLISHED = frozenset({"paper", "released", "utom"})
"""These win over what a task proposes: a published setting that a task amends is no longer the published one."""

NAMES = ("auto", "cpu", "default", "paper", "released", "utom", *CONTROLS)


def _c2gan(forward: dict[str, Any], discriminator: dict[str, Any], **rest: Any) -> dict[str, Any]:
    return {"name": "c2gan", "forward": forward, "backward": forward, "discriminator": discriminator, **rest}


def _losses(adversarial: dict[str, Any], saliency: dict[str, Any]) -> dict[str, Any]:
    name = adversarial.pop("name")
    return {name: {"weight": 1.0, **adversarial}, "cycle": {"weight": 10.0}, "saliency": saliency}


def _blocks(patch: int) -> int:
    """Residual blocks as in Johnson et al. 2016 and the c2GAN paper: 6 for patches up to 128 px, else 9."""
    return 6 if patch <= 128 else 9


def _cpu(patch: int) -> dict[str, Any]:
    unet = {"name": "unet", "width": 16, "depth": 2, "norm": "none"}
    return {
        "method": _c2gan(unet, {"name": "patchgan", "width": 16}, rate=4e-4, knee=0.6),
        "losses": _losses({"name": "lsgan", "label": 0.9}, {**_SALIENCY, "floor": 0.05}),
        "training": {"steps": 6000, "batch": 4, "patch": patch or 64},
    }


def _default(patch: int) -> dict[str, Any]:
    resnet = {"name": "resnet", "width": 64, "blocks": _blocks(patch or 128), "norm": "instance"}
    return {
        "method": _c2gan(resnet, {"name": "patchgan", "width": 64}),
        "losses": _losses({"name": "lsgan", "label": 0.9}, {**_SALIENCY, "floor": 0.05}),
        "training": {"steps": 50_000, "batch": 4, "patch": patch or 128},
    }


_PLAIN = {
    "augmentation": "none", "average": 0.0, "finish": 0.0, "precision": "float32", "watchdog": "record", "keep": "last",
}  # fmt: skip


_SALIENCY = {"weight": 5.0, "schedule": "exp", "speed": 6.0}
"""As released; ours keeps a floor, because hallucinations can grow late."""


def _released(patch: int) -> dict[str, Any]:
    blocks = _blocks(patch or 128)
    resnet = {"name": "resnet", "width": 64, "blocks": blocks, "norm": "instance", "upsample": "transposed"}
    return {
        "method": _c2gan(resnet, {"name": "patchgan94", "width": 64}, noise=0.0),
        "losses": _losses({"name": "lsgan", "label": 0.9}, dict(_SALIENCY)),
        "training": {"steps": 100_000, "batch": 1, "patch": patch or 128, **_PLAIN},
    }


def _paper(patch: int) -> dict[str, Any]:
    released = _released(patch)
    return released | {"losses": _losses({"name": "bce", "label": 1.0}, {"weight": 5.0})}


def _utom(patch: int) -> dict[str, Any]:
    unet = {"name": "unet", "width": 64, "depth": 5, "norm": "instance"}
    return {
        "method": _c2gan(unet, {"name": "patchgan", "width": 64}, noise=0.0),
        "losses": _losses(
            {"name": "lsgan", "label": 1.0}, {"weight": 50.0, "schedule": "exp", "speed": 200.0, "slope": 100.0}
        ),
        "training": {"steps": 100_000, "batch": 1, "patch": patch or 256, **_PLAIN},
    }


_ALL = {"cpu": _cpu, "default": _default, "released": _released, "paper": _paper, "utom": _utom}


def _ours() -> str:
    """What suits this machine."""
    from isoscope.device import accelerator

    return "default" if accelerator() else "cpu"


def preset(name: str, patch: int | None = None) -> dict[str, Any]:
    """The recipe keys that a preset sets. `auto` looks at the machine: `default` with an accelerator, else `cpu`.

    A control has the networks and the length of what `auto` picks.

    Args:
        name: one of NAMES.
        patch: patch side in pixels where something else decided it already.
    """
    if name not in NAMES:
        raise RecipeError(f"no preset is called {name!r}; {nearest(name, NAMES)}")
    if name in CONTROLS:
        return {"preset": name, **CONTROLS[name](_ALL[_ours()](patch or 0))}
    chosen = _ours() if name == "auto" else name
    return {"preset": chosen, **_ALL[chosen](patch or 0)}

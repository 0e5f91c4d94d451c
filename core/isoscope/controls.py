"""Published alternatives as controls: a preset's networks, patches and steps with another method or other losses.

What is compared with ours is the idea, so that networks, batches, learning rate and number of updates stay equal.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["CONTROLS", "controlled", "cut", "cyclegan", "fastcut", "supervised"]

Keys = dict[str, Any]

_RESNET_LAYERS = [0, 2, 3, 4, 8]
"""Image, both halvings, the first and the fifth residual block (Park et al. 2020, appendix)."""


_PUBLISHED: Keys = {"watchdog": "record", "keep": "last"}
"""A control gets no help that its authors did not have: no second seed, no choice of networks."""


def _carried(base: Keys, *names: str) -> Keys:
    """The keys of the base's method that go over to another one."""
    return {name: base["method"][name] for name in ("forward", "rate", "knee", *names) if name in base["method"]}


def _published(base: Keys) -> Keys:
    return {**base, "training": {**base.get("training", {}), **_PUBLISHED}}


def cyclegan(base: Keys) -> Keys:
    """Plain CycleGAN (Zhu et al. 2017): least squares, cycle 10; `losses.identity.weight=5` adds its identity loss."""
    method = {"name": "c2gan", **_carried(base, "discriminator"), "backward": base["method"]["forward"], "noise": 0.0}
    losses = {"lsgan": {"weight": 1.0, "label": 1.0}, "cycle": {"weight": 10.0}}
    return {**_published(base), "method": method, "losses": losses}


def _one_sided(base: Keys, nce: Keys) -> Keys:
    forward = base["method"]["forward"]
    deep = forward["name"] == "resnet" and forward.get("blocks", 6) >= 5
    losses = {"lsgan": {"weight": 1.0, "label": 1.0}, "patchnce": {**nce, "layers": _RESNET_LAYERS if deep else None}}
    return {**_published(base), "method": {"name": "cut", **_carried(base, "discriminator")}, "losses": losses}


def cut(base: Keys) -> Keys:
    """CUT (Park et al. 2020): contrastive weight 1, identity."""
    return _one_sided(base, {"weight": 1.0, "identity": True, "flip": False})


def fastcut(base: Keys) -> Keys:
    """FastCUT (Park et al. 2020): contrastive weight 10, no identity, mirrored inputs."""
    return _one_sided(base, {"weight": 10.0, "identity": False, "flip": True})


def supervised(base: Keys) -> Keys:
    """L1 on pairs, as CARE (Weigert et al. 2018); a task may say which generator learns.

    Nothing competes with another network, as in the task `denoise`: the rate is that one's, not a GAN's.
    """
    method = {"name": "supervised", **_carried(base), "rate": 1e-3}
    return {**base, "method": method, "losses": {"l1": {"weight": 1.0}}}


CONTROLS: Mapping[str, Callable[[Keys], Keys]] = {
    "cut": cut, "cyclegan": cyclegan, "fastcut": fastcut, "supervised": supervised,
}  # fmt: skip
"""By the name of the preset."""


def controlled(base: Keys, method: object) -> Keys:
    """A preset's keys for the method that the user names: as its control has them, else untouched.

    Args:
        base: from `presets.preset`.
        method: the name in the user's recipe, if any.
    """
    if method in ("cut", "supervised") and base["method"]["name"] != method:
        return CONTROLS[str(method)](base)
    return base

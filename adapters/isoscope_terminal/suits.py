"""What each task would make of images: asked of the tasks themselves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from isoscope.errors import IsoscopeError

if TYPE_CHECKING:
    from isoscope.domain import Domain
    from isoscope.recipe import Recipe

__all__ = ["suits"]

_SIDES = ("source", "target")


def suits(domain: Domain) -> dict[str, dict[str, dict[str, Any]]]:
    """By task and side: whether it takes such images there, with which partner, and what it sets; or why not.

    Args:
        domain: the images as they are on disk.
    """
    from isoscope import kinds

    return {name: {side: _answer(name, side, domain) for side in _SIDES} for name in kinds.tasks}


def _partners(domain: Domain) -> Iterator[tuple[str, Domain]]:
    """What may stand on the other side, the images' own kind first."""
    yield "images of its own kind", domain
    plain = {"saliency_channel": 0, "channel_names": ()}
    grey = {"channels": 1, "rgb": False, "limits": domain.limits[:1], **plain}
    yield "single-channel images", domain.model_copy(update=grey)
    yield "RGB images", domain.model_copy(update={"channels": 3, "rgb": True, "limits": domain.limits[:1] * 3, **plain})


def _answer(name: str, side: str, domain: Domain) -> dict[str, Any]:
    from isoscope import kinds

    refused = ""
    for partner, other in _partners(domain):
        try:
            recipe = kinds.tasks[name](*(domain, other) if side == "source" else (other, domain))
        except IsoscopeError as error:
            refused = refused or str(error)
        except Exception as error:  # a plug-in of somebody's that fails must not spoil the look at an image
            return _no(f"the task failed ({type(error).__name__}: {error})".splitlines()[0])
        else:
            return {"fits": True, "with": partner, "sets": _keys(recipe, side), "why_not": None}
    return _no(refused)


def _no(why: str) -> dict[str, Any]:
    return {"fits": False, "with": None, "sets": {}, "why_not": why}


def _keys(recipe: Recipe, side: str) -> dict[str, Any]:
    """What the task says of this side and of the output, as recipe keys."""
    dumped = recipe.model_dump(mode="json", exclude_unset=True)
    kept = {key: dumped[key] for key in (side, "output") if key in dumped}
    return dict(_flat(kept))


def _flat(values: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{path}{key}.")
        else:
            yield f"{path}{key}", value

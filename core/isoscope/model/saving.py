"""Write a model: safetensors named by their hash, and the JSON that points at them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import nn

from isoscope import __version__
from isoscope.domain import Domain
from isoscope.durable import sha256, write_json, write_tensors
from isoscope.provenance import plugins_used
from isoscope.quantity import facts
from isoscope.recipe import Recipe

__all__ = ["save"]


def save(
    folder: Path, recipe: Recipe, source: Domain, target: Domain, networks: Mapping[str, nn.Module],
    kept: Mapping[str, Any] | None = None,
) -> None:  # fmt: skip
    """Write weights named by their hash, then `model.json` that points at them, then drop the old ones.

    Args:
        folder: of the model.
        recipe: it was trained with.
        source: domain A.
        target: domain B.
        networks: by direction.
        kept: which of a run's networks these are and what was seen of them; none: the newest.
    """
    folder.mkdir(parents=True, exist_ok=True)
    weights = {}
    for direction, network in networks.items():
        draft = folder / f"{direction}.safetensors"
        write_tensors(draft, network.state_dict())
        digest = sha256(draft)
        final = draft.with_name(f"{direction}-{digest[:12]}.safetensors")
        draft.replace(final)
        weights[direction] = {"file": final.name, "sha256": digest}
    write_json(
        folder / "model.json",
        {
            "format": 1,
            "isoscope": __version__,
            "recipe": recipe.model_dump(mode="json"),
            "source": source.model_dump(mode="json"),
            "target": target.model_dump(mode="json"),
            "weights": weights,
            # for people: what the weights of generators whose form is physics mean
            "parameters": {direction: found for direction, n in networks.items() if (found := facts(n))},
            "kept": kept,
            "plugins": plugins_used(recipe),
        },
    )
    current = {w["file"] for w in weights.values()}
    for old in folder.glob("*.safetensors"):
        if old.name not in current:
            old.unlink()

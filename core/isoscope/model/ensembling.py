"""One model of several runs: the mean of what their forward networks make."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from torch import nn

from isoscope import kinds
from isoscope.errors import DataError
from isoscope.model.loading import as_trained
from isoscope.model.predicting import Model
from isoscope.model.saving import save
from isoscope.parameters import Component, build

__all__ = ["ensemble"]


def ensemble(runs: Sequence[str | Path], folder: Path) -> Path:
    """Write a model whose forward network is the mean of those of runs; its way back is the first one's.

    Args:
        runs: runs or models of one recipe on the same images, but for the seed.
        folder: of the new model; `model` is made inside.

    Raises:
        DataError: for fewer than two runs, the same one twice, or runs that do not fit each other.
    """
    models = [as_trained(run, "a2b") for run in runs]
    _check(models, runs)
    first = models[0]
    inner = _forward(first, runs[0])
    component = Component.model_validate({"name": "ensemble", "inner": inner.model_dump(), "members": len(models)})
    network: nn.Module = build(kinds.generators, component, first.inputs, first.outputs)
    for member, model in zip(cast("Any", network).members, models, strict=True):
        member.load_state_dict(model.network.state_dict())
    recipe = first.recipe.replaced(method={"forward": component.model_dump()})
    networks = {"a2b": network}
    if "backward" in recipe.method.parameters:
        networks["b2a"] = as_trained(runs[0], "b2a").network
    made_of = {
        "ensemble": [{"run": str(run), "weights": model.sha256} for run, model in zip(runs, models, strict=True)]
    }
    save(folder / "model", recipe, first.inputs, first.outputs, networks, made_of)
    return folder


def _forward(model: Model, run: str | Path) -> Component:
    component = model.recipe.method.parameters.get("forward")
    if component is None:
        got = f"{run}: method {model.recipe.method.name!r} has no network called forward"
        raise DataError(f"{got}; expected one such as that of c2gan; choose other runs")
    return Component.model_validate(component)


def _check(models: Sequence[Model], runs: Sequence[str | Path]) -> None:
    different = len({model.sha256 for model in models})
    if different < max(2, len(models)):
        raise DataError(
            f"got {len(models)} runs, of which {different} differ; expected at least two, of different seeds; "
            f"train with other --seed"
        )
    first = models[0]
    for model, run in zip(models[1:], runs[1:], strict=True):
        if _forward(model, run) != _forward(first, runs[0]):
            raise DataError(f"{run} has another network than {runs[0]}; expected runs of one recipe; train it alike")
        if (model.inputs, model.outputs) != (first.inputs, first.outputs):
            raise DataError(
                f"{run} learned from other images than {runs[0]}, or with other limits; expected the same; train it on "
                f"the same images"
            )

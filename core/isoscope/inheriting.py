"""Begin a run with the weights of an old model's generators."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from isoscope import kinds, model
from isoscope.errors import RecipeError
from isoscope.normalisation import layers
from isoscope.parameters import Kind, schema
from isoscope.recipe import Recipe

if TYPE_CHECKING:
    from isoscope.run import Run

__all__ = ["inherit"]


def inherit(path: Path, run: Run) -> dict[str, Any]:
    """Give a run's generators the weights of the model at `path`; discriminators and optimisers start afresh.

    Returns:
        Which model, and the hashes of its weights.

    Raises:
        DataError: if there is no such model, or it lacks a direction.
        RecipeError: naming what differs between its networks and the run's.
    """
    digests = {}
    for direction in run.method.directions:
        old = model.as_trained(path, direction)
        inputs, outputs = run.domains if direction == "a2b" else run.domains[::-1]
        for mine, theirs in ((inputs, old.inputs), (outputs, old.outputs)):
            if mine.channels != theirs.channels:
                raise RecipeError(
                    f"--from {path}: its {theirs.name} has {theirs.channels} channels, these images have "
                    f"{mine.channels}; give images with as many, or train without --from"
                )
        _check_networks(path, old.recipe, run.recipe)
        _copy(path, old, run)
        digests[direction] = old.sha256
    run.average.synchronise()
    return {"model": str(path), "sha256": digests}


def _check_networks(path: Path, old: Recipe, new: Recipe) -> None:
    theirs, mine = dict(_networks(old)), dict(_networks(new))
    for key, value in theirs.items():
        if key in mine and mine[key] != value:
            raise RecipeError(
                f"--from {path}: {key} is {value} in it, but {mine[key]} in this recipe; expected equal networks; "
                f"add --set {key}={value}, or train without --from"
            )


def _networks(recipe: Recipe) -> Iterator[tuple[str, Any]]:
    """The recipe keys of a method's generators; a plug-in's name comes before its parameters."""
    said = recipe.method.model_dump(mode="json")  # as in a file: there is no tuple
    for name, info in schema(kinds.methods[recipe.method.name]).model_fields.items():
        if any(isinstance(m, Kind) and m.name == "generators" for m in info.metadata):
            yield from _flat(said.get(name), f"method.{name}")


def _flat(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _flat(inner, f"{path}.{key}")
    else:
        yield path, value


def _copy(path: Path, old: model.Model, run: Run) -> None:
    """The old weights into the live and the averaged network; their statistics are those of other images."""
    for network in (run.method.generator(old.direction), run.average.networks[old.direction]):
        try:
            network.load_state_dict(old.network.state_dict())
        except RuntimeError as error:
            cause = " ".join(str(error).split())[:200]
            raise RecipeError(f"--from {path}: its networks are not those of this recipe ({cause})") from error
        for layer in layers(network):
            layer.freeze(False)

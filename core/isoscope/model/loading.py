"""Read a model from safetensors and JSON, and refuse what is damaged or would need what is not installed."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, get_args

import torch
from torch import nn

from isoscope import kinds
from isoscope.dependency import depth_halo, halo
from isoscope.domain import Domain
from isoscope.durable import read_json, sha256
from isoscope.errors import DataError, PluginError
from isoscope.importing import one_line
from isoscope.kinds import Direction
from isoscope.migrating import migrated
from isoscope.model.predicting import Model, chosen, ready
from isoscope.normalisation import layers
from isoscope.parameters import build
from isoscope.provenance import changed, check_installed
from isoscope.recipe import Normalisation, Recipe, parse
from isoscope.registry import to_get
from isoscope.terms import Terms

__all__ = ["as_trained", "load"]

_log = logging.getLogger(__name__)


def _home(path: Path) -> Path:
    """The folder that holds model.json: a run, or the model inside it."""
    for folder in (path / "model", path):
        if (folder / "model.json").is_file():
            return folder
    if not path.exists():
        raise DataError(f"no run at {path}; expected a folder that `isoscope train --out` wrote")
    raise DataError(f"{path} holds no model; expected a folder that `isoscope train --out` wrote; resume or train it")


def _network(recipe: Recipe, source: Domain, target: Domain, direction: Direction) -> nn.Module:
    """The bare generator, built as the method builds it."""
    patch = (recipe.training.patch, recipe.training.patch)
    method = build(kinds.methods, recipe.method, source, target, Terms(recipe.losses), patch)
    if direction not in method.directions:
        known = ", ".join(method.directions)
        raise DataError(
            f"the model maps {known} only, not {direction}; expected a direction it learned; choose another, or train "
            f"with a method that learns both, such as c2gan"
        )
    return method.generator(direction)


def _weights(home: Path, entry: Mapping[str, str], network: nn.Module, used: Sequence[Mapping[str, str]]) -> None:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    path = home / Path(entry["file"]).name
    try:
        if sha256(path) != entry["sha256"]:
            raise DataError(f"{path} is not the file the model was saved with (sha256 differs); restore or retrain it")
        network.load_state_dict(load_file(path))
    except (OSError, RuntimeError, SafetensorError) as error:
        _refuse_other_networks(path, error, used)
        raise DataError(f"{path} cannot be loaded ({str(error).splitlines()[0]}); restore or retrain it") from error


def _refuse_other_networks(path: Path, error: Exception, used: Sequence[Mapping[str, str]]) -> None:
    """Where weights do not fit, name what builds networks: in both versions where another is installed now."""
    if not isinstance(error, RuntimeError):
        return
    makers = [p for p in used if p["kind"] in ("generators", "methods")]
    said = f"{path} does not fit the network that"
    if moved := changed(makers):
        now = " and ".join(plugin.label for plugin, _ in moved)
        versions = " and ".join(f"{p['distribution']} {p['version']}" for _, p in moved)
        get = "; ".join(dict.fromkeys(to_get(p["distribution"], p["version"]) for _, p in moved))
        wanted = f"expected {versions}, with which it was trained; {get}, or train again"
        raise PluginError(f"{said} {now} builds ({one_line(error)}); {wanted}") from error
    # the file is what was saved, so that the code has changed and its version has not
    now = " and ".join(kinds.REGISTRIES[p["kind"]].describe(p["name"]).label for p in makers)
    wanted = "expected the code that it was trained with, whose version is the same; install that, or train again"
    raise PluginError(f"{said} {now} builds ({one_line(error)}); {wanted}") from error


def _described(home: Path) -> tuple[Recipe, Domain, Domain, dict[str, dict[str, str]], list[dict[str, str]]]:
    """What model.json says: recipe, both domains, the weights of each direction, and the plug-ins."""
    try:
        facts = read_json(home / "model.json")
        if facts["format"] != 1:
            got = f"format {facts['format']}, written by isoscope {facts.get('isoscope')}"
            raise DataError(f"{home / 'model.json'} has {got}; expected format 1; upgrade isoscope")
        check_installed(facts["plugins"], "the model")
        recipe = parse(migrated(facts["recipe"], facts["plugins"]), str(home / "model.json"))
        source, target = Domain.model_validate(facts["source"]), Domain.model_validate(facts["target"])
        weights = {d: {k: str(w[k]) for k in ("file", "sha256")} for d, w in facts["weights"].items()}
    except (AttributeError, ValueError, KeyError, TypeError) as error:
        cause = str(error).splitlines()[0]
        raise DataError(f"{home / 'model.json'} is damaged ({cause}); restore or retrain it") from error
    return recipe, source, target, weights, facts["plugins"]


def load(
    path: str | Path, direction: Direction = "a2b", device: torch.device | str = "cpu", *,
    normalisation: Normalisation | None = None, precision: Literal["float32", "bfloat16"] | None = None,
) -> Model:  # fmt: skip
    """Load one direction of a run or model folder, ready to predict. No code of the model's is executed.

    Args:
        path: a run or the model inside it.
        direction: "a2b" or "b2a".
        device: where its network goes.
        normalisation: which statistics normalisations use; none: the recipe's choice.
        precision: what its network computes in; none: the recipe's choice.

    Raises:
        DataError: if there is no model, it is damaged, or it does not have this direction.
        RecipeError: for a normalisation or precision that does not exist, or does not go with the other.
        PluginError: if a plug-in it was trained with is missing, or takes other parameters in the version that is
            installed; naming the distribution and version to install.
    """
    made = _loaded(path, direction, torch.device(device), normalisation, precision)
    if normalisation in ("dense", "tile") and not any(True for _ in layers(made.network)):
        _log.warning("the network normalises nothing: %s statistics make no difference", normalisation)
    return made


def as_trained(path: str | Path, direction: Direction) -> Model:
    """One direction of a run or model folder with its network as it was trained, nothing folded into convolutions.

    Raises:
        DataError, RecipeError, PluginError: as `load`.
    """
    return _loaded(path, direction, torch.device("cpu"), "tile", "float32")


def _loaded(
    path: str | Path, direction: Direction, device: torch.device, normalisation: Normalisation | None,
    precision: Literal["float32", "bfloat16"] | None,
) -> Model:  # fmt: skip
    if direction not in get_args(Direction):
        raise DataError(f"got direction {direction!r}; expected a2b or b2a")
    home = _home(Path(path))
    recipe, source, target, weights, used = _described(home)
    network = _network(recipe, source, target, direction)
    if direction not in weights:
        raise DataError(f"{home / 'model.json'} is damaged (no weights for {direction}); restore or retrain it")
    _weights(home, weights[direction], network, used)
    inputs, outputs = (source, target) if direction == "a2b" else (target, source)
    stride = int(network.stride)  # type: ignore[arg-type]
    reach = halo(network.eval(), inputs.channels, stride)
    how = chosen(recipe, normalisation, precision)
    above = depth_halo(network, inputs.plane.channels) if getattr(network, "volumetric", False) else None
    network = ready(network.requires_grad_(False), inputs.channels, how, device)
    return Model(
        recipe, direction, inputs, outputs, network, stride, reach, weights[direction]["sha256"], home.resolve(),
        how.normalisation, how.precision, above=above,
    )  # fmt: skip

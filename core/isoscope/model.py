"""A trained transformation on disk: safetensors and JSON, nothing that could run code when loaded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import torch
from torch import nn

from isoscope import __version__, kinds
from isoscope.dependency import halo
from isoscope.domain import Domain
from isoscope.durable import read_json, sha256, write_json, write_tensors
from isoscope.errors import DataError, PluginError
from isoscope.intensity import Intensity
from isoscope.kinds import Direction
from isoscope.parameters import build
from isoscope.provenance import plugins_used
from isoscope.recipe import DomainRecipe, Recipe, parse
from isoscope.terms import Terms

__all__ = ["Model", "load", "save"]


@dataclass(frozen=True, slots=True)
class Model:
    """One direction of a trained method, ready to predict.

    Attributes:
        recipe: the resolved recipe it was trained with.
        direction: "a2b" or "b2a".
        inputs, outputs: the domains it reads and writes.
        network: the generator, in evaluation mode, statistics frozen.
        stride: total stride of the network.
        halo: pixels around a tile that its output depends on; None if on the whole tile.
        sha256: hash of the weights.
    """

    recipe: Recipe
    direction: Direction
    inputs: Domain
    outputs: Domain
    network: nn.Module
    stride: int
    halo: int | None
    sha256: str

    @property
    def reads(self) -> DomainRecipe:
        """How the images it reads were prepared in training."""
        return self.recipe.source if self.direction == "a2b" else self.recipe.target

    @property
    def writes(self) -> DomainRecipe:
        """How the images it learned to write were prepared in training."""
        return self.recipe.target if self.direction == "a2b" else self.recipe.source

    @torch.inference_mode()
    def __call__(self, values: torch.Tensor) -> torch.Tensor:
        """Prepared grey values [C_in, H, W] -> grey values [C_out, H, W], float32; H and W multiples of the stride."""
        device = next((p.device for p in self.network.parameters()), torch.device("cpu"))
        x = Intensity(self.inputs.limits).normalise(values[None].to(device, torch.float32))
        y = self.network(x.contiguous(memory_format=torch.channels_last))
        return Intensity(self.outputs.limits).grey_values(y.float())[0].cpu()


def save(folder: Path, recipe: Recipe, source: Domain, target: Domain, networks: Mapping[str, nn.Module]) -> None:
    """Write weights named by their hash, then `model.json` that points at them, then drop the old ones."""
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
            "plugins": plugins_used(recipe),
        },
    )
    current = {w["file"] for w in weights.values()}
    for old in folder.glob("*.safetensors"):
        if old.name not in current:
            old.unlink()


def _home(path: Path) -> Path:
    """The folder that holds model.json: a run, or the model inside it."""
    for folder in (path / "model", path):
        if (folder / "model.json").is_file():
            return folder
    if not path.exists():
        raise DataError(f"no run at {path}; expected a folder that `isoscope train --out` wrote")
    raise DataError(f"{path} holds no model; expected a folder that `isoscope train --out` wrote; resume or train it")


def _check_plugins(facts: dict[str, Any]) -> None:
    for used in facts["plugins"]:
        registry = kinds.REGISTRIES[used["kind"]]
        if used["name"] not in registry:
            owner = f"{used['distribution']}=={used['version']}"
            raise PluginError(f"the model needs {used['kind']} plug-in {used['name']!r}; pip install {owner}")


def _network(recipe: Recipe, source: Domain, target: Domain, direction: Direction) -> nn.Module:
    """The bare generator, built as the method builds it."""
    patch = (recipe.training.patch, recipe.training.patch)
    method = build(kinds.methods, recipe.method, source, target, Terms(recipe.losses), patch)
    if direction not in method.directions:
        known = ", ".join(method.directions)
        raise DataError(f"the model maps {known} only, not {direction}; choose another --direction")
    return method.generator(direction)


def _weights(home: Path, entry: Mapping[str, str], network: nn.Module) -> None:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    path = home / Path(entry["file"]).name
    try:
        if sha256(path) != entry["sha256"]:
            raise DataError(f"{path} is not the file the model was saved with (sha256 differs); restore or retrain it")
        network.load_state_dict(load_file(path))
    except (OSError, RuntimeError, SafetensorError) as error:
        raise DataError(f"{path} cannot be loaded ({str(error).splitlines()[0]}); restore or retrain it") from error


def load(path: str | Path, direction: Direction = "a2b", device: torch.device | str = "cpu") -> Model:
    """Load one direction of a run or model folder. No code of the model's is executed.

    Raises:
        DataError: if there is no model, it is damaged, or it does not have this direction.
        PluginError: if a plug-in it was trained with is missing, naming the distribution to install.
    """
    if direction not in get_args(Direction):
        raise DataError(f"got direction {direction!r}; expected a2b or b2a")
    home = _home(Path(path))
    try:
        facts = read_json(home / "model.json")
        if facts["format"] != 1:
            got = f"format {facts['format']}, written by isoscope {facts.get('isoscope')}"
            raise DataError(f"{home / 'model.json'} has {got}; expected format 1; upgrade isoscope")
        _check_plugins(facts)
        recipe = parse(facts["recipe"], str(home / "model.json"))
        source, target = Domain.model_validate(facts["source"]), Domain.model_validate(facts["target"])
        weights = {d: {k: str(w[k]) for k in ("file", "sha256")} for d, w in facts["weights"].items()}
    except (AttributeError, ValueError, KeyError, TypeError) as error:
        cause = str(error).splitlines()[0]
        raise DataError(f"{home / 'model.json'} is damaged ({cause}); restore or retrain it") from error
    network = _network(recipe, source, target, direction)
    if direction not in weights:
        raise DataError(f"{home / 'model.json'} is damaged (no weights for {direction}); restore or retrain it")
    _weights(home, weights[direction], network)
    network = network.eval().requires_grad_(False).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    inputs, outputs = (source, target) if direction == "a2b" else (target, source)
    stride = int(network.stride)
    reach = halo(network, inputs.channels, stride)
    return Model(recipe, direction, inputs, outputs, network, stride, reach, weights[direction]["sha256"])

"""Everything that training needs to go on exactly where it stopped, in safetensors and JSON."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from isoscope.durable import read_json, sync_folder, write_json, write_tensors
from isoscope.errors import DataError

__all__ = ["latest", "load", "save"]

_KEPT = 2


def _flat_optimiser(optimiser: torch.optim.Optimizer, prefix: str) -> tuple[dict[str, Tensor], list[Any]]:
    state = optimiser.state_dict()
    tensors = {f"{prefix}/{i}/{k}": torch.as_tensor(v) for i, entry in state["state"].items() for k, v in entry.items()}
    return tensors, state["param_groups"]


def _nested_optimiser(tensors: Mapping[str, Tensor], prefix: str, groups: list[Any]) -> dict[str, Any]:
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        if key.startswith(f"{prefix}/"):
            _, _, index, name = key.split("/")
            state.setdefault(int(index), {})[name] = value
    return {"state": state, "param_groups": groups}


def _as_laid_out(optimiser: torch.optim.Optimizer) -> None:
    """Give moments the memory layout of their weights: fused Adam walks both as plain memory, whatever the strides."""
    for group in optimiser.param_groups:
        for p in group["params"]:
            for key, value in optimiser.state.get(p, {}).items():
                if value.shape == p.shape:
                    optimiser.state[p][key] = torch.empty_like(p, dtype=value.dtype, requires_grad=False).copy_(value)


def save(
    folder: Path, step: int, modules: Mapping[str, torch.nn.Module],
    optimisers: Mapping[str, torch.optim.Optimizer], facts: Mapping[str, Any],
) -> None:  # fmt: skip
    """Write a checkpoint under `folder`/step-N, then point `latest.json` at it; the last two are kept.

    Args:
        folder: the run's checkpoints folder.
        step: steps done.
        modules: modules whose `state_dict` is saved, by name.
        optimisers: optimisers, by name.
        facts: anything else, JSON-serialisable.
    """
    tensors = {f"{name}/{k}": v for name, m in modules.items() for k, v in m.state_dict().items()}
    groups = {}
    for name, optimiser in optimisers.items():
        flat, groups[name] = _flat_optimiser(optimiser, f"optimiser/{name}")
        tensors |= flat
    home = folder / f"step-{step:08d}"
    home.mkdir(parents=True, exist_ok=True)
    write_tensors(home / "state.safetensors", tensors)
    write_json(home / "state.json", {"step": step, "groups": groups, **facts})
    sync_folder(folder)
    write_json(folder / "latest.json", {"checkpoint": home.name})
    # what a longer run left behind counts as older, or it would push out the one just written
    for old in sorted(folder.glob("step-*"), key=lambda p: (p.name <= home.name, p.name))[:-_KEPT]:
        shutil.rmtree(old)


def latest(folder: Path) -> Path | None:
    """The newest complete checkpoint, or None: the one pointed at, or else the last whose facts were written."""
    complete = {home.parent.name for home in folder.glob("step-*/state.json")}
    try:
        pointed = read_json(folder / "latest.json")["checkpoint"]
    except (OSError, ValueError, KeyError):
        pointed = None
    name = pointed if pointed in complete else max(complete, default=None)
    return folder / name if name else None


def load(
    home: Path, modules: Mapping[str, torch.nn.Module], optimisers: Mapping[str, torch.optim.Optimizer]
) -> dict[str, Any]:
    """Restore modules and optimisers in place and return the facts.

    Raises:
        DataError: if the checkpoint is damaged or belongs to other networks.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        facts = read_json(home / "state.json")
        tensors = load_file(home / "state.safetensors")
        for name, module in modules.items():
            prefix = f"{name}/"
            module.load_state_dict({k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)})
        for name, optimiser in optimisers.items():
            optimiser.load_state_dict(_nested_optimiser(tensors, f"optimiser/{name}", facts["groups"][name]))
            _as_laid_out(optimiser)
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
        cause = str(error).splitlines()[0]
        raise DataError(
            f"checkpoint {home} is damaged ({cause}); remove its folder to go on from an older one"
        ) from error
    return facts

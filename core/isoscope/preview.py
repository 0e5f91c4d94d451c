"""What a run does to one fixed patch of each domain, as a picture to look at while it trains."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from isoscope.domain import Domain
from isoscope.intensity import Intensity
from isoscope.pictures import Picture, panel, to_display
from isoscope.writing.whole import write_whole

if TYPE_CHECKING:
    from isoscope.run import Run

__all__ = ["picture", "save"]


def save(run: Run, step: int) -> None:
    """Write `picture(run)` under the run's previews, named after the step."""
    path = run.folder / "previews" / f"step-{step:08d}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, picture(run), "YXC")


@torch.inference_mode()
def picture(run: Run) -> Picture:
    """The first patch of each domain and what becomes of it: a, G(a), b, F(b), side by side.

    The networks are the averaged ones, in the state that the run is in; each picture is stretched to its domain's
    limits, so that a shift of grey values shows.
    """
    parts: list[Picture] = []
    for side, direction in enumerate(("a2b", "b2a")):
        if direction in run.average.networks:
            inputs, outputs = run.domains[side], run.domains[1 - side]
            real = run.samplers[side].one(0, 0).to(run.device)
            parts += [_shown(real, inputs), _shown(_applied(run.average.networks[direction], real), outputs)]
    return panel(parts)


def _applied(network: nn.Module, real: Tensor) -> Tensor:
    made: Tensor = network(real.contiguous(memory_format=torch.channels_last))
    return made.float()


def _shown(patch: Tensor, domain: Domain) -> Picture:
    """One normalised patch [1, C, H, W] for the screen; of channels that make no picture, the middle one."""
    values: NDArray[Any] = Intensity(domain.limits).grey_values(patch)[0].cpu().numpy()
    limits = np.asarray(domain.limits)
    if len(values) not in (1, 3):
        middle = len(values) // 2
        values, limits = values[middle : middle + 1], limits[middle : middle + 1]
    return to_display(values, (float(limits[:, 0].min()), float(limits[:, 1].max())))

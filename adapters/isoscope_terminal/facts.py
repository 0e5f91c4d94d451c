"""What was found in a domain, in words and as data."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from isoscope.domain import Domain
    from isoscope.proposal import Proposal
    from isoscope.recipe import Recipe, Training
    from isoscope.run import Run
    from isoscope.volume import Volume

__all__ = [
    "announced",
    "counted",
    "describe",
    "domain_facts",
    "domains_said",
    "gains_said",
    "length",
    "parameters_said",
    "preset_reason",
    "sized",
]

_CONTRAST = 1.5
"""Times as much contrast as the other set, or as little, from which on it is doubted that it is the camera's."""
_POLARITY = {1: "bright", -1: "dark", 0: "undetermined"}


def counted(number: int, thing: str) -> str:
    """1 image, 2 images."""
    return f"{number} {thing}" + ("" if number == 1 else "s")


def sized(size: float) -> str:
    """512 KiB, 3.4 GiB."""
    units = ("B", "KiB", "MiB", "GiB", "TiB")
    power = min(len(units) - 1, max(0, int(math.log2(max(1.0, size)) // 10)))
    return f"{size / 1024**power:.3g} {units[power]}"


def domain_facts(domain: Domain, volumes: Sequence[Volume]) -> dict[str, Any]:
    """What was measured of a domain, ready for JSON."""
    return {
        "images": len(volumes), "channels": domain.channels, "channel_names": list(domain.channel_names),
        "rgb": domain.rgb, "dtype": domain.dtype, "pixel_size_zyx": domain.pixel_size, "unit": domain.unit,
        "limits": [list(pair) for pair in domain.limits], "foreground": domain.foreground,
        "threshold": domain.threshold, "polarity": _POLARITY[domain.polarity],
    }  # fmt: skip


def describe(domain: Domain, volumes: Sequence[Volume]) -> list[str]:
    """The same facts as short lines for people."""
    colour = "red, green, blue" if domain.rgb else counted(domain.channels, "channel")
    size = "unknown" if domain.pixel_size is None else " x ".join(f"{s:g}" for s in domain.pixel_size)
    limits = ", ".join(f"{low:g} to {high:g}" for low, high in domain.limits)
    side = {1: "above", -1: "below", 0: "beyond"}[domain.polarity]
    return [
        f"{counted(len(volumes), 'image')}, {colour}, {domain.dtype}",
        f"pixel size (z, y, x): {size}" + ("" if domain.pixel_size is None else f" {domain.unit}"),
        f"intensity limits in grey values: {limits}",
        f"content is {_POLARITY[domain.polarity]}: {domain.foreground:.0%} of the area, "
        f"{side} a threshold of {domain.threshold:.4g}",
    ]


def preset_reason(asked: str | None, stated: str | None, picked: str) -> str:
    """The preset in words, and who chose it.

    Args:
        asked: on the command line.
        stated: in the recipe file.
        picked: what the run uses.
    """
    if asked not in (None, "auto"):
        return f"preset {picked} (as asked)"
    if stated not in (None, "auto"):
        return f"preset {picked} (from the recipe)"
    why = "an accelerator was found" if picked == "default" else "torch finds no accelerator here"
    return f"preset {picked} (auto: {why})"


def domains_said(proposal: Proposal, source: Sequence[Volume], target: Sequence[Volume]) -> list[str]:
    """Both domains, one line each."""
    both = ((proposal.source, source), (proposal.target, target))
    return [f"{domain.name}: " + "; ".join(describe(domain, volumes)) for domain, volumes in both]


def parameters_said(run: Run, when: str) -> list[str]:
    """What generators whose form is physics were measured or learned to be, a line each."""
    from isoscope.quantity import described

    lines = []
    for direction, network in run.average.networks.items():
        if found := described(network):
            values = "; ".join(f"{name.replace('_', ' ')} {quantity}" for name, quantity in found.items())
            lines.append(f"{direction} {when} {values}")
    return lines


def gains_said(run: Run) -> list[str]:
    """A note where a camera was measured to have another contrast, which other content in the sets looks like too."""
    from isoscope.parameters import Component
    from isoscope.quantity import described

    notes = []
    for direction, network in run.average.networks.items():
        side = {"a2b": "forward", "b2a": "backward"}[direction]
        gain, component = described(network).get("gain"), run.recipe.method.parameters.get(side)
        if gain is None or component is None or Component.model_validate(component).parameters.get("gain") is not None:
            continue
        factor = max(max(v, 1 / v) for v in gain.values)
        if factor > _CONTRAST:
            notes.append(
                f"note: source and target differ in contrast by a factor of {factor:.2g}, if what they show is equally "
                f"bright; if instead both were recorded and saved alike, say so: --set method.{side}.gain=1 --set "
                f"method.{side}.offset=0"
            )
    return notes


def length(t: Training) -> str:
    """How long training is to take, in words."""
    steps = counted(t.steps, "step")
    if not t.minutes:
        return steps
    return f"about {t.minutes:g} min" + ("" if t.passes is None else f", {steps} at most")


def announced(recipe: Recipe, out: Path) -> str:
    """How long a run is to be, on what, and where to."""
    t = recipe.training
    return f"{length(t)}, batches of {t.batch} patches of {t.patch} x {t.patch} px, seed {t.seed}; writing {out}"

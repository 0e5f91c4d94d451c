"""What the commands that compare have in common: one split of images, a folder to go on in, progress of many arms."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from isoscope.errors import DataError
from isoscope_terminal.progress import Live, training_line
from isoscope_terminal.readers import Reading

if TYPE_CHECKING:
    from isoscope.baselines import Baseline
    from isoscope.comparison import Entrant, ImageSets
    from isoscope.training import Progress

__all__ = ["SETS", "Shown", "check_folder", "checked", "offers_for", "offers_said", "opened", "reads_grey"]

SETS = ("source", "target", "test_source", "test_truth", "pairs_source", "pairs_target")
"""The sets of images, as their options are called."""


def check_folder(out: Path) -> None:
    """Refuse a folder that holds anything but a comparison to go on with."""
    if out.exists() and not (out / "arms").is_dir() and (not out.is_dir() or any(out.iterdir())):
        raise DataError(f"{out} exists and is no comparison; expected a new folder or one to go on in; choose another")


def opened(places: Mapping[str, str | None], reading: Reading) -> ImageSets:
    """The images.

    Args:
        places: where the sets are, by SETS.
        reading: how their files are read.

    Raises:
        DataError: for a set that is missing.
    """
    from isoscope.comparison import ImageSets
    from isoscope.sources import open_all

    if (places["pairs_source"] is None) != (places["pairs_target"] is None):
        raise DataError("got one of --pairs-source and --pairs-target; expected both or neither; give the other too")
    found = {name: open_all(where, reading.of(name)) for name, where in places.items() if where is not None}
    pairs = (found.pop("pairs_source"), found.pop("pairs_target")) if "pairs_source" in found else None
    return ImageSets(**found, pairs=pairs)


def checked(sets: ImageSets, entrants: Sequence[Entrant]) -> ImageSets:
    """The images as all recipes read them, checked against each other.

    Raises:
        DataError: for a set that does not match its other half, or was learned from and is tested.
    """
    from isoscope.comparison import scale_of

    seen = sets.on_grid(scale_of(entrants))
    seen.check()
    return seen


def reads_grey(entrants: Sequence[Entrant]) -> bool:
    """Whether baselines read RGB as luminance: what they read is what the models read."""
    return any(entrant.recipe.source.grey for entrant in entrants)


def offers_for(sets: ImageSets, entrants: Sequence[Entrant]) -> dict[str, Callable[[], Baseline]]:
    """The filters and tables that fit these images, as recipes read them; of volumes only interpolation."""
    from isoscope.baselines import offers
    from isoscope.comparison import scale_of

    seen, recipe = sets.on_grid(scale_of(entrants)), entrants[0].recipe
    found = offers(seen.source, seen.target, seen.pairs, grey=reads_grey(entrants), planes=recipe.output.planes)
    # filters here work plane by plane, across the direction that is restored
    return {"input": found["input"]} if recipe.source.prepare.sides and "input" in found else found


def offers_said(names: Iterable[str], sets: ImageSets) -> str:
    """Which filters and tables take part, in a line."""
    how = "filters are tuned on the pairs" if sets.pairs else "there are no pairs to tune filters on"
    return f"baselines: {', '.join(names) or 'none fits these channels'}; {how}"


@dataclass(slots=True)
class Shown:
    """Progress of all arms in one line."""

    live: Live
    label: str = ""

    def arm(self, name: str, doing: str, number: int, of: int) -> None:
        """An arm begins."""
        self.label = f"{name} ({doing})"
        self.live.update(number - 1, of, self.label)

    def training(self, progress: Progress) -> None:
        """It trains."""
        self.live.update(progress.step, progress.total, f"{self.label}  {training_line(progress)}")

"""`isoscope compare`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from isoscope.errors import DataError, RecipeError, nearest
from isoscope_terminal import options
from isoscope_terminal.checks import check_split
from isoscope_terminal.entering import entered, named, told
from isoscope_terminal.facts import counted
from isoscope_terminal.progress import Live
from isoscope_terminal.readers import Reading, reads
from isoscope_terminal.standings import standings
from isoscope_terminal.stopping import stoppable
from isoscope_terminal.voice import Voice
from isoscope_terminal.wishes import duration_keys

if TYPE_CHECKING:
    from isoscope.comparison import Entrant, ImageSets, Scored
    from isoscope.training import Progress

__all__ = ["compare"]

_WHERE = "file, store, folder or quoted glob"


@reads("source", "target", "test_source", "test_truth", "pairs_source", "pairs_target")
def compare(
    recipes: Annotated[
        list[str], typer.Argument(metavar="RECIPE...", help="YAML files as `init` writes them, or names of presets.")
    ],
    source: options.Source,
    target: options.Target,
    test_source: Annotated[str, typer.Option("--test-source", help=f"Images to be scored, as inputs: {_WHERE}.")],
    test_truth: Annotated[str, typer.Option("--test-truth", help="What they should become, in the same order.")],
    out: options.Out,
    reading: Reading,
    pairs_source: Annotated[
        str | None, typer.Option("--pairs-source", help="Inputs of pairs, for supervised methods and to tune filters.")
    ] = None,
    pairs_target: Annotated[str | None, typer.Option("--pairs-target", help="Their truths, in the same order.")] = None,
    baselines: Annotated[
        bool, typer.Option("--baselines", help="Filters and look-up tables beside the recipes, as far as they fit.")
    ] = False,
    task: Annotated[str | None, typer.Option(help="What presets are to learn; recipe files say it themselves.")] = None,
    steps: Annotated[int | None, typer.Option("--steps", min=1, help="Train every recipe this many steps.")] = None,
    minutes: options.Minutes = None,
    seed: options.Seed = None,
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="Train every recipe from this many seeds.")] = 1,
    reference: Annotated[
        str | None, typer.Option("--reference", help="The arm that differences are taken to; else the first recipe.")
    ] = None,
    data_range: Annotated[
        tuple[float, float] | None,
        typer.Option(metavar="LO HI", help="Lowest and highest grey value; else from the truth's type, or range."),
    ] = None,
    set_: options.Set = None,
    as_json: options.Json = False,
) -> None:
    """Train recipes and score them on one split, beside filters: a table with 95 % intervals, and a sheet of pictures.

    What is done is kept in OUT, each arm by its settings: the same command goes on after Ctrl-C, and with more recipes
    or seeds it trains only those.
    """
    from isoscope import comparison
    from isoscope.baselines import offers

    voice = Voice(as_json)
    _check_folder(out)
    check_split(source, target, voice)
    places = {
        "source": source, "target": target, "test_source": test_source, "test_truth": test_truth,
        "pairs_source": pairs_source, "pairs_target": pairs_target,
    }  # fmt: skip
    sets = _opened(places, reading)
    sets.check()
    changes = {"overrides": set_ or [], "more": duration_keys(steps, minutes, seed)}
    entrants = entered(recipes, sets, task, changes, seeds)
    # what a baseline reads is what the models read
    grey = any(entrant.recipe.source.grey for entrant in entrants)
    planes = entrants[0].recipe.output.planes
    offered = offers(sets.source, sets.target, sets.pairs, grey=grey, planes=planes) if baselines else {}
    _check_names([*offered, *map(named, recipes)], reference)
    _say(voice, sets, entrants, out)
    if baselines:
        voice.say(_offered(offered, sets))
    with stoppable() as stop, Live("comparing") as live:
        shown = _Shown(live)
        watch = comparison.Watch(shown.arm, shown.training, stop)
        scored = comparison.run(entrants, offered, sets, out, data_range=data_range, grey=grey, watch=watch)
    document = comparison.document(scored, reference) | {"out": str(out)}
    _kept(document, scored, sets, out, voice)


def _check_folder(out: Path) -> None:
    """A comparison goes on in its own folder only."""
    if out.exists() and not (out / "arms").is_dir() and (not out.is_dir() or any(out.iterdir())):
        raise DataError(f"{out} exists and is no comparison; expected a new folder or one to go on in; choose another")


def _check_names(names: Sequence[str], reference: str | None) -> None:
    """Arms are told apart by their names alone."""
    for name in names:
        if names.count(name) > 1:
            raise RecipeError(f"got two arms called {name!r}; expected a name for each; rename the recipe file")
    if reference is not None and reference not in names:
        raise DataError(f"no arm is called {reference!r}; {nearest(reference, names)}")


def _opened(places: Mapping[str, str | None], reading: Reading) -> ImageSets:
    from isoscope.comparison import ImageSets
    from isoscope.sources import open_all

    if (places["pairs_source"] is None) != (places["pairs_target"] is None):
        raise DataError("got one of --pairs-source and --pairs-target; expected both or neither; give the other too")
    found = {name: open_all(where, reading.of(name)) for name, where in places.items() if where is not None}
    pairs = (found.pop("pairs_source"), found.pop("pairs_target")) if "pairs_source" in found else None
    return ImageSets(**found, pairs=pairs)


def _say(voice: Voice, sets: ImageSets, entrants: Sequence[Entrant], out: Path) -> None:
    pairs = counted(len(sets.pairs[0]), "pair") if sets.pairs else "no pairs"
    voice.say(
        f"{counted(len(sets.source), 'source')}, {counted(len(sets.target), 'target')}, {pairs}; "
        f"{counted(len(sets.test_truth), 'test image')}; writing {out}"
    )
    for entrant in entrants:
        voice.say(f"{entrant.name}: {told(entrant)}")


def _offered(names: Iterable[str], sets: ImageSets) -> str:
    how = "filters are tuned on the pairs" if sets.pairs else "there are no pairs to tune filters on"
    return f"baselines: {', '.join(names) or 'none fits these channels'}; {how}"


@dataclass(slots=True)
class _Shown:
    """Progress of all arms in one line."""

    live: Live
    label: str = ""

    def arm(self, name: str, doing: str, number: int, of: int) -> None:
        self.label = f"{name} ({doing})"
        self.live.update(number - 1, of, self.label)

    def training(self, progress: Progress) -> None:
        from isoscope_terminal.progress import training_line

        self.live.update(progress.step, progress.total, f"{self.label}  {training_line(progress)}")


def _kept(document: dict[str, Any], scored: Sequence[Scored], sets: ImageSets, out: Path, voice: Voice) -> None:
    """Files, then the table."""
    from isoscope.comparison import sheet, write_csv
    from isoscope.durable import write_json
    from isoscope_terminal.drawing import draw

    rgb = sets.test_truth[0].header.rgb
    write_json(out / "comparison.json", document)
    write_csv(out / "scores.csv", scored)
    draw(out / "sheet.png", sheet(scored, sets, document["reference"], "psnr" if rgb else "psnr_affine"))
    columns, rows, notes = standings(document, rgb)
    voice.table(columns, rows, numbers=True)
    for note in notes:
        voice.say(note)
    voice.finish(f"table: {out / 'comparison.json'}, {out / 'scores.csv'}; pictures: {out / 'sheet.png'}", document)

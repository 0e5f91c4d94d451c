"""`isoscope compare`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from isoscope.errors import DataError, RecipeError, nearest
from isoscope_terminal import options
from isoscope_terminal.checks import check_split
from isoscope_terminal.comparing import SETS, Shown, check_folder, checked, offers_for, offers_said, opened, reads_grey
from isoscope_terminal.entering import entered, named, told
from isoscope_terminal.facts import counted
from isoscope_terminal.progress import Live
from isoscope_terminal.readers import Reading, reads
from isoscope_terminal.standings import standings
from isoscope_terminal.stopping import stoppable
from isoscope_terminal.voice import Voice
from isoscope_terminal.wishes import duration_keys

if TYPE_CHECKING:
    from isoscope.baselines import Baseline
    from isoscope.comparison import Entrant, ImageSets, Scored

__all__ = ["compare", "contested"]


@reads(*SETS)
def compare(
    recipes: options.Recipes,
    source: options.Source,
    target: options.Target,
    test_source: options.TestSource,
    test_truth: options.TestTruth,
    out: options.Out,
    reading: Reading,
    pairs_source: options.PairsSource = None,
    pairs_target: options.PairsTarget = None,
    baselines: options.Baselines = False,
    task: options.PresetTask = None,
    steps: Annotated[int | None, typer.Option("--steps", min=1, help="Train every recipe this many steps.")] = None,
    minutes: options.Minutes = None,
    seed: options.Seed = None,
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="Train every recipe from this many seeds.")] = 1,
    reference: Annotated[
        str | None, typer.Option("--reference", help="The arm that differences are taken to; else the first recipe.")
    ] = None,
    data_range: options.DataRange = None,
    set_: options.Set = None,
    as_json: options.Json = False,
) -> None:
    """Train recipes and score them on one split, beside filters: a table with 95 % intervals, and a sheet of pictures.

    What is done is kept in OUT, each arm by its settings: the same command goes on after Ctrl-C, and with more recipes
    or seeds it trains only those.
    """
    voice = Voice(as_json)
    check_folder(out)
    check_split(source, target, voice)
    places = {
        "source": source, "target": target, "test_source": test_source, "test_truth": test_truth,
        "pairs_source": pairs_source, "pairs_target": pairs_target,
    }  # fmt: skip
    sets = opened(places, reading)
    changes = {"overrides": set_ or [], "more": duration_keys(steps, minutes, seed)}
    entrants = entered(recipes, sets, task, changes, seeds)
    filters = offers_for(sets, entrants) if baselines else None
    _check_names([*(filters or ()), *map(named, recipes)], reference)
    document = contested(sets, entrants, filters, out, voice, data_range=data_range, reference=reference)
    voice.finish(_places(out), document)


def contested(
    sets: ImageSets, entrants: Sequence[Entrant], filters: Mapping[str, Callable[[], Baseline]] | None, out: Path,
    voice: Voice, *, data_range: tuple[float, float] | None = None, reference: str | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Train, predict and score what is not there yet; tables and pictures; what was found.

    Filters are none where nobody asked for any: that none fits is said to who did.
    """
    from isoscope import comparison

    seen = checked(sets, entrants)
    _say(voice, sets, entrants, out)
    if filters is not None:
        voice.say(offers_said(filters, sets))
    with stoppable() as stop, Live("comparing") as live:
        shown = Shown(live)
        watch = comparison.Watch(shown.arm, shown.training, stop)
        scored = comparison.run(
            entrants, filters or {}, sets, out, data_range=data_range, grey=reads_grey(entrants), watch=watch
        )
    document = comparison.document(scored, reference) | {"out": str(out)}
    _kept(document, scored, seen, out, voice)
    return document


def _check_names(names: Sequence[str], reference: str | None) -> None:
    """Arms are told apart by their names alone."""
    for name in names:
        if names.count(name) > 1:
            raise RecipeError(f"got two arms called {name!r}; expected a name for each; rename the recipe file")
    if reference is not None and reference not in names:
        raise DataError(f"no arm is called {reference!r}; {nearest(reference, names)}")


def _say(voice: Voice, sets: ImageSets, entrants: Sequence[Entrant], out: Path) -> None:
    pairs = counted(len(sets.pairs[0]), "pair") if sets.pairs else "no pairs"
    voice.say(
        f"{counted(len(sets.source), 'source')}, {counted(len(sets.target), 'target')}, {pairs}; "
        f"{counted(len(sets.test_truth), 'test image')}; writing {out}"
    )
    for entrant in entrants:
        voice.say(f"{entrant.name}: {told(entrant)}")


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


def _places(out: Path) -> str:
    return f"table: {out / 'comparison.json'}, {out / 'scores.csv'}; pictures: {out / 'sheet.png'}"

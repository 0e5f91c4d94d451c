"""`isoscope sweep`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from isoscope.errors import DataError, RecipeError
from isoscope_terminal import options
from isoscope_terminal.checks import check_split
from isoscope_terminal.comparing import SETS, Shown, check_folder, checked, offers_for, offers_said, opened, reads_grey
from isoscope_terminal.entering import keys_of, named, told
from isoscope_terminal.facts import counted
from isoscope_terminal.progress import Live
from isoscope_terminal.readers import Reading, reads
from isoscope_terminal.stopping import stoppable
from isoscope_terminal.sweep_table import learning_notes, learning_rows, panels
from isoscope_terminal.voice import Voice
from isoscope_terminal.wishes import duration_keys

if TYPE_CHECKING:
    from isoscope.comparison import ImageSets, Scored, Sized

__all__ = ["sweep"]

_SUPERVISED = "supervised"


@reads(*SETS)
def sweep(
    recipes: options.Recipes,
    source: options.Source,
    target: options.Target,
    test_source: options.TestSource,
    test_truth: options.TestTruth,
    out: options.Out,
    reading: Reading,
    pairs_source: options.PairsSource = None,
    pairs_target: options.PairsTarget = None,
    sizes: Annotated[
        str, typer.Option("--sizes", metavar="N,N,...", help="Numbers of patches of each side to learn from.")
    ] = "100,200,400,800,1600,3200,6400,12000",
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="Train every recipe and size from so many seeds.")] = 2,
    baselines: options.Baselines = False,
    task: options.PresetTask = None,
    steps: Annotated[int | None, typer.Option("--steps", min=1, help="Train this many steps, at every size.")] = None,
    seed: options.Seed = None,
    data_range: options.DataRange = None,
    set_: options.Set = None,
    as_json: options.Json = False,
) -> None:
    """Ask how much data is enough: train on ever more patches, score on one test, draw the curves.

    With pairs, supervised training of the first recipe's generator stands beside it. What is done is kept in OUT: the
    same command goes on after Ctrl-C, and with more sizes, seeds or recipes it trains only those.
    """
    from isoscope import comparison

    voice = Voice(as_json)
    check_folder(out)
    check_split(source, target, voice)
    places = {
        "source": source, "target": target, "test_source": test_source, "test_truth": test_truth,
        "pairs_source": pairs_source, "pairs_target": pairs_target,
    }  # fmt: skip
    sets = opened(places, reading)
    changes = {"overrides": set_ or [], "more": duration_keys(steps, None, seed)}
    sized = _sized(recipes, sets, task, changes, seeds, _numbers(sizes))
    entrants = [entrant for s in sized for entrant in s.entrants]
    seen = checked(sets, entrants)
    filters = offers_for(sets, entrants) if baselines else {}
    _say(voice, sets, sized, out)
    if baselines:
        voice.say(offers_said(filters, sets))
    with stoppable() as stop, Live("sweeping") as live:
        shown = Shown(live)
        watch = comparison.Watch(shown.arm, shown.training, stop)
        scored = comparison.run(
            entrants, filters, sets, out, data_range=data_range, grey=reads_grey(entrants), watch=watch
        )
    document = comparison.document(scored) | {"out": str(out)}
    _kept(document | {"curves": comparison.curves(sized, document)}, sized, scored, seen, out, voice)


def _numbers(text: str) -> tuple[int, ...]:
    from isoscope.comparison import check_sizes

    try:
        return check_sizes([int(part) for part in text.split(",")])
    except ValueError:
        raise DataError(f"got --sizes {text}; expected whole numbers with commas; give such as 100,400,1600") from None


def _sized(
    recipes: Sequence[str], sets: ImageSets, task: str | None, changes: Mapping[str, Any], seeds: int,
    sizes: Sequence[int],
) -> list[Sized]:  # fmt: skip
    """Every recipe at every size, and supervised training beside the first where there are pairs for it."""
    from isoscope.comparison import at_sizes, beside, enter

    _check_names(recipes)
    given = {named(recipe): keys_of(recipe, task, changes) for recipe in recipes}
    curves = [enter(name, keys, sets, task=task, seeds=seeds) for name, keys in given.items()]
    if sets.pairs and not any(entrants[0].matched for entrants in curves) and _SUPERVISED not in given:
        keys = beside(curves[0][0], next(iter(given.values())))
        curves.append(enter(_SUPERVISED, keys, sets, task=task, seeds=seeds))
    return [s for entrants in curves for s in at_sizes(entrants, sizes)]


def _check_names(recipes: Sequence[str]) -> None:
    names = [named(recipe) for recipe in recipes]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise RecipeError(f"got two recipes called {twice!r}; expected a name for each; rename the recipe file")


def _say(voice: Voice, sets: ImageSets, sized: Sequence[Sized], out: Path) -> None:
    from isoscope.comparison import side_by_side

    sizes = sorted({s.patches for s in sized})
    seeds = len(sized[0].entrants)
    voice.say(
        f"{', '.join(map(str, sizes))} patches, {counted(seeds, 'seed')}; "
        f"{counted(len(sets.test_truth), 'test image')}; writing {out}"
    )
    for curve in dict.fromkeys(s.curve for s in sized):
        first = next(s for s in sized if s.curve == curve).entrants[0]
        voice.say(f"{curve}: {told(first)}")
    held = side_by_side(sets, sized[0].entrants[0].recipe)
    if sizes[-1] > held:
        voice.say(f"note: the images hold {held} such patches side by side; larger sets overlap more and more")


def _kept(
    document: dict[str, Any], sized: Sequence[Sized], scored: Sequence[Scored], sets: ImageSets, out: Path,
    voice: Voice,
) -> None:  # fmt: skip
    """Files, then the table."""
    from isoscope.comparison import write_csv, write_curves
    from isoscope.durable import write_json
    from isoscope_terminal.plotting import plot

    rgb = sets.test_truth[0].header.rgb
    write_json(out / "sweep.json", document)
    write_csv(out / "scores.csv", scored)
    write_curves(out / "sweep.csv", sized, scored)
    plot(out / "sweep.png", panels(document, rgb))
    columns, rows = learning_rows(document, rgb)
    voice.table(columns, rows, numbers=True)
    for note in learning_notes(document, rgb):
        voice.say(note)
    voice.finish(f"table: {out / 'sweep.json'}, {out / 'sweep.csv'}; plot: {out / 'sweep.png'}", document)

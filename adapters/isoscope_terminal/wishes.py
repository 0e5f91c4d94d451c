"""What the user asked of a training run, from recipe file and options, as recipe keys."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from isoscope.errors import DataError, RecipeError

if TYPE_CHECKING:
    from isoscope.recipe import Recipe

__all__ = ["duration_keys", "gathered", "method_keys", "stored_recipe"]


def duration_keys(steps: int | None, minutes: float | None, seed: int | None) -> dict[str, Any]:
    """The recipe keys behind --steps, --minutes and --seed.

    Raises:
        RecipeError: if both a number of steps and a time are asked for.
    """
    if steps is not None and minutes is not None:
        raise RecipeError("got both --steps and --minutes; expected one of them; leave the other out")
    keys: dict[str, Any] = {} if seed is None else {"seed": seed}
    if steps is not None:
        keys |= {"steps": steps, "minutes": None, "passes": None}
    if minutes is not None:
        keys |= {"minutes": minutes}
    return {"training": keys} if keys else {}


def method_keys(recipe: Path | None, method: str | None) -> dict[str, Any]:
    """The recipe keys behind --method.

    Raises:
        RecipeError: if the recipe file was made for another method, whose losses and networks it then holds.
    """
    from isoscope.overrides import read

    if method is None:
        return {}
    stated = read(recipe).get("method") if recipe else None
    name = stated.get("name") if isinstance(stated, Mapping) else stated
    if name not in (None, method):
        raise RecipeError(
            f"got --method {method}, but {recipe} was made for method {name} and its losses with it; leave out "
            f"--method, or write a recipe with `isoscope init --method {method}`"
        )
    return {"method": {"name": method}}


def gathered(
    recipe: Path | None, options: Mapping[str, str | None], overrides: Sequence[str], more: Mapping[str, Any]
) -> dict[str, Any]:
    """Recipe keys from the file, then --set, then the other options, later ones winning.

    Args:
        recipe: a YAML file, or none.
        options: `task` and `preset` as given on the command line.
        overrides: KEY=VALUE items.
        more: keys from other options.

    Raises:
        RecipeError: if the file cannot be read, or says another task or preset than the command line.
    """
    from isoscope.overrides import merge, read, set_

    keys = {k: v for k, v in read(recipe).items() if v is not None} if recipe else {}
    for name, value in options.items():
        stated = keys.get(name)
        if value not in (None, "auto") and stated not in (None, "auto", value):
            raise RecipeError(
                f"got --{name} {value}, but {recipe} was made for {name} {stated} and its other keys with it; "
                f"leave out --{name}, or write a recipe with `isoscope init`"
            )
    # a component of another name replaces the whole of the old one: the name first, or it would take --set with it
    named = {k: v for k, v in more.items() if k == "method"}
    return merge(merge(merge(keys, named), set_(overrides)), more)


def stored_recipe(run: Path, asked: Mapping[str, Any]) -> Recipe:
    """The recipe of a run to go on with; whatever is asked for has to agree with it.

    Raises:
        DataError: if there is no run.
        RecipeError: naming the keys that differ.
    """
    from isoscope.overrides import merge, read
    from isoscope.recipe import parse, resolved

    home = run / "recipe.yaml"
    if not home.is_file():
        raise DataError(f"no run at {run} to resume; leave out --resume to start one")
    stored = parse(read(home), str(home))
    wanted = resolved(parse(merge(stored.model_dump(mode="json"), _stated(_begun(run, asked)))))
    changed = sorted(_differences(resolved(stored).model_dump(mode="json"), wanted.model_dump(mode="json")))
    if changed:
        raise RecipeError(
            f"--resume goes on as {home} says, but {', '.join(changed)} would change; "
            f"leave that out, or start another run with another --out"
        )
    return stored


def _begun(run: Path, asked: Mapping[str, Any]) -> Mapping[str, Any]:
    """The keys without the seed that a run began with, if the watchdog has begun it again with another."""
    from isoscope.watching.restarting import notes

    training = asked.get("training")
    attempts = notes(run)
    if not attempts or not isinstance(training, Mapping) or training.get("seed") != attempts[0]["seed"]:
        return asked
    return {**asked, "training": {k: v for k, v in training.items() if k != "seed"}}


def _stated(keys: Mapping[str, Any]) -> dict[str, Any]:
    """Without what was left to be measured or chosen: the stored recipe has the answers."""
    inner = {k: _stated(v) if isinstance(v, Mapping) else v for k, v in keys.items()}
    return {k: v for k, v in inner.items() if v is not None and v != "auto"}


def _differences(one: Any, other: Any, path: str = "") -> Iterator[str]:
    if not (isinstance(one, Mapping) and isinstance(other, Mapping)):
        if one != other:
            yield path
        return
    for key in one.keys() | other.keys():
        yield from _differences(one.get(key), other.get(key), f"{path}.{key}" if path else str(key))

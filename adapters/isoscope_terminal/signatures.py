"""Give many commands the same options without writing them into each: typer reads a function's signature."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any, get_type_hints

__all__ = ["with_options"]

Command = Callable[..., None]


def with_options(
    command: Command, options: Mapping[str, Any], take: Callable[[dict[str, Any]], Mapping[str, Any]], drop: str = ""
) -> Command:
    """The command with more options.

    Args:
        command: a function whose parameters are its options.
        options: annotations by parameter name, `Annotated[T | None, typer.Option(...)]`; none are given by default.
        take: turns what was given for them into arguments of the command.
        drop: the parameter of the command that `take` fills, so not an option itself.
    """
    hints = get_type_hints(command, include_extras=True)
    own = [p.replace(annotation=hints[n]) for n, p in inspect.signature(command).parameters.items() if n != drop]
    more = [
        inspect.Parameter(n, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=a) for n, a in options.items()
    ]

    @functools.wraps(command)
    def wrapped(**values: Any) -> None:
        given = {name: values.pop(name) for name in options}
        command(**values, **take(given))

    parameters = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in (*own, *more)]
    wrapped.__annotations__ = {p.name: p.annotation for p in parameters}
    wrapped.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return wrapped

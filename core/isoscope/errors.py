"""One small error tree.

IsoscopeError            ours to report in one line
├── UserError            the user's mistake: exit code 2
│   ├── RecipeError      a recipe key, value or override that cannot stand
│   ├── PluginError      a plug-in that is unknown, claimed twice, or fails to import
│   └── DataError        a file, folder or array that cannot be used as asked
├── TrainingError        training cannot go on (a NaN loss): exit code 1
└── Interrupted          the user asked to stop; what was done so far is saved: exit code 130
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

__all__ = [
    "DataError",
    "Interrupted",
    "IsoscopeError",
    "PluginError",
    "RecipeError",
    "TrainingError",
    "UserError",
    "blame",
    "nearest",
    "refusal",
]

_PERMISSION = "change its permissions, or choose another place"


class IsoscopeError(Exception):
    """Anything isoscope reports in one line: what was got, what was expected, the remedy."""

    exit_code = 1


class UserError(IsoscopeError):
    """A mistake that only the user can mend."""

    exit_code = 2


class RecipeError(UserError):
    """A recipe key, value or override that cannot stand."""


class PluginError(UserError):
    """A plug-in that is unknown, claimed twice, or fails to import."""


class DataError(UserError):
    """A file, folder or array that cannot be used as asked."""


class TrainingError(IsoscopeError):
    """Training cannot go on; the last good checkpoint is kept."""


class Interrupted(IsoscopeError):
    """The user asked to stop; what was done so far is saved."""

    exit_code = 130


def nearest(name: str, known: Iterable[str]) -> str:
    """Say which known name was probably meant, or list them all: the tail of an error message."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1)
    return f"did you mean {close[0]!r}?" if close else f"known: {', '.join(names) or 'none'}"


def refusal(path: object, got: object, expected: str, remedy: str) -> DataError:
    """The error that says of a path what was got, what was expected, and the remedy."""
    return DataError(f"{path}: got {got}; expected {expected}; {remedy}")


@contextmanager
def blame(path: object, failed: str, remedy: str) -> Iterator[None]:
    """Report whatever a library raises inside as a DataError of one line: the path, what failed, and the remedy."""
    try:
        yield
    except DataError:
        raise
    except Exception as error:
        cause = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        remedy = _PERMISSION if isinstance(error, PermissionError) else remedy  # no copy and no free space helps here
        raise DataError(f"{path}: {failed} ({cause}); {remedy}") from error

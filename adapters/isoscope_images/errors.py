"""Turn whatever a library raises about a file into our one line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from isoscope.errors import DataError

__all__ = ["blame", "refusal"]


def refusal(path: object, got: object, expected: str, remedy: str) -> DataError:
    """The error that says of a path what was got, what was expected, and the remedy."""
    return DataError(f"{path}: got {got}; expected {expected}; {remedy}")


@contextmanager
def blame(path: Path, failed: str, remedy: str) -> Iterator[None]:
    """Report any error inside as a DataError of one line that names the path, what failed, and the remedy."""
    try:
        yield
    except DataError:
        raise
    except Exception as error:
        cause = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        raise DataError(f"{path}: {failed} ({cause}); {remedy}") from error

"""Import a plug-in, or say in one line why not: what it misses, for which API it was written, how it must be called."""

from __future__ import annotations

import importlib
import inspect
import logging
import re
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import EntryPoint, PackageNotFoundError, requires, version
from typing import Any

from isoscope.errors import PluginError

__all__ = ["ANNOUNCEMENT", "absent", "fault", "imported", "one_line", "patience"]

ANNOUNCEMENT = "ISOSCOPE_API"
"""A plug-in's module, or the package that it lies in, may say here for which API it was written."""
_PATIENCE = 30.0
_log = logging.getLogger(__name__)


@contextmanager
def patience(what: str) -> Iterator[None]:
    """While inside: after half a minute, say once who keeps everybody waiting."""
    said = f"{what} has been busy for {_PATIENCE:g} s; if it hangs, stop with Ctrl-C and repair or uninstall it"
    timer = threading.Timer(_PATIENCE, _log.warning, ("%s", said))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def one_line(error: BaseException) -> str:
    """Type and message of an error on one line."""
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]


def imported(entry: EntryPoint, label: str, distribution: str, api: int) -> Any:
    """What an entry point leads to.

    Args:
        entry: of the plug-in.
        label: kind, name and distribution of the plug-in, to begin messages with.
        distribution: that brought it.
        api: version of what plug-ins may rely on here.

    Raises:
        PluginError: if it cannot be imported, or was written for another API.
    """
    try:
        with patience(label):
            importlib.import_module(entry.module)
            _check_api(entry.module, label, distribution, api)
            return entry.load()
    except PluginError:
        raise
    except (Exception, SystemExit) as error:  # whatever a plug-in raises is its own fault, not ours
        raise PluginError(f"{label} {_excuse(error, entry.module, distribution)}") from error


def _check_api(module: str, label: str, distribution: str, api: int) -> None:
    homes = (sys.modules.get(name) for name in (module, module.partition(".")[0]))
    wanted = next((found for home in homes if (found := getattr(home, ANNOUNCEMENT, None)) is not None), api)
    if type(wanted) is not int:
        raise PluginError(f"{label} has {ANNOUNCEMENT} = {wanted!r}; expected a whole number, here {api}; repair it")
    if wanted != api:
        other = "upgrade isoscope" if wanted > api else f"upgrade {distribution}"
        raise PluginError(
            f"{label} was written for version {wanted} of the plug-in API; expected {api}, which isoscope "
            f"{version('isoscope')} has; {other}"
        )


def _excuse(error: BaseException, module: str, distribution: str) -> str:
    """Why it cannot be imported, and the remedy."""
    missing = error.name or "" if isinstance(error, ImportError) else ""
    if missing.partition(".")[0] == "isoscope":
        here = f"isoscope {version('isoscope')}"
        return f"needs what {here} does not have ({one_line(error)}); install versions of both that fit"
    if isinstance(error, ModuleNotFoundError) and missing and not f"{module}.".startswith(f"{missing}."):
        return f"needs the module {missing!r}, which is not installed; {_to_install(missing, distribution)}"
    return f"cannot be imported ({one_line(error)}); repair or uninstall {distribution}"


def _to_install(module: str, distribution: str) -> str:
    """Modules and what brings them may be called differently: what is declared and not there comes first."""
    lacking = absent(distribution)
    alike = [name for name in lacking if _normalised(name) == _normalised(module.partition(".")[0])]
    if found := alike or lacking:
        return f"pip install {' '.join(found)}"
    return f"{distribution} does not declare it: pip install {module.partition('.')[0]}, or ask its authors"


def absent(distribution: str) -> list[str]:
    """What a distribution declares that it needs, and is not installed."""
    return [name for name in _required(distribution) if not _installed(name)]


def _required(distribution: str) -> list[str]:
    try:
        lines = [line for line in requires(distribution) or [] if "extra ==" not in line]
    except PackageNotFoundError:
        return []
    return [found[0] for line in lines if (found := re.match(r"[\w.-]+", line))]


def _installed(distribution: str) -> bool:
    try:
        return bool(version(distribution))
    except PackageNotFoundError:
        return False


def _normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def fault(target: Any, takes: Sequence[str]) -> str | None:
    """What is wrong with the signature of a factory, if anything.

    Args:
        target: the factory.
        takes: what the core gives it, in order; everything else must be keyword-only.
    """
    if not callable(target):
        return f"is no factory but {target!r:.60}; expected something that can be called"
    try:
        signature = inspect.signature(target)
    except (TypeError, ValueError):  # written in C, and silent about it
        return None
    found = list(signature.parameters.values())
    plain = [p for p in found if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    swallows = any(p.kind is p.VAR_POSITIONAL for p in found)
    if len(plain) == len(takes) or (swallows and len(plain) < len(takes)):
        return None
    core = f"{', '.join(takes)}, /, " if takes else ""
    return f"has the signature {signature}; expected ({core}*, ...), parameters after the star"

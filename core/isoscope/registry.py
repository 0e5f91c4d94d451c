"""Find plug-ins by entry point without importing them, load on first ask, and name the culprit when one fails."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import Distribution, EntryPoint, distributions
from typing import Any, Generic, TypeVar, cast

from isoscope.errors import PluginError, nearest
from isoscope.importing import fault, imported

__all__ = ["API", "Plugin", "Registry", "installed", "to_get"]

API = 1
"""Version of what plug-ins may rely on: `kinds` and the public modules. A plug-in's module may announce the one that it
was written for as `ISOSCOPE_API`, and is refused where that is another."""
T = TypeVar("T")
_PREFIX = "isoscope."
_HERE = "this process"


@dataclass(frozen=True, slots=True)
class Plugin:
    """One installed plug-in, known from metadata alone."""

    kind: str
    name: str
    distribution: str
    version: str
    entry: EntryPoint | None = None
    target: Any = None

    @property
    def source(self) -> str:
        """The distribution and version that brought it."""
        return f"{self.distribution} {self.version}"

    @property
    def label(self) -> str:
        """How messages call it."""
        return f"{self.kind} plug-in {self.name!r} of {self.source}"

    def load(self) -> Any:
        """Import the plug-in.

        Raises:
            PluginError: if the import fails, or it announces another API, naming the distribution and the cause.
        """
        if self.entry is None:
            return self.target
        return imported(self.entry, self.label, self.distribution, API)


def _entries(distribution: Distribution) -> Iterator[Plugin]:
    for entry in distribution.entry_points:
        if entry.group.startswith(_PREFIX):
            meta = distribution.metadata
            yield Plugin(entry.group.removeprefix(_PREFIX), entry.name, meta["Name"], distribution.version, entry)


def installed() -> list[Plugin]:
    """All isoscope plug-ins of all installed distributions, imported or not, sorted by kind and name."""
    seen: set[str] = set()
    found: list[Plugin] = []
    for distribution in distributions():
        name = str(distribution.metadata["Name"]).lower().replace("_", "-")
        if name in seen:  # the same distribution twice on the path: the first shadows the second, as in imports
            continue
        seen.add(name)
        found.extend(_entries(distribution))
    return sorted(found, key=lambda p: (p.kind, p.name, p.distribution))


def to_get(distribution: str, version: str) -> str:
    """What to do to have a version of a distribution, which may be on no package index."""
    if distribution == _HERE:
        return "register it in this process, as where it was made"
    return f"install {distribution} {version} (pip install {distribution}=={version}, or from where you got it)"


class Registry(Mapping[str, T], Generic[T]):
    """The plug-ins of one kind, by name.

    Iterating imports nothing. `registry[name]` imports on first ask. A name claimed twice, or a plug-in that cannot
    be imported or called, fails only for whoever asks for that name.

    Args:
        kind: of the plug-ins, in the plural.
        takes: names of the arguments that the core gives a factory; none: nothing is checked.
    """

    def __init__(self, kind: str, takes: Sequence[str] | None = None) -> None:
        self.kind, self.takes = kind, takes
        self._found: dict[str, list[Plugin]] | None = None
        self._added: dict[str, Plugin] = {}
        self._loaded: dict[str, T] = {}

    def plugins(self) -> dict[str, list[Plugin]]:
        """Every claim to every name; more than one per name is a conflict."""
        if self._found is None:
            self._found = {}
            for plugin in installed():
                if plugin.kind == self.kind:
                    self._found.setdefault(plugin.name, []).append(plugin)
        return self._found | {name: [plugin] for name, plugin in self._added.items()}

    def add(self, name: str, target: T) -> None:
        """Register an object for this process only, over any installed one: for notebooks and tests."""
        self._loaded.pop(name, None)
        self._added[name] = Plugin(self.kind, name, _HERE, "0", target=target)

    def remove(self, name: str) -> None:
        """Forget what `add` registered."""
        self._added.pop(name, None)
        self._loaded.pop(name, None)

    def describe(self, name: str) -> Plugin:
        """The plug-in behind a name, not imported.

        Raises:
            PluginError: if nothing, or more than one distribution, answers to the name.
        """
        claims = self.plugins().get(name, [])
        if not claims:
            raise PluginError(f"no {self._singular} is called {name!r}; {nearest(name, self.plugins())}")
        if len(claims) > 1:
            owners = " and ".join(sorted(c.source for c in claims))
            raise PluginError(f"{self._singular} {name!r} is claimed by {owners}; uninstall one of them")
        return claims[0]

    @property
    def _singular(self) -> str:
        return {"losses": "loss"}.get(self.kind, self.kind.removesuffix("s"))

    def __getitem__(self, name: str) -> T:
        if name not in self._loaded:
            self._loaded[name] = self._fitting(self.describe(name))
        return self._loaded[name]

    def _fitting(self, plugin: Plugin) -> T:
        target = plugin.load()
        if self.takes is not None and (wrong := fault(target, self.takes)):
            raise PluginError(f"{plugin.label} {wrong}; repair or uninstall {plugin.distribution}")
        return cast("T", target)

    def __contains__(self, name: object) -> bool:
        return name in self.plugins()

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self.plugins()))

    def __len__(self) -> int:
        return len(self.plugins())

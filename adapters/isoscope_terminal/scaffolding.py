"""`isoscope plugins new`: the first version of a plug-in, as a package that can be installed and tested."""

from __future__ import annotations

import ast
import importlib.util
import keyword
import re
import shlex
from collections.abc import Iterator, Mapping
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Annotated

import typer

from isoscope.errors import DataError, PluginError, nearest
from isoscope_terminal import options
from isoscope_terminal.voice import Voice

__all__ = ["KINDS", "new"]

_TRAIN = "isoscope train --task denoise --source A --target B --out run"
KINDS: Mapping[str, tuple[str, str]] = {
    "task": ("tasks", "isoscope train --task $name --source A --target B --out run"),
    "generator": ("generators", f"{_TRAIN} --set method.forward=$name"),
    "discriminator": ("discriminators", f"{_TRAIN} --set losses.lsgan.weight=1 --set method.discriminator=$name"),
    "loss": ("losses", f"{_TRAIN} --set losses.$name.weight=1"),
    "tiling": ("tilings", "isoscope predict run IMAGES --out OUT --tiling $name"),
    "method": ("methods", f"{_TRAIN} --method $name"),
    "store": ("stores", "isoscope convert IMAGES FOLDER --to .npy"),
}
"""By kind in the singular: its registry, and a command that uses a plug-in of it."""


def new(
    name: Annotated[str, typer.Argument(help="Of the plug-in, as recipes will call it: letters, digits and _.")],
    kind: Annotated[str, typer.Option("--kind", help=f"{', '.join(KINDS)}.")],
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder to write, new or empty; else isoscope-NAME.")
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Write a plug-in that works, as a package of its own: pyproject.toml, component, tests and README."""
    if kind not in KINDS:
        raise PluginError(f"no kind of plug-in is called {kind!r}; {nearest(kind, KINDS)}")
    _check_name(name, kind)
    folder = out or Path(_distribution(name))
    _check_folder(folder)
    written = [_write(folder / path, text) for path, text in _package(name, kind)]
    where, tested = shlex.quote(str(folder)), shlex.quote(f"{folder}[test]")  # its tests need what its users do not
    text = "\n".join(
        [
            f"wrote the {kind} {name} to {folder}; what it does is in {_module(name)}/{kind}.py",
            f"next: python -m pip install -e {tested} && python -m pytest {where} && isoscope plugins check {name}",
        ]
    )
    document = {"folder": str(folder), "kind": KINDS[kind][0], "name": name, "files": [str(p) for p in written]}
    Voice(as_json).finish(text, {**document, "distribution": _distribution(name), "module": _module(name)})


def _module(name: str) -> str:
    return f"isoscope_{name}"


def _distribution(name: str) -> str:
    return f"isoscope-{name.replace('_', '-')}"


def _check_name(name: str, kind: str) -> None:
    """Refuse what can be no name, or is somebody's already.

    Raises:
        PluginError: with another name, where there is an obvious one.
    """
    from isoscope import kinds

    if not re.fullmatch(r"[a-z](_?[a-z0-9]+)*", name) or keyword.iskeyword(name):
        better = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_0123456789") or "mine"
        better = f"my_{better}" if keyword.iskeyword(better) else better
        raise PluginError(
            f"got the name {name!r}; expected lower-case letters, digits and single _, no word of Python's; "
            f"such as {better}"
        )
    if name in (registry := kinds.REGISTRIES[KINDS[kind][0]]):
        owners = " and ".join(claim.source for claim in registry.plugins()[name])
        raise PluginError(f"{kind} {name!r} is there already, from {owners}; choose another name")
    if importlib.util.find_spec(_module(name)) is not None:
        raise PluginError(f"a package {_module(name)} is installed already; choose another name than {name!r}")
    if name in _used(kind):
        raise PluginError(f"{name!r} means something else in the code of a {kind}; choose another name")


def _used(kind: str) -> set[str]:
    """The names that the template's own code uses: a factory called like one of them would hide it."""
    tree = ast.parse(Template(_template(f"{kind}.py")).substitute(name="_", package="_", kind=kind))
    found = [node for node in ast.walk(tree) if isinstance(node, ast.Name | ast.alias)]
    return {node.id if isinstance(node, ast.Name) else (node.asname or node.name) for node in found}


def _check_folder(folder: Path) -> None:
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise DataError(f"{folder} is there and not empty; expected a new folder; choose another with --out")


def _template(name: str) -> str:
    return (files("isoscope_terminal") / "templates" / f"{name}.txt").read_text(encoding="utf-8")


def _package(name: str, kind: str) -> Iterator[tuple[str, str]]:
    """Each file of the package by its path in the folder."""
    from isoscope import __version__

    group, use = KINDS[kind]
    words = {
        "name": name, "kind": kind, "group": group, "package": _module(name), "distribution": _distribution(name),
        "version": __version__, "use": Template(use).substitute(name=name),
    }  # fmt: skip
    sources = {
        "pyproject.toml": "pyproject.toml", "README.md": "README.md", f"{_module(name)}/{kind}.py": f"{kind}.py",
        f"tests/test_{name}.py": f"test_{kind}.py",
    }  # fmt: skip
    yield from ((path, Template(_template(source)).substitute(words)) for path, source in sources.items())
    yield f"{_module(name)}/__init__.py", f'"""The {kind} `{name}` for isoscope."""\n'
    yield f"{_module(name)}/py.typed", ""


def _write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path

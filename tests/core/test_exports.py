import ast
import importlib
import pkgutil
from pathlib import Path

import pytest

import isoscope


def sources():
    """Every module of the core by its dotted name, with its file."""
    for info in pkgutil.walk_packages(isoscope.__path__, "isoscope."):
        yield info.name, Path(info.module_finder.path) / f"{info.name.rpartition('.')[2]}.py"


MODULES = {name: path if path.exists() else path.with_suffix("") / "__init__.py" for name, path in sources()}


def defined(path):
    """Public names bound at a module's top level: functions, classes and constants, then all others.

    Others are shorthands for types and type variables (Array, Mode, T), which may stay the module's own. What a module
    imports is somebody else's.
    """
    firm, loose = set(), set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            firm.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for name in (t.id for t in targets if isinstance(t, ast.Name)):
                (loose if (name[0].isupper() and not name.isupper()) or len(name) == 1 else firm).add(name)
    return {n for n in firm if not n.startswith("_")}, loose


@pytest.mark.parametrize("name", MODULES)
def test_all_lists_exactly_the_public_names(name):
    module = importlib.import_module(name)
    listed = set(module.__all__)
    assert len(module.__all__) == len(listed), "listed twice"
    assert not {n for n in listed if not hasattr(module, n)}, "listed but missing"
    if MODULES[name].name == "__init__.py":  # packages gather what their modules define
        return
    firm, loose = defined(MODULES[name])
    assert not firm - listed, "public but not listed"
    assert not listed - firm - loose, "listed but defined elsewhere"


def test_the_package_offers_modules_that_exist():
    for name in isoscope.__all__:
        assert getattr(isoscope, name).__name__ == f"isoscope.{name}"
    assert set(isoscope.__all__) < set(dir(isoscope))
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = isoscope.nonsense

import importlib
import tomllib
from importlib.metadata import distribution
from pathlib import Path

import pytest

PROJECT = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
DECLARED = {
    **{(group, name): target for group, plugins in PROJECT["entry-points"].items() for name, target in plugins.items()},
    **{("console_scripts", name): target for name, target in PROJECT["scripts"].items()},
}


def test_installed_entry_points_are_those_of_pyproject():
    installed = {(e.group, e.name): e.value for e in distribution("isoscope").entry_points}
    differing = sorted(set(installed.items()) ^ set(DECLARED.items()))
    assert installed == DECLARED, (
        f"installed metadata is out of date ({differing}); entry points are read at installation: "
        "re-install with `pip install --no-deps -e .`"
    )


def test_installed_version_is_that_of_pyproject():
    assert distribution("isoscope").version == PROJECT["version"], "re-install with `pip install --no-deps -e .`"


@pytest.mark.parametrize(("group", "name"), DECLARED)
def test_every_entry_point_leads_somewhere(group, name):
    module, _, attribute = DECLARED[group, name].partition(":")
    assert callable(getattr(importlib.import_module(module), attribute))

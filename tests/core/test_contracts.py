import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CONTRACTS = [
    c["name"] for c in tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
]

VIOLATIONS = [
    ("plugins and adapters rest on the core", "core/isoscope/errors.py", "import isoscope_networks.unet"),
    ("plugins and adapters rest on the core", "core/isoscope/errors.py", "import isoscope_zarr.store"),
    ("plugins and adapters rest on the core", "plugins/isoscope_losses/content.py", "import isoscope_networks.unet"),
    ("plugins and adapters rest on the core", "plugins/isoscope_tasks/denoise.py", "import isoscope_zarr.store"),
    ("plugins and adapters rest on the core", "adapters/isoscope_tiff/__init__.py", "import isoscope_zarr.store"),
    ("plugins and adapters rest on the core", "adapters/isoscope_terminal/__init__.py", "import isoscope_c2gan.method"),
    ("the core knows no file format", "core/isoscope/errors.py", "import zarr"),
    ("the core knows no file format", "core/isoscope/errors.py", "def late():\n    import tifffile"),
    ("the terminal never touches a tensor", "adapters/isoscope_terminal/__init__.py", "import torch"),
]


def lint(root):
    """Run import-linter on the tree under `root`, whose packages hide the installed ones."""
    program = str(Path(sys.executable).with_name("lint-imports"))
    paths = os.pathsep.join(str(root / room) for room in ("core", "plugins", "adapters"))
    environment = {**os.environ, "PYTHONPATH": paths, "NO_COLOR": "1", "COLUMNS": "300"}
    return subprocess.run([program, "--no-cache"], cwd=root, env=environment, capture_output=True, text=True)


@pytest.fixture
def copy(tmp_path):
    for room in ("core", "plugins", "adapters"):
        shutil.copytree(ROOT / room, tmp_path / room, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def broken(done):
    """The contracts that a report calls broken."""
    return [line for line in done.stdout.splitlines() if line.rstrip().endswith("BROKEN")]


def test_the_contracts_hold():
    done = lint(ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(CONTRACTS)} kept, 0 broken" in done.stdout


@pytest.mark.parametrize(("contract", "file", "offence"), VIOLATIONS, ids=[f"{v[1]}: {v[2]}" for v in VIOLATIONS])
def test_a_contract_broken_on_purpose_is_named(copy, contract, file, offence):
    path = copy / file
    path.write_text(path.read_text() + f"\n{offence}\n")
    done = lint(copy)
    assert done.returncode != 0
    assert [line for line in broken(done) if line.startswith(contract)], done.stdout + done.stderr


def test_every_contract_has_been_seen_to_fail():
    assert [c for c in CONTRACTS if not any(c.startswith(named) for named, _, _ in VIOLATIONS)] == []

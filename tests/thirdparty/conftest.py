"""An outsider's plug-ins, each in a distribution of its own: `distributions/NAME/` is what they would publish.

They are installed by writing the metadata that an installer writes (`NAME.dist-info` with METADATA and
entry_points.txt) beside their modules, in a folder on the PYTHONPATH of fresh interpreters. pip would need a network
for the build back end, and would leave the plug-ins behind in the environment of every other test. What is read at run
time, `importlib.metadata`, cannot tell the difference.
"""

import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]

PREAMBLE = """
import json, sys
import numpy as np
from isoscope import kinds
from isoscope.errors import IsoscopeError
from isoscope.volume import ArrayVolume

def images(seed):
    rng = np.random.default_rng(seed)
    return [ArrayVolume((rng.random((40, 40)) ** 4 * 255).astype(np.uint8), "YX")]

def recipe(generator="resnet", **user):
    from isoscope.proposal import propose
    network = {"name": generator, "width": 2, **({"blocks": 0} if generator == "resnet" else {"depth": 1})}
    method = {"forward": network, "backward": network, "discriminator": {"width": 2}}
    training = {"steps": 2, "patch": 32, "batch": 1, "calibration": 1}
    user = {"method": method, "training": training, **user}
    return propose(images(0), images(1), task="denoise", preset="cpu", user=user).recipe

def train(recipe, folder):
    from isoscope.training import train
    return train(recipe, images(0), images(1), folder)

def refusal(call):
    try:
        call()
    except IsoscopeError as error:
        return [type(error).__name__, str(error)]
    return None

def say(**facts):
    print(json.dumps(facts))
"""


def project(name):
    return tomllib.loads((HERE / "distributions" / name / "pyproject.toml").read_text())["project"]


def install(name, site):
    """What `pip install` of a pure Python distribution leaves behind, as far as anybody reads it."""
    for module in (HERE / "distributions" / name).glob("*.py"):
        shutil.copy(module, site)
    said = project(name)
    info = site / f"{said['name'].replace('-', '_')}-{said['version']}.dist-info"
    info.mkdir()
    needs = "".join(f"Requires-Dist: {line}\n" for line in said["dependencies"])
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {said['name']}\nVersion: {said['version']}\n{needs}")
    groups = said["entry-points"].items()
    lines = [line for group, found in groups for line in (f"[{group}]", *(f"{k} = {v}" for k, v in found.items()))]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n")


@pytest.fixture(scope="module")
def outside(tmp_path_factory):
    """Run code in a fresh interpreter that has these distributions installed; gives what the code says."""

    def run(code, *names, folder="."):
        site = tmp_path_factory.mktemp("site")
        for name in names:
            install(name, site)
        if "moved_tiling" in names:  # ours, as it is: a copy kept here could drift
            shutil.copy(ROOT / "plugins" / "isoscope_tilings" / "overlap.py", site / "moved_tiling.py")
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", PREAMBLE + code],
            env={**os.environ, "PYTHONPATH": str(site), "OMP_NUM_THREADS": "1"},
            capture_output=True, text=True, cwd=folder, timeout=600,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    return run


@pytest.fixture(scope="module")
def terminal(tmp_path_factory):
    """Run `isoscope` in a fresh interpreter that has these distributions installed: (exit code, stdout, stderr)."""

    def run(*arguments, installed=(), folder="."):
        site = tmp_path_factory.mktemp("site")
        for name in installed:
            install(name, site)
        done = subprocess.run(
            [sys.executable, "-m", "isoscope_terminal.app", *map(str, arguments)],
            env={**os.environ, "PYTHONPATH": str(site), "OMP_NUM_THREADS": "1"},
            capture_output=True, text=True, cwd=folder, timeout=600,
        )  # fmt: skip
        return done.returncode, done.stdout, done.stderr

    return run

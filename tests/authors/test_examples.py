"""The plug-ins in examples/plugins: each conforms, and all can be built and installed."""

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "plugins"
NAMES = sorted(p.parent.name for p in EXAMPLES.glob("*/pyproject.toml"))


def project(name):
    return tomllib.loads((EXAMPLES / name / "pyproject.toml").read_text())["project"]


def install(site, name):
    """The metadata that an installer leaves behind."""
    said = project(name)
    info = site / f"{said['name'].replace('-', '_')}-{said['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {said['name']}\nVersion: {said['version']}\n")
    groups = [f"[{g}]\n" + "".join(f"{k} = {v}\n" for k, v in e.items()) for g, e in said["entry-points"].items()]
    (info / "entry_points.txt").write_text("".join(groups))


def test_the_examples_are_those_of_the_page():
    page = (EXAMPLES / "README.md").read_text()
    assert NAMES == ["brightness", "monai_unet", "patchmatch", "raw_camera"]
    assert all(f"| `{name}` |" in page and (EXAMPLES / name / "README.md").is_file() for name in NAMES)


def test_the_first_takes_ten_lines():
    assert len((EXAMPLES / "brightness" / "example_brightness.py").read_text().splitlines()) <= 10


def test_their_tests_pass(tmp_path):
    """All in one interpreter, beside each other, with the metadata in a folder on the path."""
    for name in NAMES:
        install(tmp_path, name)
    paths = [str(EXAMPLES / name) for name in NAMES]
    found = os.pathsep.join([str(tmp_path), *paths, os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    options = ["-q", "-rs", "-W", "error", "--import-mode=importlib", "-p", "no:cacheprovider"]
    # the examples have no configuration in common: ours would look for tests of ours
    done = subprocess.run(
        [sys.executable, "-B", "-m", "pytest", *options, "-c", os.devnull, "--rootdir", tmp_path, *paths],
        env={**os.environ, "PYTHONPATH": found, "OMP_NUM_THREADS": "1"}, cwd=tmp_path, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    skipped = [line for line in done.stdout.splitlines() if line.startswith("SKIPPED")]
    assert all("MONAI is not installed" in line for line in skipped)


@pytest.fixture(scope="module")
def installed(environment, tmp_path_factory):
    """That environment, with the examples built and installed by pip from copies of their own."""
    folder = tmp_path_factory.mktemp("examples")
    copies = []
    for name in NAMES:
        for file in (p for p in (EXAMPLES / name).rglob("*") if p.suffix in (".py", ".toml", ".md")):
            copy = folder / name / file.relative_to(EXAMPLES / name)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(file.read_bytes())
        copies.append(str(folder / name))
    # MONAI is for who wants it; without --no-deps pip would ask the network for it
    subprocess.run(
        ["python", "-m", "pip", "install", "-q", "--no-deps", *copies], env=environment, check=True, cwd=folder
    )
    return environment


def test_they_are_built_and_installed_by_pip(installed, tmp_path):
    done = subprocess.run(
        ["isoscope", "plugins", "--json"], env=installed, cwd=tmp_path, capture_output=True, text=True, check=True
    )
    rows = [p for p in json.loads(done.stdout)["plugins"] if p["distribution"].startswith("example-")]
    assert [(p["kind"], p["name"], p["distribution"], p["version"]) for p in rows] == [
        ("generators", "monai_unet", "example-monai-unet", "1.0"),
        ("losses", "brightness", "example-brightness", "1.0"),
        ("losses", "patchmatch", "example-patchmatch", "1.0"),
        ("stores", "raw_camera", "example-raw-camera", "1.0"),
        ("tasks", "lowlight", "example-raw-camera", "1.0"),
    ]


def test_what_is_installed_passes_its_check(installed, tmp_path):
    done = subprocess.run(
        ["isoscope", "plugins", "check", "example-raw-camera"],
        env=installed,
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines() == [
        "ok        stores raw_camera (example-raw-camera 1.0)",
        "ok        tasks lowlight (example-raw-camera 1.0)",
        "2 plug-ins checked, 0 failed",
    ]

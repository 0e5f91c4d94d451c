"""The plug-in guide does what it says: its blocks are run in their order."""

import re
import shlex
import subprocess
import tomllib
from pathlib import Path

import numpy as np
import pytest
from skimage.io import imsave

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "plugins.md"
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", GUIDE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


@pytest.fixture
def images(tmp_path):
    rng = np.random.default_rng(0)
    for side, noise in (("noisy", 25), ("clean", 1)):
        (tmp_path / side).mkdir()
        for number in range(2):
            y, x = rng.uniform(0, 64, (2, 6, 1, 1))
            spots = np.exp(-((np.arange(64)[:, None] - y) ** 2 + (np.arange(64) - x) ** 2) / 18).sum(0)
            values = 30 + 150 * spots + rng.normal(0, noise, spots.shape)
            imsave(tmp_path / side / f"{number}.png", np.clip(values, 0, 255).astype(np.uint8), check_contrast=False)
    return tmp_path


def test_its_blocks_work_in_order(environment, images):
    said = ""
    for language, text in BLOCKS:
        if language == "python":
            path, code = re.fullmatch(r"# (\S+)\n(.*)", text, re.DOTALL).groups()
            assert (images / path).is_file(), f"{path} is to be edited, but nothing wrote it"
            (images / path).write_text(code)
        elif language == "text":
            assert text in said
        else:
            done = subprocess.run(["bash", "-ec", text], cwd=images, env=environment, capture_output=True, text=True)
            said = done.stdout
            assert done.returncode == 0, f"{text}\n{said}\n{done.stderr}"


def test_it_begins_with_a_loss_of_ten_lines():
    languages = [language for language, _ in BLOCKS]
    assert languages == ["sh", "python", "python", "sh", "sh", "sh", "text", "python", "sh"]
    assert len(BLOCKS[1][1].splitlines()[1:]) <= 10


def test_what_is_said_to_be_next_works_as_it_stands(environment, tmp_path):
    """Whatever the folder is called, and with all that its tests need among what is installed."""
    new = ["isoscope", "plugins", "new", "brisk", "--kind", "loss", "--out", "my plug-ins/brisk"]
    wrote = subprocess.run(new, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    (line,) = re.findall(r"^next: (.*)$", wrote.stdout, re.MULTILINE)
    folder, extras = re.fullmatch(r"(.*)\[(.*)\]", shlex.split(line)[5]).groups()
    offered = tomllib.loads((tmp_path / folder / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert (line.count("python -m pytest"), offered[extras]) == (1, ["pytest"])
    done = subprocess.run(["bash", "-ec", line], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
    assert "1 plug-in checked, 0 failed" in done.stdout

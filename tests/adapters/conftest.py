import numpy as np
import pytest
import torch

from isoscope.writing.whole import write_whole
from isoscope_terminal import app


@pytest.fixture(scope="module")
def one_thread():
    """Tiny networks on many threads mostly wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def called(*arguments):
    with pytest.raises(SystemExit) as left:
        app.main([str(a) for a in arguments])
    return left.value.code or 0


@pytest.fixture
def isoscope(capsys):
    """Run the command line in this process: (exit code, stdout, stderr)."""

    def run(*arguments):
        code = called(*arguments)
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


@pytest.fixture
def refused(isoscope):
    """Run a command that has to be refused; the one line it says."""

    def run(*arguments):
        code, out, err = isoscope(*arguments)
        assert (code, out) == (2, "")
        assert err.startswith("isoscope: error: ")
        assert err.count("\n") == 1
        return err

    return run


@pytest.fixture(scope="session")
def spots():
    """spots(seed, noise, size): bright spots on a dark background, uint8 [Y, X]."""

    def make(seed, noise=0, size=(40, 40)):
        y, x = np.mgrid[: size[0], : size[1]]
        image = np.full(size, 30.0)
        for cy, cx in np.random.default_rng(seed).uniform(0, size, (8, 2)):
            image += 120 * np.exp(-((y - cy) ** 2 + (x - cx) ** 2) / 12)
        drawn = np.random.default_rng(seed + 100).normal(0, noise, size)
        return np.clip(image + drawn, 0, 255).astype(np.uint8)

    return make


TINY = {
    "training.patch": 24, "training.batch": 1, "training.calibration": 2, "method.forward.width": 2,
    "method.forward.depth": 1, "method.discriminator.width": 2,
}  # fmt: skip


@pytest.fixture(scope="session")
def tiny():
    """Options that keep patches and networks small enough to train in a second."""
    return [part for key, value in TINY.items() for part in ("--set", f"{key}={value}")]


@pytest.fixture
def split(tmp_path, spots):
    """Folders: noisy, clean, test inputs and truths, noisy images of the clean ones."""
    for name, seeds, noise in (
        ("noisy", (0, 1), 15), ("clean", (10, 11), 0), ("test", (20, 21), 15), ("truth", (20, 21), 0),
        ("pairs-noisy", (10, 11), 15),
    ):  # fmt: skip
        for seed in seeds:
            write_whole(tmp_path / name / f"{seed}.tif", spots(seed, noise))
    return tmp_path


@pytest.fixture
def contest(split, tiny):
    """contest(verb, *more): the words of `compare` or `sweep` on that split."""

    def words(verb, *more, recipes=("cpu",), out="out"):
        sides = {"source": "noisy", "target": "clean", "test-source": "test", "test-truth": "truth"}
        options = [part for name, folder in sides.items() for part in (f"--{name}", split / folder)]
        return [verb, *recipes, *options, "--out", split / out, "--task", "denoise", "--steps", "2", *tiny, *more]

    return words


@pytest.fixture
def pairs(split):
    """The words that give its pairs."""
    return ["--pairs-source", split / "pairs-noisy", "--pairs-target", split / "clean"]

"""Inputs and outputs on unequal grids: larger pixels made fine, and anisotropic volumes made isotropic."""

import json

import numpy as np
import pytest

from isoscope.sources import open_one
from isoscope.volume import Box
from isoscope.writing.whole import write_whole

pytestmark = pytest.mark.usefixtures("one_thread")
FINE, COARSE = (1.0, 0.1, 0.1), (1.0, 0.2, 0.2)


def mean_of_squares(image):
    return image.reshape(len(image) // 2, 2, -1, 2).mean((1, 3)).astype(np.uint8)


@pytest.fixture
def folders(tmp_path, spots):
    """Coarse images, fine ones of other fields, and a test of both."""
    for name, seeds, coarse in (("wide", (0, 1), True), ("sharp", (10, 11), False), ("test", (20, 21), True),
                                ("truth", (20, 21), False)):  # fmt: skip
        for seed in seeds:
            image = spots(seed, 3, (64, 64))
            values, size = (mean_of_squares(image), COARSE) if coarse else (image, FINE)
            write_whole(tmp_path / name / f"{seed}.ome.tif", values, pixel_size=size)
    return tmp_path


@pytest.fixture
def words(folders, tiny):
    return ["--source", folders / "wide", "--target", folders / "sharp", "--task", "superres", "--steps", "2", *tiny]


def test_superres_makes_finer_pixels_and_says_so(isoscope, folders, words):
    assert isoscope("train", *words, "--out", folders / "run")[0] == 0
    assert isoscope("predict", folders / "run", folders / "test", "--out", folders / "made")[0] == 0
    (made,) = open_one(folders / "made" / "20.ome.tif")
    assert made.header.shape == (1, 1, 1, 64, 64)
    assert made.header.pixel_size[1:] == pytest.approx((0.1, 0.1))
    code, out, _ = isoscope("evaluate", folders / "made", folders / "truth", "--json")
    assert (code, len(json.loads(out)["images"])) == (0, 2)


def test_baselines_are_given_the_finer_grid_too(isoscope, folders, words):
    test = ["--test-source", folders / "test", "--test-truth", folders / "truth"]
    code, out, _ = isoscope("compare", "cpu", *words, *test, "--baselines", "--out", folders / "out", "--json")
    assert code == 0
    arms = {arm["name"]: arm for arm in json.loads(out)["arms"]}
    assert {"input", "Richardson-Lucy", "cpu"} <= set(arms)
    # interpolated to the grid of the truth it is nearly right
    assert arms["input"]["mean"]["psnr"] > 30


def test_a_test_on_the_wrong_grid_is_refused_before_training(refused, folders, words):
    test = ["--test-source", folders / "truth", "--test-truth", folders / "truth"]
    said = refused("compare", "cpu", *words, *test, "--out", folders / "out")
    assert "expected one size in T, Y and X" in said
    assert not (folders / "out").exists()


@pytest.fixture
def volume(tmp_path, spots):
    planes = np.stack([spots(seed, 3, (40, 40)) for seed in range(14)])
    return write_whole(tmp_path / "volume.ome.zarr", planes, "ZYX", pixel_size=(0.4, 0.2, 0.2))


def test_a_volume_is_made_isotropic_from_itself_alone(isoscope, tmp_path, volume, tiny):
    tiny = [word.replace("forward.", "forward.inner.") for word in tiny]
    sides = ["--source", volume, "--target", volume, "--task", "axial", "--steps", "2", *tiny]
    code, out, _ = isoscope("train", *sides, "--out", tmp_path / "run")
    assert code == 0
    assert "D0.shared: no image is in both domains" in out
    assert "pixels along z" in out
    made = tmp_path / "made.ome.zarr"
    code, out, _ = isoscope("predict", tmp_path / "run", volume, "--out", made, "--tile", 16, "--dry-run")
    assert (code, "1 x 1 x 28 x 40 x 40" in out) == (0, True)
    assert isoscope("predict", tmp_path / "run", volume, "--out", made, "--tile", 16)[0] == 0
    (found,) = open_one(made)
    assert (found.header.shape, found.header.pixel_size) == ((1, 1, 28, 40, 40), pytest.approx((0.2, 0.2, 0.2)))
    assert isoscope("verify", made)[0] == 0
    whole = tmp_path / "whole.ome.tif"
    assert isoscope("predict", tmp_path / "run", volume, "--out", whole)[0] == 0
    one, other = (v.read(Box.whole(v.header.shape)).astype(int) for p in (made, whole) for v in open_one(p))
    assert np.abs(one - other).max() <= 1


def test_axial_asks_for_pixel_sizes(refused, tmp_path, spots, tiny):
    bare = write_whole(tmp_path / "bare.tif", np.stack([spots(n) for n in range(14)]), "ZYX")
    sides = ["--source", bare, "--target", bare, "--task", "axial", "--out", tmp_path / "run", *tiny]
    assert "--pixel-size Z,Y,X" in refused("train", *sides)

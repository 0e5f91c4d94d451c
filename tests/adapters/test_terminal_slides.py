"""`isoscope predict --skip-background`: asked for, said, and the same where there is tissue."""

import json

import numpy as np
import pytest

from isoscope.sources import open_one
from isoscope.volume import Box
from isoscope.writing.whole import write_whole

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def run(isoscope, split, tiny):
    """A run, and a large image with spots in one corner."""
    sides = ["--source", split / "noisy", "--target", split / "clean", "--task", "denoise", "--steps", "2", "--quiet"]
    assert isoscope("train", *sides, *tiny, "--out", split / "run")[0] == 0
    return split / "run"


@pytest.fixture
def slide(tmp_path, spots):
    image = np.full((320, 400), 30, np.uint8)
    image[:40, :40] = spots(0)
    return write_whole(tmp_path / "slide.tif", image)


def pixels(path):
    (volume,) = open_one(path)
    return volume.read(Box.whole(volume.header.shape))[0, 0, 0]


def test_tissue_is_predicted_and_background_filled(isoscope, run, slide, tmp_path):
    words = ["predict", run, slide, "--tile", 16]
    code, said, _ = isoscope(*words, "--out", tmp_path / "some.ome.zarr", "--skip-background", "--json")
    assert code == 0
    (report,) = json.loads(said)["images"]
    skipped = report["background_skipped"]
    assert 0.5 < skipped["fraction"] < 1
    assert [fill["measured"] for fill in skipped["fills"]] == [[30]]
    assert isoscope(*words, "--out", tmp_path / "whole.ome.zarr")[0] == 0
    some, whole = pixels(tmp_path / "some.ome.zarr"), pixels(tmp_path / "whole.ome.zarr")
    assert np.array_equal(some[:40, :40], whole[:40, :40])
    assert np.abs(some.astype(int) - whole).max() <= 1
    (volume,) = open_one(tmp_path / "some.ome.zarr")
    assert volume.header.attributes["background_skipped"] == skipped


def test_a_dry_run_says_how_much_is_skipped(isoscope, run, slide, tmp_path):
    words = ["predict", run, slide, "--tile", 16, "--out", tmp_path / "out.tif", "--dry-run"]
    code, said, _ = isoscope(*words, "--skip-background")
    assert (code, "% of it skipped as background" in said) == (0, True)
    assert "skipped as background" not in isoscope(*words)[1]


def test_another_choice_does_not_go_on_with_what_was_begun(isoscope, run, slide, tmp_path):
    words = ["predict", run, slide, "--tile", 16, "--out", tmp_path / "out.ome.zarr"]
    assert isoscope(*words)[0] == 0
    code, _, err = isoscope(*words, "--skip-background", "--resume")
    assert (code, "background_skipped" in err) == (2, True)

"""Synthetic pairs through the command line."""

import json

import numpy as np
import pytest

from isoscope import inference
from isoscope.sources import open_one
from isoscope.volume import Box
from isoscope.writing.whole import write_whole
from isoscope_terminal.batch import REPORT

OPTIONS = ["--preset", "cpu", "--steps", "2", "--quiet"]
SMALL = ["training.patch=24", "training.batch=1", "method.forward.width=2", "method.forward.depth=1"]
SETTINGS = [part for item in SMALL for part in ("--set", item)]

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def home(tmp_path_factory, spots, one_thread):
    """Noisy and clean images, and a denoising run. Not to be written to."""
    place = tmp_path_factory.mktemp("pairs")
    for seed in range(2):
        write_whole(place / "noisy" / f"n{seed}.tif", spots(seed, 15))
        write_whole(place / "clean" / f"c{seed}.tif", spots(seed + 10), pixel_size=(1.0, 0.2, 0.2))
    sides = ["--source", place / "noisy", "--target", place / "clean", "--task", "denoise", "--out", place / "run"]
    assert called("train", *sides, *OPTIONS, *SETTINGS) == 0
    return place


def called(*arguments):
    from isoscope_terminal import app

    with pytest.raises(SystemExit) as left:
        app.main([str(a) for a in arguments])
    return left.value.code or 0


def pixels(path):
    (volume,) = open_one(path)
    return volume.read(Box.whole(volume.header.shape))[0, 0, 0]


def test_sources_are_noisy_targets_are_the_clean_images(isoscope, home, spots, tmp_path):
    code, out, _ = isoscope("pairs", home / "run", home / "clean", "--out", tmp_path / "p", "--json")
    document = json.loads(out)
    assert code == 0
    assert (document["draws"], document["seed"], document["failed"]) == (1, 0, 0)
    for side in ("source", "target"):
        assert sorted(p.name for p in (tmp_path / "p" / side).iterdir()) == ["c0.ome.zarr", "c1.ome.zarr"]
    source, target = (pixels(tmp_path / "p" / side / "c0.ome.zarr") for side in ("source", "target"))
    np.testing.assert_array_equal(target, spots(10))
    assert source.dtype == np.uint8
    camera = inference.load(home / "run", "b2a").model.network.describe()
    difference = source - (camera["gain"].values[0] * target.astype(float) + camera["offset"].values[0])
    assert abs(difference.mean()) < 3
    assert difference.std() > 0.5 * camera["read_noise"].values[0]


def test_what_is_made_says_by_what(isoscope, home, tmp_path):
    assert isoscope("pairs", home / "run", home / "clean", "--out", tmp_path / "p", "--seed", 7)[0] == 0
    (source,) = open_one(tmp_path / "p" / "source" / "c0.ome.zarr")
    assert source.header.attributes["synthetic"] == {"seed": 7, "draw": 0}
    assert source.header.attributes["direction"] == "b2a"
    assert source.header.pixel_size == (1.0, 0.2, 0.2)
    (target,) = open_one(tmp_path / "p" / "target" / "c0.ome.zarr")
    assert "predicted" not in target.header.attributes
    assert json.loads((tmp_path / "p" / REPORT).read_text())["seed"] == 7


def test_draws_differ_in_noise_and_share_the_clean_image(isoscope, home, tmp_path):
    options = ["--out", tmp_path / "p", "--draws", 3, "--to", "tif"]
    assert isoscope("pairs", home / "run", home / "clean" / "c0.tif", *options)[0] == 0
    names = [f"c0-draw{n}.tif" for n in range(3)]
    assert sorted(p.name for p in (tmp_path / "p" / "source").iterdir()) == names
    sources = [pixels(tmp_path / "p" / "source" / name) for name in names]
    assert len({s.tobytes() for s in sources}) == 3
    targets = {pixels(tmp_path / "p" / "target" / name).tobytes() for name in names}
    assert len(targets) == 1


def test_the_same_command_gives_the_same_bytes_and_another_seed_others(isoscope, home, tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        assert isoscope("pairs", home / "run", home / "clean", "--out", tmp_path / name, "--seed", seed)[0] == 0
    a, b, c = (pixels(tmp_path / name / "source" / "c1.ome.zarr") for name in "abc")
    np.testing.assert_array_equal(a, b)
    assert not np.array_equal(a, c)


def test_what_is_there_is_kept_on_resuming_and_refused_otherwise(isoscope, refused, home, tmp_path):
    command = ["pairs", home / "run", home / "clean", "--out", tmp_path / "p"]
    assert isoscope(*command)[0] == 0
    before = {p: p.read_bytes() for p in (tmp_path / "p").rglob("*") if p.is_file() and p.name != REPORT}
    assert "exists" in refused(*command)
    assert isoscope(*command, "--resume")[0] == 0
    assert {p: p.read_bytes() for p in before} == before
    code, _, err = isoscope(*command, "--resume", "--seed", 3)
    assert code == 2
    assert "draw.seed was 0, now 3" in err
    assert isoscope(*command, "--overwrite", "--seed", 3)[0] == 0


def test_a_missing_source_is_made_again_with_the_same_bytes(isoscope, home, tmp_path):
    command = ["pairs", home / "run", home / "clean", "--out", tmp_path / "p", "--to", "tif"]
    assert isoscope(*command)[0] == 0
    lost = tmp_path / "p" / "source" / "c1.tif"
    before = pixels(lost)
    lost.unlink()
    assert isoscope(*command, "--resume")[0] == 0
    np.testing.assert_array_equal(pixels(lost), before)


def test_an_image_that_does_not_fit_stops_only_itself(isoscope, home, spots, tmp_path):
    write_whole(tmp_path / "colour.png", np.stack([spots(0)] * 3, -1), "YXC")
    inputs = [home / "clean" / "c0.tif", tmp_path / "colour.png"]
    code, _, err = isoscope("pairs", home / "run", *inputs, "--out", tmp_path / "p")
    assert code == 2
    assert "colour has 3 channels; the model reads 1" in err
    assert (tmp_path / "p" / "source" / "c0.ome.zarr").exists()


def test_images_that_would_get_one_name_are_refused(refused, home, spots, tmp_path):
    write_whole(tmp_path / "other" / "c0.tif", spots(3))
    inputs = [home / "clean" / "c0.tif", tmp_path / "other" / "c0.tif"]
    assert "would both become c0.ome.zarr" in refused("pairs", home / "run", *inputs, "--out", tmp_path / "p")


def test_a_way_back_that_draws_nothing_makes_one_pair_of_each(isoscope, refused, spots, tmp_path):
    colour = np.stack([spots(1), spots(1) // 2, spots(1) // 3], -1)
    write_whole(tmp_path / "grey.png", spots(0))
    write_whole(tmp_path / "colour.png", colour, "YXC")
    sides = ["--source", tmp_path / "grey.png", "--target", tmp_path / "colour.png", "--task", "coloration"]
    settings = [word.replace("forward.", "forward.inner.") for word in SETTINGS]
    assert isoscope("train", *sides, "--out", tmp_path / "run", *OPTIONS, *settings)[0] == 0
    command = ["pairs", tmp_path / "run", tmp_path / "colour.png", "--out", tmp_path / "p"]
    assert "draws no noise; expected 1" in refused(*command, "--draws", 2)
    assert isoscope(*command)[0] == 0
    grey = pixels(tmp_path / "p" / "source" / "colour.ome.zarr")
    np.testing.assert_allclose(grey, colour @ np.array([0.299, 0.587, 0.114]), atol=0.51)

"""Splitting through the command line, and what training checks before it starts: splits, domains, weights, images."""

import json
import shutil

import numpy as np
import pytest

from isoscope.writing.whole import write_whole
from isoscope_terminal import app, checks

TINY = [
    "training.patch=24", "training.batch=1", "training.calibration=2", "method.forward.width=2",
    "method.forward.depth=1", "method.discriminator.width=2",
]  # fmt: skip
pytestmark = pytest.mark.usefixtures("one_thread")
OPTIONS = ["--task", "superres", "--preset", "cpu", "--steps", "2", *(w for item in TINY for w in ("--set", item))]


def cells(seed, side=40, radius=12.0):
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side]
    image = np.full((side, side), 20.0)
    for cy, cx in rng.uniform(0, side, (side * side // 250, 2)):
        image += 150 * np.exp(-((y - cy) ** 2 + (x - cx) ** 2) / radius)
    return np.clip(image + rng.normal(0, 4, image.shape), 0, 255).astype(np.uint8)


@pytest.fixture
def refused(isoscope):
    def run(*arguments):
        code, out, err = isoscope(*arguments, "-q")
        assert (code, out) == (2, "")
        assert err.splitlines()[-1].startswith("isoscope: error: ")
        return err

    return run


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    """Six noisy and six clean images of other fields; not to be written into."""
    home = tmp_path_factory.mktemp("sets ü")
    for n in range(6):
        write_whole(home / "noisy" / f"n{n}.tif", cells(n))
        write_whole(home / "clean" / f"c{n}.tif", cells(n + 10))
    return home


@pytest.fixture
def split(sets, tmp_path, isoscope):
    """A split of its own, to be damaged."""
    out = tmp_path / "split"
    assert isoscope("split", sets / "noisy", sets / "clean", "--out", out, "-q")[0] == 0
    return out


def train(home, run, *more):
    return ["train", "--source", home / "source", "--target", home / "target", "--out", run, *OPTIONS, *more]


# --- split


def test_split_writes_a_folder_for_each_part(isoscope, sets, tmp_path):
    out = tmp_path / "split"
    command = ["split", sets / "noisy", sets / "clean", "--test", "0.5", "--seed", "3"]
    code, said, _ = isoscope(*command, "--out", out, "--json")
    document = json.loads(said)
    assert code == 0
    assert {part: len(names) for part, names in document["parts"].items()} == {
        "source": 3, "target": 3, "test_source": 3, "test_target": 3,
    }  # fmt: skip
    assert all((out / name).exists() for names in document["parts"].values() for name in names)
    code, said, err = isoscope(*command, "--out", tmp_path / "again")
    assert "next: isoscope train --task TASK --source" in said
    assert "writing images 12/12" in err
    same = json.loads((tmp_path / "again" / "manifest.json").read_text())
    assert same == json.loads((out / "manifest.json").read_text())


def test_split_of_matched_sets_and_of_one_image(isoscope, sets, tmp_path):
    parts = json.loads(
        isoscope("split", sets / "noisy", sets / "clean", "--matched", "--out", tmp_path / "m", "--json")[1]
    )["parts"]
    assert len(parts["dropped"]) == 5
    assert len(parts["test_source"]) == len(parts["test_target"]) == 1
    write_whole(tmp_path / "a.tif", cells(1, 160))
    write_whole(tmp_path / "b.tif", cells(2, 160))
    command = ["split", tmp_path / "a.tif", tmp_path / "b.tif", "--out", tmp_path / "blocks", "--guard", "24"]
    code, said, _ = isoscope(*command)
    assert code == 0
    assert "test_source       1 image" in said


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        (["--test", "1.5"], "expected fractions that leave some to train"),
        (["--field", "("], "got the field pattern"),
        (["--field", "zebra"], "does not match the field pattern"),
    ],
)
def test_split_refuses(refused, sets, tmp_path, more, expected):
    assert expected in refused("split", sets / "noisy", sets / "clean", "--out", tmp_path / "out", *more)
    assert not (tmp_path / "out").exists()


def test_split_refuses_leaks_and_places_that_are_taken(refused, sets, tmp_path):
    shutil.copy(sets / "noisy" / "n0.tif", tmp_path / "copy.tif")
    shutil.copy(sets / "clean" / "c0.tif", tmp_path / "d.tif")
    assert "same" in refused("split", sets / "noisy", tmp_path, "--out", tmp_path / "out")
    assert "not an empty folder" in refused("split", sets / "noisy", sets / "clean", "--out", sets)
    assert "nothing at" in refused("split", sets / "noisy", sets / "none", "--out", tmp_path / "out")


# --- what training checks


def test_training_checks_its_split(isoscope, split, tmp_path):
    code, out, err = isoscope(*train(split, tmp_path / "run", "--json"))
    document = json.loads(out)
    assert code == 0
    assert document["manifests"] == [str(split / "manifest.json")]
    assert [check["id"] for check in document["checks"]] == [
        "D0.foreground", "D0.pixel_size", "D0.objects", "D0.shared",
    ]  # fmt: skip
    assert "every image is what" in err
    assert "D0.foreground: content covers" in err


def test_a_test_image_among_the_training_images_is_caught(refused, split, tmp_path):
    leaked = next((split / "test_source").iterdir())
    shutil.copy(leaked, split / "source" / "zz.tif")
    assert f"zz.tif is test_source in {split}" in refused(*train(split, tmp_path / "run"))
    assert not (tmp_path / "run").exists()


def test_an_image_that_changed_since_the_split_is_caught(refused, split, tmp_path):
    changed = next((split / "target").iterdir())
    changed.unlink()
    write_whole(changed, cells(99))
    assert "has changed since the split" in refused(*train(split, tmp_path / "run"))


def test_files_called_manifest_by_others_are_none_of_ours(isoscope, sets, tmp_path):
    home = shutil.copytree(sets, tmp_path / "sets")
    (home / "noisy").rename(home / "source")
    (home / "clean").rename(home / "target")
    (home / "manifest.json").write_text('{"name": "a web page"}')
    (home / "source" / "manifest.json").write_text("{")
    code, out, err = isoscope(*train(home, tmp_path / "run", "--json"))
    assert code == 0
    assert json.loads(out)["manifests"] == []
    assert err.count("cannot be read") == 1


def test_domains_that_share_an_image_are_refused(refused, sets, tmp_path):
    paths = ["--source", sets / "noisy", "--target", sets / "noisy"]
    said = refused("train", *paths, "--out", tmp_path / "run", *OPTIONS)
    assert "D0.shared: n0 (source) and n0 (target) hold the same pixels" in said
    assert not (tmp_path / "run").exists()


def test_domains_that_differ_are_warned_of_even_quietly(isoscope, tmp_path):
    few = np.full((48, 48), 20, np.uint8)
    few[4:12, 4:12] = 200
    a = write_whole(tmp_path / "a.ome.tif", cells(1, 48, 30.0), pixel_size=(1.0, 0.1, 0.1))
    b = write_whole(tmp_path / "b.ome.tif", few, pixel_size=(1.0, 0.2, 0.2))
    command = ["train", "--source", a, "--target", b, "--out", tmp_path / "run", *OPTIONS, "-q"]
    code, _, err = isoscope(*command)
    assert code == 0
    assert "isoscope: warning: D0.pixel_size: pixels are 0.1 µm wide" in err
    assert "resample" in err


def test_unreadable_manifests_are_said(tmp_path, caplog):
    (tmp_path / "manifest.json").write_bytes(b"\xff")
    assert checks._manifests([tmp_path / "a.tif"]) == []
    assert "nobody has checked" in caplog.text


# --- weights of an old model, and going on


@pytest.fixture(scope="module")
def old(sets, tmp_path_factory):
    """A finished run; not to be written into."""
    run = tmp_path_factory.mktemp("old") / "run"
    paths = ["--source", sets / "noisy", "--target", sets / "clean", "--out", run]
    with pytest.raises(SystemExit) as left:
        app.main([str(word) for word in ["train", *paths, *OPTIONS, "-q"]])
    assert not left.value.code
    return run


def test_training_begins_with_old_weights(isoscope, refused, old, sets, tmp_path):
    paths = ["--source", sets / "noisy", "--target", sets / "clean"]
    code, out, err = isoscope("train", *paths, "--out", tmp_path / "new", *OPTIONS, "--from", old)
    assert code == 0, err
    assert "trained 2 steps" in out
    origin = json.loads((tmp_path / "new" / "origin.json").read_text())
    assert origin["weights"]["model"] == str(old)
    wide = [*OPTIONS, "--set", "method.forward.width=3", "--from", old]
    said = refused("train", *paths, "--out", tmp_path / "wide", *wide)
    assert "method.forward.width is 2 in it, but 3 in this recipe" in said
    assert not (tmp_path / "wide").exists()
    said = refused("train", *paths, "--out", tmp_path / "x", *OPTIONS, "--from", sets)
    assert "holds no model" in said
    said = refused("train", *paths, "--out", old, *OPTIONS, "--from", old, "--resume")
    assert "--resume and --from" in said


def test_a_run_goes_on_with_its_own_images_only(isoscope, refused, old, sets, tmp_path):
    run = shutil.copytree(old, tmp_path / "run")
    paths = ["--source", sets / "noisy", "--target", sets / "clean"]
    assert isoscope("train", *paths, "--out", run, "--resume")[0] == 0
    said = refused("train", "--source", sets / "noisy" / "n*.tif", "--target", sets / "noisy", "--out", run, "--resume")
    assert "target: got an image called n0; expected c0" in said

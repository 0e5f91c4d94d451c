"""Training, prediction and scoring through the command line, on images small enough to take seconds."""

import json
import os
import signal
import subprocess
import sys
import time
from itertools import pairwise

import numpy as np
import pytest

from isoscope.sources import open_one, store_for_writing
from isoscope.volume import ArrayVolume, Box, Header, as_tczyx
from isoscope.writing.conversion import plan, run
from isoscope.writing.whole import write_whole
from isoscope_terminal import app
from isoscope_terminal.batch import REPORT

TINY = [
    "training.patch=24", "training.batch=1", "training.calibration=2", "method.forward.inner.width=2",
    "method.forward.inner.depth=1", "method.discriminator.width=2",
]  # fmt: skip
SETTINGS = [part for item in TINY for part in ("--set", item)]

pytestmark = pytest.mark.usefixtures("one_thread")


def tissue(seed, size=(40, 40)):
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: size[0], : size[1]]
    image = np.full(size, 230.0)
    for cy, cx in rng.uniform(0, size, (8, 2)):
        image -= 120 * np.exp(-((y - cy) ** 2 + (x - cx) ** 2) / 12)
    return np.clip(image + rng.normal(0, 4, size), 0, 255).astype(np.uint8)


def coloured(grey):
    return (grey[..., None] * np.array([1, 0.8, 0.9])).astype(np.uint8)


def write_images(home):
    write_whole(home / "grey.png", tissue(0))
    write_whole(home / "colour.png", coloured(tissue(1)), "YXC")
    write_whole(home / "new.png", tissue(2, (37, 51)))
    write_whole(home / "truth.png", coloured(tissue(2, (37, 51))), "YXC")
    return home


def called(*arguments):
    with pytest.raises(SystemExit) as left:
        app.main([str(a) for a in arguments])
    return left.value.code or 0


def sides(home):
    return ["--source", home / "grey.png", "--target", home / "colour.png"]


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """A folder with images and a run of four steps. Not to be written to."""
    home = write_images(tmp_path_factory.mktemp("trained"))
    options = ["--out", home / "run", "--task", "coloration", "--preset", "cpu", "--steps", "4", "--quiet"]
    assert called("train", *sides(home), *options, *SETTINGS) == 0
    return home


def test_train_predict_evaluate(isoscope, tmp_path):
    home = write_images(tmp_path)
    options = ["--out", home / "run", "--task", "coloration", "--preset", "cpu", "--steps", "4", "--json"]
    code, out, err = isoscope("train", *sides(home), *options, *SETTINGS)
    document = json.loads(out)
    assert code == 0
    assert document["steps"] == 4
    assert document["preset"] == "cpu"
    assert set(document["losses"]) >= {"cycle", "saliency"}
    assert "preset cpu (as asked)" in err
    assert "training 4/4" in err
    preview = open_one(home / "run" / "previews" / "step-00000004.png")[0]
    assert preview.header.shape == (1, 3, 1, 24, 4 * 24 + 12)

    code, out, _ = isoscope("predict", home / "run", home / "new.png", "--out", home / "p.ome.zarr", "--json")
    (image,) = json.loads(out)["images"]
    assert code == 0
    assert image["shape"] == [1, 3, 1, 37, 51]
    assert 0 <= image["clipped_fraction"] <= 1
    assert image["unfamiliar_fraction"] < 0.005
    assert open_one(home / "p.ome.zarr")[0].header.shape == (1, 3, 1, 37, 51)

    code, out, _ = isoscope(
        "evaluate", home / "p.ome.zarr", home / "truth.png", "--baseline", home / "new.png", "--json"
    )
    assert code == 0
    assert set(json.loads(out)["mean"]) == {"prediction", "baseline"}


def test_a_written_recipe_trains_and_resumes(isoscope, refused, tmp_path):
    home = write_images(tmp_path)
    recipe, run = home / "recipe.yaml", ["--out", home / "run"]
    assert isoscope("init", "coloration", *sides(home), "-o", recipe, *SETTINGS, "--set", "training.steps=2")[0] == 0
    code, out, _ = isoscope("train", recipe, *sides(home), *run)
    assert code == 0
    assert "(from the recipe)" in out
    assert "trained 2 steps" in out
    assert "--resume it, or --overwrite it" in refused("train", recipe, *sides(home), *run)
    assert "training.steps would change" in refused("train", recipe, *sides(home), *run, "--resume", "--steps", 5)
    assert "preset would change" in refused("train", *sides(home), *run, "--resume", "--preset", "paper")
    code, out, _ = isoscope("train", recipe, *sides(home), *run, "--resume")
    assert code == 0
    assert "nothing was left to train" in out
    code, out, err = isoscope("train", recipe, *sides(home), *run, "--overwrite", "--steps", "1", "--quiet")
    assert (code, out) == (0, f"{home / 'run' / 'model'}\n")
    assert "training" not in err


# --- predict


def test_dry_run_computes_and_writes_nothing(isoscope, trained, tmp_path):
    out = tmp_path / "sub" / "p.png"
    options = ["predict", trained / "run", trained / "new.png", "--out", out, "--dry-run", "--tile", "7"]
    code, said, _ = isoscope(*options)
    assert code == 0
    assert "1 x 3 x 1 x 37 x 51 (TCZYX) uint8" in said
    image = json.loads(isoscope(*options, "--json")[1])["images"][0]
    assert image["core"] >= 7
    assert image["tiles"] == -(-37 // image["core"]) * -(-51 // image["core"])
    assert not out.parent.exists()


def test_many_images_become_a_folder_with_their_suffixes(isoscope, trained, tmp_path):
    inputs = tmp_path / "in"
    inputs.mkdir()
    write_whole(inputs / "a.png", tissue(3))
    write_whole(inputs / "b.ome.tif", tissue(4))
    write_whole(inputs / "c.ome.zarr", np.stack([tissue(5), tissue(6)]), "ZYX")
    code, out, err = isoscope("predict", trained / "run", inputs, "--out", tmp_path / "out", "--tiling", "feathered")
    assert code == 0
    assert {p.name for p in (tmp_path / "out").iterdir()} == {"a.png", "b.ome.tif", "c.ome.zarr", REPORT}
    assert "3 of 3 images: c" in err
    assert "wrote 3 images" in out


def test_a_format_that_cannot_hold_the_prediction_gives_way_to_zarr(isoscope, trained, tmp_path):
    from PIL import Image

    Image.fromarray(tissue(3)).save(tmp_path / "photo.jpg")
    assert isoscope("predict", trained / "run", tmp_path / "photo.jpg", "--out", tmp_path / "out", "-q")[0] == 0
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["photo.ome.zarr"]


def test_the_way_back(isoscope, trained, tmp_path):
    out = tmp_path / "grey.png"
    assert isoscope("predict", trained / "run", trained / "truth.png", "--out", out, "--direction", "b2a")[0] == 0
    assert open_one(out)[0].header.shape == (1, 1, 1, 37, 51)


def test_existing_outputs_are_replaced_only_when_asked(isoscope, refused, trained, tmp_path):
    for name in ("p.png", "p.ome.zarr"):
        command = ["predict", trained / "run", trained / "new.png", "--out", tmp_path / name]
        assert isoscope(*command)[0] == 0
        assert "exists" in refused(*command)
        assert isoscope(*command, "--overwrite")[0] == 0


@pytest.mark.parametrize("lost", ["zarr.json", "0/zarr.json"])
def test_what_we_wrote_is_replaced_however_damaged_it_is(isoscope, trained, tmp_path, lost):
    out = tmp_path / "p.ome.zarr"
    command = ["predict", trained / "run", trained / "new.png", "--out", out]
    assert isoscope(*command)[0] == 0
    (out / lost).unlink()
    assert isoscope(*command, "--overwrite")[0] == 0
    assert isoscope("verify", out)[0] == 0


def test_folders_that_are_no_image_are_never_replaced(refused, trained, tmp_path):
    (tmp_path / "p.ome.zarr").mkdir()
    (tmp_path / "p.ome.zarr" / "thesis.txt").write_text("mine")
    said = refused("predict", trained / "run", trained / "new.png", "--out", tmp_path / "p.ome.zarr", "--overwrite")
    assert "not an image" in said
    assert (tmp_path / "p.ome.zarr" / "thesis.txt").read_text() == "mine"


@pytest.mark.parametrize(
    ("inputs", "more", "expected"),
    [
        (["truth.png"], ["--out", "p.png"], "has 3 channels; the model reads 1"),
        (["nowhere.png"], ["--out", "p.png"], "nothing at"),
        (["new.png"], ["--out", "p.jpg"], "cannot write 'p.jpg'"),
        (["new.png", "grey.png"], ["--out", "p.png"], "expected a folder"),
        (["new.png", "truth.png"], ["--out", "p.png"], "got 2 image(s) for the one file"),
        (["new.png", "new.png"], ["--out", "out"], "would both become"),
        (["new.png"], ["--out", "p.png", "--tiling", "overlapp"], "did you mean 'overlap'?"),
        (["new.png"], ["--out", "p.png", "--direction", "a2c"], "expected a2b or b2a"),
    ],
)
def test_predict_refuses(refused, trained, tmp_path, inputs, more, expected):
    places = [tmp_path / m if m.startswith(("p.", "out")) else m for m in more]
    assert expected in refused("predict", trained / "run", *(trained / i for i in inputs), *places)
    assert list(tmp_path.iterdir()) == []


def test_predict_refuses_what_is_no_run(refused, trained, tmp_path):
    assert "no run at" in refused("predict", tmp_path / "run", trained / "new.png", "--out", tmp_path / "p.png")
    assert "holds no model" in refused("predict", tmp_path, trained / "new.png", "--out", tmp_path / "p.png")


def test_an_input_is_never_an_output(refused, trained, tmp_path):
    store = write_whole(tmp_path / "in.ome.zarr", tissue(3))
    for out in (store, store / "0" / "p.png", tmp_path):
        assert "input" in refused("predict", trained / "run", store, "--out", out, "--overwrite")
    assert open_one(store)[0].header.shape == (1, 1, 1, 40, 40)


def test_predict_refuses_nan_and_leaves_nothing(isoscope, trained, tmp_path):
    bad = write_whole(tmp_path / "bad.tif", np.full((40, 40), np.nan, np.float32))
    code, out, err = isoscope("predict", trained / "run", bad, "--out", tmp_path / "p.ome.zarr", "--quiet")
    assert (code, out) == (2, "")
    assert "NaN" in err
    assert err.count("\n") == 1
    assert [p.name for p in tmp_path.iterdir()] == ["bad.tif"]
    (tmp_path / "mine").mkdir()
    for folder in ("new", "mine/new/newer", "mine"):
        assert isoscope("predict", trained / "run", bad, "--out", tmp_path / folder)[0] == 2
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["bad.tif", "mine"]


def test_an_image_that_fails_stops_only_itself(isoscope, trained, tmp_path):
    inputs = tmp_path / "in put ü"
    inputs.mkdir()
    for name, value in (("a", 0), ("b", np.nan), ("c", 0)):
        write_whole(inputs / f"{name}.tif", tissue(3).astype(np.float32) + np.float32(value))
    code, out, err = isoscope("predict", trained / "run", inputs, "--out", tmp_path / "out", "--json")
    document = json.loads(out)
    assert code == 2
    assert document["failed"] == 1
    assert [bool(image["error"]) for image in document["images"]] == [False, True, False]
    assert sum(line.startswith("isoscope: error: b holds NaN") for line in err.splitlines()) == 1
    assert "failed" in err
    assert {p.name for p in (tmp_path / "out").iterdir()} == {"a.tif", "c.tif", REPORT}
    assert json.loads((tmp_path / "out" / REPORT).read_text()) == document


@pytest.mark.parametrize("broken", [False, True])
def test_a_report_that_cannot_be_written_is_told_after_everything_else(
    isoscope, trained, tmp_path, monkeypatch, broken
):
    inputs = tmp_path / "in"
    inputs.mkdir()
    write_whole(inputs / "a.png", tissue(3))
    write_whole(inputs / "b.png", tissue(4))
    (inputs / "c.tif").write_bytes(b"" if broken else (write_whole(tmp_path / "c.tif", tissue(5)).read_bytes()))

    def full(path, _document):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("isoscope_terminal.batch.write_json", full)
    code, out, err = isoscope("predict", trained / "run", inputs, "--out", tmp_path / "out", "--json")
    assert (code, json.loads(out)["failed"]) == (2, broken)
    assert f"error: {tmp_path / 'out' / REPORT}: cannot be written (No space left on device)" in err


def test_an_image_that_cannot_be_used_stops_only_itself(isoscope, refused, trained, tmp_path):
    inputs = tmp_path / "in"
    inputs.mkdir()
    write_whole(inputs / "a.png", tissue(3))
    (inputs / "b.tif").write_bytes(b"II*\0 this is no TIFF")
    write_whole(inputs / "c.png", coloured(tissue(4)), "YXC")
    command = ["predict", trained / "run", inputs, "--out", tmp_path / "out"]
    code, said, _ = isoscope(*command, "--dry-run")
    assert code == 0
    assert said.count("cannot be predicted") == 2
    code, out, err = isoscope(*command, "--json")
    document = json.loads(out)
    assert (code, document["failed"]) == (2, 2)
    assert [bool(image["error"]) for image in document["images"]] == [False, True, True]
    assert "the model reads 1" in err
    assert {p.name for p in (tmp_path / "out").iterdir()} == {"a.png", REPORT}
    refused("predict", trained / "run", inputs / "b.tif", "--out", tmp_path / "b.png")  # the only one: nothing to go on


def test_a_list_of_images_is_as_good_as_a_folder(isoscope, trained, tmp_path):
    for n in range(3):
        write_whole(tmp_path / f"{n}.png", tissue(n))
    (tmp_path / "list.csv").write_text("plate,path\nx,2.png\ny,0.png\n")
    code, out, _ = isoscope("predict", trained / "run", tmp_path / "list.csv", "--out", tmp_path / "out", "--json")
    assert code == 0
    assert [image["name"] for image in json.loads(out)["images"]] == ["2", "0"]


def test_what_a_list_names_and_nobody_finds_stops_only_itself(isoscope, refused, trained, tmp_path):
    write_whole(tmp_path / "a.png", tissue(0))
    (tmp_path / "empty").mkdir()
    (tmp_path / "list.csv").write_text("lost.png\na.png\nempty\nlist.csv\nno*.png\n")
    code, out, _ = isoscope("predict", trained / "run", tmp_path / "list.csv", "--out", tmp_path / "out", "--json")
    document = json.loads(out)
    assert (code, document["failed"]) == (2, 4)
    assert [image["input"].rpartition("/")[2] for image in document["images"] if image["error"]] == [
        "lost.png", "empty", "list.csv", "no*.png",
    ]  # fmt: skip
    assert {p.name for p in (tmp_path / "out").iterdir()} == {"a.png", REPORT}
    (tmp_path / "list.csv").write_text("lost.png\n")
    assert "nothing there" in refused("verify", tmp_path / "list.csv")


def test_the_cost_is_told_before_anything_is_done(isoscope, trained, tmp_path):
    command = ["predict", trained / "run", trained / "new.png", "--out", tmp_path / "p.png", "--dry-run"]
    code, said, _ = isoscope(*command)
    assert code == 0
    for part in ("of memory", "of disk", "on cpu"):
        assert part in said
    image = json.loads(isoscope(*command, "--json")[1])["images"][0]
    assert image["disk_bytes"] >= 37 * 51 * 3
    assert image["memory_bytes"] > 37 * 51
    assert image["seconds_estimated"] > 0
    assert image["computed_per_kept"] >= 1


def test_statistics_and_precision_can_be_chosen(isoscope, refused, trained, tmp_path):
    command = ["predict", trained / "run", trained / "new.png", "--out"]
    for n, how in enumerate((["--normalisation", "dense"], ["--precision", "bfloat16"], ["--batch", "2"])):
        assert isoscope(*command, tmp_path / f"{n}.png", *how)[0] == 0
    assert "inference.normalisation" in refused(*command, tmp_path / "p.png", "--normalisation", "batch")
    both = ["--normalisation", "dense", "--precision", "bfloat16"]
    assert "use float32" in refused(*command, tmp_path / "p.png", *both)


def test_predictions_tell_how_their_input_was_read(isoscope, trained, tmp_path):
    stack = write_whole(tmp_path / "in.tif", np.stack([tissue(3), tissue(4)]), "ZYX")
    out = tmp_path / "p.ome.zarr"
    options = ["--axes", "CYX", "--channels", "1", "--pixel-size", "0.5,0.5"]
    assert isoscope("predict", trained / "run", stack, "--out", out, *options)[0] == 0
    header = open_one(out)[0].header
    assert header.attributes["read_as"] == {"axes": "CYX", "pixel_size": [0.5, 0.5], "channels": ["1"]}
    assert header.pixel_size == (1.0, 0.5, 0.5)


@pytest.mark.parametrize(("version", "shard"), [("0.4", "0/0/0/0/0/0"), ("0.5", "0/c/0/0/0/0/0")])
def test_a_damaged_prediction_is_found_and_repaired(isoscope, trained, tmp_path, version, shard):
    out = tmp_path / "out" / "new.ome.zarr"
    command = ["predict", trained / "run", trained / "new.png", "--out", out.parent, "--ome-zarr", version]
    assert isoscope(*command)[0] == 0
    content = (out / shard).read_bytes()
    (out / shard).write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    code, _, err = isoscope("verify", out.parent, "--quiet")
    assert code == 2
    assert f"{shard} holds other bytes than were written; repair it with isoscope predict ... --resume" in err
    assert isoscope(*command, "--resume")[0] == 0
    assert (out / shard).read_bytes() == content
    assert isoscope("verify", out.parent)[0] == 0


def test_a_prediction_that_was_stopped_goes_on(isoscope, refused, trained, tmp_path, monkeypatch):
    from isoscope.inference import streaming

    write_whole(tmp_path / "in.ome.zarr", np.stack([tissue(n) for n in range(3)]), "ZYX")
    command = ["predict", trained / "run", tmp_path / "in.ome.zarr", "--out", tmp_path / "p.ome.zarr"]
    real, calls = streaming.write, []

    def dying(plan, sink, job, values):
        calls.append(job.number)
        if calls == [0, 1, 2]:
            raise OSError(28, "No space left on device", "p.ome.zarr")
        return real(plan, sink, job, values)

    monkeypatch.setattr(streaming, "_WRITERS", 1)
    monkeypatch.setattr(streaming, "write", dying)
    code, _, err = isoscope(*command)
    assert (code, "No space left" in err) == (2, True)
    assert "--resume and --overwrite" in refused(*command, "--resume", "--overwrite")
    assert "is not finished; --resume it, or --overwrite it" in refused(*command)
    code, out, _ = isoscope(*command, "--resume", "--json")
    assert code == 0
    (image,) = json.loads(out)["images"]
    assert (image["resumed_shards"], image["clipped_fraction"]) == (2, None)
    assert calls == [0, 1, 2, 2]
    assert isoscope(*command, "--resume")[0] == 0
    assert calls == [0, 1, 2, 2]
    assert "begun otherwise" in refused(*command, "--resume", "--tile", "8")


def test_a_failure_before_the_first_shard_is_mended_keeps_the_others(isoscope, trained, tmp_path, monkeypatch):
    from isoscope.inference import streaming
    from isoscope.writing.draft import draft_path

    write_whole(tmp_path / "in.ome.zarr", np.stack([tissue(n) for n in range(3)]), "ZYX")
    command = ["predict", trained / "run", tmp_path / "in.ome.zarr", "--out", tmp_path / "p.ome.zarr"]
    real = streaming.write

    def refusing(number):
        def write(plan, sink, job, values):
            if job.number == number:
                raise OSError(28, "No space left on device", "p.ome.zarr")
            return real(plan, sink, job, values)

        monkeypatch.setattr(streaming, "write", write)

    refusing(2)
    assert isoscope(*command)[0] == 2
    (draft_path(tmp_path / "p.ome.zarr") / "0/c/0/0/0/0/0").write_bytes(b"torn")
    refusing(0)
    assert isoscope(*command, "--resume")[0] == 2
    monkeypatch.setattr(streaming, "write", real)
    code, out, _ = isoscope(*command, "--resume", "--json")
    assert (code, json.loads(out)["images"][0]["resumed_shards"]) == (0, 2)


def test_a_file_that_cannot_be_written_at_the_end_loses_no_shard(isoscope, trained, tmp_path, monkeypatch):
    write_whole(tmp_path / "in.ome.zarr", np.stack([tissue(n) for n in range(3)]), "ZYX")
    command = ["predict", trained / "run", tmp_path / "in.ome.zarr", "--out", tmp_path / "p.tif"]

    def full(draft, *_):
        raise OSError(28, "No space left on device", str(draft))

    with monkeypatch.context() as patched:
        patched.setattr("isoscope_tiff.writer.write_file", full)
        code, _, err = isoscope(*command)
    assert (code, "No space left" in err) == (2, True)
    code, out, _ = isoscope(*command, "--resume", "--json")
    assert (code, json.loads(out)["images"][0]["resumed_shards"]) == (0, 3)


def test_resuming_keeps_finished_pictures(isoscope, trained, tmp_path):
    command = ["predict", trained / "run", trained / "new.png", "--out", tmp_path / "p.png"]
    assert isoscope(*command)[0] == 0
    before = (tmp_path / "p.png").stat().st_mtime_ns
    code, out, _ = isoscope(*command, "--resume")
    assert code == 0
    assert "kept" in out
    assert (tmp_path / "p.png").stat().st_mtime_ns == before


# --- stopping


def process(*arguments):
    command = [sys.executable, "-m", "isoscope_terminal.app", *map(str, arguments)]
    one_thread = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=one_thread)


def wait_for(path, running, seconds=40):
    end = time.monotonic() + seconds
    while not path.exists():
        assert running.poll() is None, running.communicate()
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopping_saves_and_resumes(isoscope, tmp_path, number):
    home = write_images(tmp_path)
    recipe = ["--task", "coloration", "--preset", "cpu", "--steps", "100", *SETTINGS]
    command = ["train", *sides(home), "--out", home / "run", *recipe, "--json"]
    running = process(*command)
    wait_for(home / "run" / "history.csv", running)
    running.send_signal(number)
    out, err = running.communicate(timeout=40)
    assert (running.returncode, out) == (130, "")
    assert "isoscope: stopped at step" in err
    assert "--resume" in err
    assert "Traceback" not in err
    if number == signal.SIGTERM:
        return
    code, out, _ = isoscope(*command, "--resume")
    assert code == 0
    assert json.loads(out)["steps"] == 100
    steps = [int(line.split(",")[0]) for line in (home / "run" / "history.csv").read_text().splitlines()[1:]]
    assert all(a < b for a, b in pairwise(steps))
    assert steps[-1] == 100


# --- demo


def test_demo(isoscope, refused, tmp_path, monkeypatch):
    from isoscope import samples
    from isoscope.volume import ArrayVolume
    from isoscope_terminal import demo

    def volume(array, axes):
        values = as_tczyx(array, axes)
        return ArrayVolume(array, axes, Header("x", values.shape, values.dtype, axes, rgb=axes == "YXC"))

    given = [volume(tissue(0), "YX"), volume(coloured(tissue(1)), "YXC")]
    given += [volume(tissue(2, (24, 40)), "YX"), volume(coloured(tissue(2, (24, 40))), "YXC")]
    monkeypatch.setattr(samples, "sample", lambda task: samples.Sample(*given))
    monkeypatch.setattr(demo, "_TILE", 16)
    out = tmp_path / "demo"
    code, said, err = isoscope("demo", "--out", out, "--minutes", "0.02")
    assert code == 0
    assert "c2GAN" in said
    assert "better than" in said
    assert "isoscope train --task coloration" in said
    assert "training " in err
    names = {"comparison.png", "held_out.png", "prediction.ome.zarr", "run", "scores.json", "source.png", "target.png"}
    assert {p.name for p in out.iterdir()} == {*names, "truth.png"}
    assert set(json.loads((out / "scores.json").read_text())["scores"]) == {"input", "tint", "table", "prediction"}
    assert open_one(out / "comparison.png")[0].header.shape == (1, 3, 1, 2 * 24 + 4, 4 * 20 + 12)
    assert "--overwrite" in refused("demo", "--out", out)
    document = json.loads(isoscope("demo", "--out", out, "--minutes", "0.02", "--overwrite", "--json")[1])
    assert set(document["better_than"]) == {"input", "tint", "table"}


# --- sets larger than memory

SCARCE = ["--set", "training.ram_gib=0.0008"]


def write_large(home, suffix):
    """Grey in a file of this kind, colour in a small picture."""
    image = ArrayVolume(np.tile(tissue(0), (32, 20)), "YX")
    made = plan(image, shard=64, levels=1)
    run(made, store_for_writing(home / f"grey{suffix}").create(home / f"grey{suffix}", made.header, made.layout))
    write_whole(home / "colour.png", coloured(tissue(1)), "YXC")
    return ["--source", home / f"grey{suffix}", "--target", home / "colour.png", "--task", "coloration"]


def test_training_from_a_store_larger_than_memory(isoscope, tmp_path):
    options = [*write_large(tmp_path, ".ome.zarr"), "--preset", "cpu", "--steps", "4", *SETTINGS]
    code, out, err = isoscope("train", *options, *SCARCE, "--out", tmp_path / "run", "--json")
    assert code == 0, err
    assert 0 <= json.loads(out)["waited_for_images"] <= 1
    assert "source: 0.977 MiB of images, in blocks of" in err
    assert "target: 0.00458 MiB of images, decoded once into memory" in err
    assert "  waits " in err


def test_a_picture_that_would_be_decoded_again_and_again_is_refused_with_the_remedy(isoscope, tmp_path):
    options = [*write_large(tmp_path, ".png"), "--preset", "cpu", "--steps", "4", *SETTINGS, "--quiet"]
    code, out, err = isoscope("train", *options, *SCARCE, "--out", tmp_path / "run")
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert "expected all, or 40 such blocks, within half of training.ram_gib = 0.0008" in err
    assert "convert them once with `isoscope convert SOURCE STORES`" in err
    assert not (tmp_path / "run").exists()
    assert isoscope("train", *options, "--out", tmp_path / "run")[0] == 0


@pytest.mark.parametrize(("waited", "hinted"), [(0.1, False), (0.5, True)])
def test_much_waiting_is_hinted_at(isoscope, tmp_path, monkeypatch, waited, hinted):
    monkeypatch.setattr("isoscope.clock.Clock.waited_share", property(lambda _: waited))
    home = write_images(tmp_path)
    options = ["--task", "coloration", "--preset", "cpu", "--steps", "2", *SETTINGS, "--out", home / "run"]
    code, out, _ = isoscope("train", *sides(home), *options)
    assert code == 0
    assert ("hint: 50% of the time training waited for images" in out) == hinted


def test_a_camera_is_told_with_units_when_a_run_begins_and_ends(isoscope, tmp_path):
    home = write_images(tmp_path)
    sides = ["--source", home / "grey.png", "--target", home / "new.png", "--set", "method.backward.learn=true"]
    options = ["--out", home / "run", "--task", "denoise", "--preset", "cpu", "--steps", "2"]
    settings = [word.replace("forward.inner.", "forward.") for word in SETTINGS]  # no tint to lay around it
    code, out, _ = isoscope("train", *sides, *options, *settings)
    assert code == 0
    for when in ("begins with", "ended with"):
        (line,) = (line for line in out.splitlines() if line.startswith(f"b2a {when} "))
        assert "grey values per grey value; offset" in line
        assert "variance per grey value" in line


@pytest.mark.parametrize(
    ("times", "said", "noted"), [(0.25, (), True), (0.25, ("gain=1", "offset=0"), False), (1.0, (), False)]
)
def test_a_measured_contrast_that_is_far_from_one_is_doubted(isoscope, tmp_path, times, said, noted):
    home = write_images(tmp_path)
    (volume,) = open_one(home / "new.png")
    pixels = volume.read(Box.whole(volume.header.shape))[0, 0, 0]
    write_whole(home / "a.tif", (pixels * times).astype(np.uint8))
    write_whole(home / "b.tif", pixels[::-1].copy())
    options = ["--out", home / "run", "--task", "denoise", "--preset", "cpu", "--steps", "1"]
    settings = [word.replace("forward.inner.", "forward.") for word in SETTINGS]
    settings += [word for key in said for word in ("--set", f"method.backward.{key}")]
    code, out, _ = isoscope("train", "--source", home / "a.tif", "--target", home / "b.tif", *options, *settings)
    assert code == 0
    assert ("--set method.backward.gain=1 --set method.backward.offset=0" in out) == noted


def test_an_image_beyond_what_was_learned_from_is_pointed_out(isoscope, tmp_path):
    home = write_images(tmp_path)
    options = ["--out", home / "run", "--task", "coloration", "--preset", "cpu", "--steps", "1", *SETTINGS]
    assert isoscope("train", *sides(home), *options, "--set", "source.limits=[[0,150]]")[0] == 0
    bright = np.full((40, 40), 20, np.uint8)
    bright[:, 20:] = 255
    write_whole(home / "bright.png", bright)
    code, out, _ = isoscope("predict", home / "run", home / "bright.png", "--out", home / "b.png")
    assert code == 0
    assert "50.0% of the input beyond what it learned from: trust nothing there" in out


def test_runs_of_several_seeds_become_one_model(isoscope, refused, tmp_path):
    home = write_images(tmp_path)
    options = ["--task", "coloration", "--preset", "cpu", "--steps", "1", *SETTINGS]
    for seed in (0, 1):
        assert isoscope("train", *sides(home), *options, "--seed", seed, "--out", home / f"run{seed}")[0] == 0
    words = ["ensemble", home / "run0", home / "run1", "--out", home / "both"]
    code, out, _ = isoscope(*words)
    assert code == 0
    assert "the mean of 2 runs" in out
    assert isoscope("predict", home / "both", home / "new.png", "--out", home / "p.png")[0] == 0
    assert "or --overwrite it" in refused(*words)
    assert json.loads(isoscope(*words, "--overwrite", "--json")[1])["model"] == str(home / "both" / "model")
    assert "expected at least two" in refused("ensemble", home / "run0", home / "run0", "--out", home / "same")
    # a run of training is never replaced by what is made of it
    assert "run1 exists; choose another --out\n" in refused(*words[:3], "--out", home / "run1", "--overwrite") + "\n"
    assert not list(home.glob("*same*")) + list(home.glob(".*"))


def test_a_demo_on_simulated_images_stands_beside_filters(isoscope, refused, tmp_path, monkeypatch):
    from isoscope_terminal import demonstrations

    sets = ("noisy-{}?size=48&count=1", "sharp-{}?size=48&count=1", "noisy-{}?size=48&count=1&seed=2",
            "sharp-{}?size=48&count=1&seed=2")  # fmt: skip
    small = tuple(name.format("microtubules-v1") for name in sets)
    monkeypatch.setitem(demonstrations.SIMULATED, "denoise", small)
    out = tmp_path / "demo"
    words = ["demo", "--task", "denoise", "--out", out, "--minutes", "0.02"]
    code, said, _ = isoscope(*words)
    assert code == 0
    assert "better than all of them, in PSNR and SSIM" in said or "NOT better than, in " in said
    assert "simulate:noisy-microtubules-v1?size=48" in said
    assert (out / "sheet.png").is_file()
    assert "--overwrite" in refused(*words)
    document = json.loads(isoscope(*words, "--overwrite", "--json")[1])
    assert {"input", "Gaussian", "c2GAN"} <= {arm["name"] for arm in document["arms"]}


def test_the_demo_of_objects_numbers_them_and_says_who_is_better(isoscope, refused, tmp_path, monkeypatch):
    from isoscope_terminal import object_demo

    small = tuple(name.split("&count")[0] + "&size=64&count=1" for name in object_demo.SIMULATED)
    monkeypatch.setattr(object_demo, "SIMULATED", small)
    out = tmp_path / "demo"
    words = ["demo", "--task", "segment", "--out", out, "--minutes", "0.02"]
    code, said, _ = isoscope(*words)
    assert code == 0
    assert "better than Otsu + watershed" in said or "more of the objects than" in said
    assert (out / "comparison.png").is_file()
    assert "--overwrite" in refused(*words)
    document = json.loads(isoscope(*words, "--overwrite", "--json")[1])
    assert set(document["scores"]) == {"Otsu + watershed", "c2GAN"}
    assert document["scores"]["Otsu + watershed"]["dice"] > 0.7


def test_every_demo_names_simulations_that_exist():
    from isoscope.sources import open_all
    from isoscope_terminal import object_demo
    from isoscope_terminal.demonstrations import SIMULATED

    for task, names in {**SIMULATED, "segment": object_demo.SIMULATED}.items():
        source, target, test, truth = (open_all(f"simulate:{name}") for name in names)
        assert len(test) == len(truth), task
        shown = {v.header.name for v in (*source, *target)}
        assert not shown & {v.header.name for v in test}, f"{task} is tested on what it learned from"

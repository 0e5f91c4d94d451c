"""The commands that only look, and how every command refuses: one line, exit code 2, no traceback."""

import json
import signal
import subprocess
import sys

import numpy as np
import pytest

from isoscope import kinds
from isoscope.errors import DataError, PluginError, RecipeError
from isoscope.overrides import read
from isoscope.recipe import parse
from isoscope.writing.whole import write_whole
from isoscope_terminal import facts, plugins, showing
from isoscope_terminal.progress import duration
from isoscope_terminal.stopping import stoppable
from isoscope_terminal.wishes import duration_keys, gathered, stored_recipe

HEAVY = ("torch", "zarr", "skimage", "numpy", "scipy", "tifffile")

pytestmark = pytest.mark.usefixtures("one_thread")


def blobs(side=48, seed=0, channels=None, dark=True):
    """Round spots on a plain background, as uint8."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side]
    image = np.zeros((side, side))
    for cy, cx in rng.integers(0, side, (8, 2)):
        image += np.exp(-((y - cy) ** 2 + (x - cx) ** 2) / 12)
    image = np.clip(image, 0, 1) * 150 + rng.normal(0, 4, image.shape)
    image = np.clip((230 - image) if dark else (20 + image), 0, 255)
    return (image if channels is None else image[..., None] * np.linspace(1, 0.6, channels)).astype(np.uint8)


@pytest.fixture
def images(tmp_path):
    write_whole(tmp_path / "grey.png", blobs())
    write_whole(tmp_path / "colour.png", blobs(seed=1, channels=3), "YXC")
    return tmp_path


@pytest.mark.parametrize("arguments", [["--help"], ["train", "--help"], ["plugins"], ["--version"]])
def test_looking_is_light(arguments):
    code = (
        "import sys\nfrom isoscope_terminal.app import main\n"
        f"try:\n    main({arguments!r})\nexcept SystemExit as left:\n    assert not left.code\n"
        f"sys.stderr.write(','.join(m for m in {HEAVY!r} if m in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert done.stdout


def test_help_names_every_command(isoscope):
    code, out, _ = isoscope("--help")
    assert code == 0
    for name in ("demo", "info", "convert", "split", "init", "train", "predict", "evaluate", "doctor", "plugins"):
        assert f" {name} " in out


def test_version(isoscope):
    assert isoscope("--version")[1].startswith("isoscope 0.")


@pytest.mark.parametrize(
    "arguments", [["train", "--nope"], ["predict"], ["nonsense"], ["evaluate", "a", "b", "--norm"]]
)
def test_usage_errors_leave_with_2(isoscope, arguments):
    code, out, err = isoscope(*arguments)
    assert (code, out) == (2, "")
    assert "Traceback" not in err


def test_internal_errors_are_one_line_with_1(isoscope, monkeypatch):
    def broken(where, *options):
        raise ZeroDivisionError("division\nby zero")

    monkeypatch.setattr("isoscope.sources.find", broken)
    code, out, err = isoscope("info", "x.png")
    assert (code, out) == (1, "")
    assert err == (
        "isoscope: internal error: ZeroDivisionError: division by zero (run again with --debug for the traceback)\n"
    )
    assert "Traceback" in isoscope("info", "x.png", "--debug")[2]


def test_debug_by_environment(isoscope, monkeypatch):
    monkeypatch.setenv("ISOSCOPE_DEBUG", "1")
    code, _, err = isoscope("info", "nowhere.png")
    assert code == 2
    assert "Traceback" in err


def test_a_place_that_cannot_be_written_is_the_users_mistake(isoscope, images):
    (images / "file").write_text("")
    code, _, err = isoscope(
        "init", "coloration", "--source", images / "grey.png", "--target", images / "colour.png", "-o",
        images / "file" / "recipe.yaml",
    )  # fmt: skip
    assert code == 2
    assert err.count("\n") == 1


# --- info


def test_info_as_json(isoscope, tmp_path):
    path = write_whole(tmp_path / "cells.ome.tif", blobs().astype(np.uint16), pixel_size=(1.0, 0.2, 0.2))
    code, out, err = isoscope("info", path, "--json")
    assert (code, err) == (0, "")
    (facts_,) = json.loads(out)["images"]
    assert facts_["shape"] == [1, 1, 1, 48, 48]
    assert facts_["dtype"] == "uint16"
    assert facts_["pixel_size_zyx"][1:] == [0.2, 0.2]
    assert facts_["quantiles"]["0"] == [float(blobs().min())]
    assert 0 < facts_["foreground"] < 0.5
    assert facts_["polarity"] == "dark"


def test_info_of_a_folder_for_people(isoscope, images):
    code, out, _ = isoscope("info", images)
    assert code == 0
    assert out.index("colour\n") < out.index("grey\n")
    assert "shape (TCZYX)         1, 3, 1, 48, 48" in out


def test_info_of_nan_and_constant_images_tells_instead_of_failing(isoscope, tmp_path):
    write_whole(tmp_path / "nan.tif", np.full((16, 16), np.nan, np.float32))
    write_whole(tmp_path / "flat.tif", np.zeros((16, 16), np.uint8))
    code, out, _ = isoscope("info", tmp_path, "--json")
    flat, nan = json.loads(out)["images"]
    assert code == 0
    assert nan["not_finite"] == 1
    assert nan["quantiles"]["0.5"] == [None]
    assert flat["foreground"] is None
    assert "constant" in flat["note"]


def test_missing_file(refused, tmp_path):
    assert "nothing at" in refused("info", tmp_path / "nowhere.tif")


def test_not_an_image(refused, tmp_path):
    (tmp_path / "notes.txt").write_text("no pixels")
    assert "not an image" in refused("info", tmp_path / "notes.txt")
    (tmp_path / "fake.png").write_text("no pixels")
    assert "fake.png" in refused("info", tmp_path / "fake.png")


def test_empty_folder(refused, tmp_path):
    assert "no image" in refused("info", tmp_path)


# --- init


def test_init_writes_what_train_reads(isoscope, images):
    home = images / "recipe.yaml"
    paths = ["--source", images / "grey.png", "--target", images / "colour.png", "-o", home]
    code, out, _ = isoscope("init", "coloration", *paths, "--set", "training.batch=3", "--json")
    document = json.loads(out)
    assert code == 0
    assert parse(read(home)).model_dump(mode="json") == document["recipe"]
    assert document["recipe"]["training"]["batch"] == 3
    assert document["source"]["polarity"] == "dark"
    text = home.read_text()
    assert "#   1 image, red, green, blue, uint8" in text
    assert "patch: 32  # side in pixels" in text
    assert "exists" in isoscope("init", "coloration", *paths)[2]
    assert isoscope("init", "coloration", *paths, "--overwrite")[0] == 0


def test_init_replaces_recipes_only(refused, images):
    before = (images / "grey.png").read_bytes()
    paths = ["--source", images / "grey.png", "--target", images / "colour.png", "-o", images / "grey.png"]
    assert "is no recipe" in refused("init", "coloration", *paths, "--overwrite")
    assert (images / "grey.png").read_bytes() == before


def test_init_repeats_how_files_are_read(isoscope, images):
    paths = ["--source", images / "grey.png", "--target", images / "colour.png", "-o", images / "recipe.yaml"]
    out = isoscope("init", "coloration", *paths, "--target-pixel-size", "0.5,0.5")[1]
    assert "--target-pixel-size 0.5,0.5 --out RUN" in out


def test_init_warns_of_domains_that_do_not_fit(isoscope, tmp_path):
    source = write_whole(tmp_path / "a.ome.tif", blobs(64, dark=False), pixel_size=(1.0, 0.1, 0.1))
    few = np.full((64, 64), 20, np.uint8)
    few[:8, :8] = 200
    target = write_whole(tmp_path / "b.ome.tif", few, pixel_size=(1.0, 0.2, 0.2))
    home = tmp_path / "r.yaml"
    code, out, err = isoscope("init", "denoise", "--source", source, "--target", target, "-o", home)
    assert (code, err) == (0, "")
    assert "content covers" in out
    assert "WARNING: pixels are 0.1 µm wide in the source, 0.2 µm in the target" in home.read_text()


def test_unknown_task_with_suggestion(refused, images):
    said = refused("init", "colouration", "--source", images / "grey.png", "--target", images / "colour.png")
    assert "did you mean 'coloration'?" in said


# --- what train refuses before it starts


def train(images, *more):
    paths = ["--source", images / "grey.png", "--target", images / "colour.png", "--out", images / "run"]
    return ["train", *paths, *more]


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        (["--task", "coloration", "--set", "training.stepz=4"], "did you mean 'steps'?"),
        (["--task", "coloration", "--set", "method.forward=unett"], "did you mean 'unet'?"),
        (["--task", "coloration", "--set", "losses.cycle.wait=4"], "wait"),
        (["--task", "coloration", "--set", "training"], "KEY.KEY=VALUE"),
        (["--task", "coloration", "--steps", "4", "--minutes", "1"], "both --steps and --minutes"),
        (["--task", "coloration", "--preset", "papers"], "did you mean 'paper'?"),
        (["--task", "colour"], "no task is called"),
        ([], "no task given"),
        (["--task", "denoise"], "equal channels"),
        (["nowhere.yaml"], "no recipe at nowhere.yaml"),
        (["--resume"], "to resume"),
    ],
)
def test_train_refuses(refused, images, more, expected):
    assert expected in refused(*train(images, *more))
    assert not (images / "run").exists()


def test_train_refuses_recipe_typos(refused, images):
    (images / "recipe.yaml").write_text("task: coloration\ntrainning: {steps: 4}\n")
    assert "did you mean 'training'?" in refused(*train(images, images / "recipe.yaml"))


def test_train_refuses_another_task_or_preset_than_the_recipes(refused, images):
    (images / "recipe.yaml").write_text("task: coloration\npreset: cpu\n")
    assert "made for task coloration" in refused(*train(images, images / "recipe.yaml", "--task", "denoise"))
    assert "made for preset cpu" in refused(*train(images, images / "recipe.yaml", "--preset", "paper"))


@pytest.mark.parametrize(("value", "expected"), [(np.nan, "NaN"), (0.5, "constant")])
def test_train_refuses_images_without_grey_values_to_learn_from(refused, tmp_path, value, expected):
    bad = write_whole(tmp_path / "bad.tif", np.full((32, 32), value, np.float32))
    good = write_whole(tmp_path / "good.tif", blobs(32).astype(np.float32))
    out = tmp_path / "run"
    assert expected in refused("train", "--task", "denoise", "--source", bad, "--target", good, "--out", out)
    assert not out.exists()


def test_train_leaves_foreign_folders_alone(refused, images):
    (images / "run").mkdir()
    (images / "run" / "thesis.txt").write_text("mine")
    assert "not empty" in refused(*train(images, "--task", "coloration", "--overwrite"))
    assert (images / "run" / "thesis.txt").read_text() == "mine"


# --- evaluate


def test_evaluate(isoscope, images):
    same = isoscope("evaluate", images / "colour.png", images / "colour.png", "--json")
    assert same[0] == 0
    assert json.loads(same[1])["mean"]["prediction"]["nrmse"] == 0
    code, out, _ = isoscope(
        "evaluate", images / "colour.png", images / "colour.png", "--baseline", images / "grey.png", "--quiet"
    )
    assert code == 0
    assert "chroma RMSE" in out
    ranged = isoscope("evaluate", images / "grey.png", images / "grey.png", "--data-range", 0, 100, "--json")
    assert json.loads(ranged[1])["data_range"] == [0, 100]


def test_evaluate_refuses(refused, images):
    assert "shape" in refused("evaluate", images / "grey.png", images / "colour.png")
    assert "did you mean 'range'?" in refused(
        "evaluate", images / "grey.png", images / "grey.png", "--norm", "rnge"
    )  # fmt: skip


# --- plugins


def test_plugins_as_json(isoscope):
    code, out, err = isoscope("plugins", "--json")
    rows = json.loads(out)["plugins"]
    assert (code, err) == (0, "")
    assert {"kind", "name", "distribution", "version", "status"} == set(rows[0])
    assert ("generators", "unet", "isoscope", "ok") in {
        (r["kind"], r["name"], r["distribution"], r["status"]) for r in rows
    }


class _Broken:
    kind, name, distribution, version = "losses", "bad", "theirs", "1"


def test_plugins_load_names_the_broken_one(isoscope, monkeypatch):
    found = [_Broken(), *(p for p in plugins.installed() if p.kind == "tasks")]
    monkeypatch.setattr(plugins, "installed", lambda: found)
    monkeypatch.setattr(plugins, "tried", lambda given, _: ["ok" if p.kind == "tasks" else "fails" for p in given])
    assert {r["status"] for r in json.loads(isoscope("plugins", "--json")[1])["plugins"]} == {"ok"}
    rows = json.loads(isoscope("plugins", "--load", "--json")[1])["plugins"]
    assert rows[0]["status"] == "broken: fails"
    assert {r["status"] for r in rows[1:]} == {"ok"}


def test_plugins_conflict(isoscope, monkeypatch):
    monkeypatch.setattr(plugins, "installed", lambda: [_Broken(), _Broken()])
    assert {r["status"] for r in json.loads(isoscope("plugins", "--json")[1])["plugins"]} == {"conflict"}


@pytest.mark.parametrize("kind", ["generator", "generators"])
def test_plugins_show(isoscope, kind):
    code, out, _ = isoscope("plugins", "show", kind, "unet", "--json")
    document = json.loads(out)
    width = next(p for p in document["parameters"] if p["name"] == "width")
    assert code == 0
    assert document["distribution"] == "isoscope"
    assert width["type"] == "int >= 1"
    assert width["default"] == 32
    assert "channels" in width["doc"]


def test_plugins_list_is_what_people_type(isoscope):
    assert isoscope("plugins", "list", "--json") == isoscope("plugins", "--json")
    assert isoscope("plugins", "list") == isoscope("plugins")


def test_plugins_show_a_kind(isoscope, monkeypatch):
    def fail(name):
        raise PluginError("no licence")

    class Broken(dict):
        def plugins(self):
            return {"scale": [_Broken()]}

        kind, __getitem__ = "generators", staticmethod(fail)

    ours = json.loads(isoscope("plugins", "show", "loss", "--json")[1])
    assert (ours["kind"], [row["name"] for row in ours["plugins"]]) == ("losses", list(kinds.losses))
    assert {"name": "lsgan", "distribution": "isoscope", "doc": "Least-squares adversarial loss."} in ours["plugins"]
    monkeypatch.setitem(kinds.REGISTRIES, "generators", Broken(scale=None))
    code, out, _ = isoscope("plugins", "show", "generators", "--json")
    (row,) = json.loads(out)["plugins"]
    assert (code, row["name"], row["doc"]) == (0, "scale", "broken: no licence")


def test_plugins_show_what_a_task_proposes(isoscope):
    code, out, _ = isoscope("plugins", "show", "task", "coloration", "--json")
    found = json.loads(out)["proposes"]
    assert (code, found["method"], found["why_not"]) == (0, "c2gan", None)
    assert found["for"] == "8-bit images with 1 channel -> 3 channels", "it takes no grey targets"
    assert (found["networks"]["forward"]["name"], found["networks"]["backward"]["name"]) == ("tint", "luminance")
    assert "lsgan" not in found["losses"], "switched off"
    assert found["losses"]["saliency"]["weight"] == 5
    said = isoscope("plugins", "show", "tasks", "coloration")[1]
    assert f"over preset {found['preset']}:\n  method c2gan\n  forward tint (inner " in said
    assert "\n  loss saliency, weight 5\n" in said


@pytest.mark.parametrize(
    ("error", "said"),
    [(DataError("needs five channels"), "needs five channels"), (KeyError("x"), "the task failed (KeyError: 'x')")],
)
def test_plugins_show_a_task_that_takes_no_example(isoscope, error, said):
    def refuse(source, target, /):
        """Only mine."""
        raise error

    kinds.tasks.add("refuse", refuse)
    try:
        code, out, _ = isoscope("plugins", "show", "tasks", "refuse")
    finally:
        kinds.tasks.remove("refuse")
    assert (code, f"proposes nothing for the example images: {said}\n" in out) == (0, True)


def test_plugins_show_for_people(isoscope):
    code, out, _ = isoscope("plugins", "show", "loss", "lsgan")
    assert code == 0
    assert "label" in out
    assert "no parameters" in isoscope("plugins", "show", "store", "tiff")[1]


def test_plugins_show_refuses_with_suggestion(refused):
    assert "did you mean 'saliency'?" in refused("plugins", "show", "losses", "salience")
    assert "did you mean 'tilings'?" in refused("plugins", "show", "tyling", "overlap")


# --- the small parts


def test_durations_read_well():
    assert [duration(s) for s in (42.4, 725, 10930, float("nan"))] == ["0:42", "12:05", "3:02:10", "-:--"]


def test_steps_win_over_time_budget_and_passes_of_the_recipe(tmp_path):
    (tmp_path / "r.yaml").write_text("training: {minutes: 3, passes: 1}\nlosses:\n")
    keys = gathered(tmp_path / "r.yaml", {}, ["source.grey=true"], duration_keys(7, None, 1))
    training = {"minutes": None, "passes": None, "steps": 7, "seed": 1}
    assert keys == {"training": training, "source": {"grey": True}}


def test_resuming_names_the_keys_that_differ(tmp_path):
    with pytest.raises(DataError, match="leave out --resume"):
        stored_recipe(tmp_path, {})
    (tmp_path / "recipe.yaml").write_text(parse({"task": "denoise"}).to_yaml())
    assert stored_recipe(tmp_path, {"task": "denoise", "source": {"polarity": "auto", "limits": None}})
    with pytest.raises(RecipeError, match=r"source\.grey, training\.steps would change"):
        stored_recipe(tmp_path, {"training": {"steps": 3}, "source": {"grey": True}})


def test_the_preset_says_who_chose_it():
    assert facts.preset_reason("paper", None, "paper") == "preset paper (as asked)"
    assert facts.preset_reason(None, "cpu", "cpu") == "preset cpu (from the recipe)"
    assert "auto" in facts.preset_reason("auto", None, "cpu")


def test_demo_refuses_tasks_without_one(refused):
    assert "tasks with a demo: coloration, denoise, superres, axial, labeling, segment" in refused(
        "demo", "--task", "x"
    )


def test_demo_leaves_foreign_folders_alone(refused, tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    assert "exists" in refused("demo", "--out", tmp_path, "--overwrite")


def test_every_registry_is_shown_by_its_singular():
    for kind in kinds.REGISTRIES:
        singular = {"losses": "loss"}.get(kind, kind.removesuffix("s"))
        assert showing._kind(singular, list(kinds.REGISTRIES)) == kind


def test_the_first_ctrl_c_asks_and_the_second_ends_at_once():
    before = signal.getsignal(signal.SIGINT)
    with stoppable() as asked:
        assert not asked()
        signal.raise_signal(signal.SIGINT)
        assert asked()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


def test_a_truncated_tiff_is_refused_in_one_line(refused, tmp_path):
    whole = write_whole(tmp_path / "whole.tif", np.stack([blobs(64, n) for n in range(4)]), "ZYX")
    (tmp_path / "cut.tif").write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    assert "cut.tif" in refused("info", tmp_path / "cut.tif")

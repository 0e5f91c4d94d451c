"""`isoscope sweep` and `--method` through the command line, on images small enough to take seconds."""

import csv
import json

import numpy as np
import pytest

from isoscope.sources import open_one
from isoscope.writing.whole import write_whole
from isoscope_terminal.plotting import Level, Panel, Series, figure, plot
from isoscope_terminal.sweep_table import learning_notes, learning_rows, panels

pytestmark = pytest.mark.usefixtures("one_thread")


def test_a_sweep_draws_curves_beside_supervised_and_goes_on(isoscope, split, contest, pairs):
    code, out, err = isoscope(*contest("sweep", "--sizes", "3,9", *pairs, "--seeds", "2", "--baselines"))
    assert code == 0, err
    assert "supervised: task denoise, preset cpu, method supervised on pairs, 2 steps" in out
    assert "the images hold 2 such patches side by side" in out
    assert "Gaussian" in out
    rows = list(csv.DictReader((split / "out" / "sweep.csv").read_text().splitlines()))
    learned = [(r["curve"], r["patches"], r["seed"]) for r in rows if r["patches"]]
    assert learned == [(c, n, s) for c in ("cpu", "supervised") for n in "39" for s in "01"]
    assert open_one(split / "out" / "sweep.png")[0].header.rgb
    before = {p: p.stat().st_mtime_ns for p in (split / "out" / "arms").glob("*/run/model/*")}
    assert len(before) > 8
    code, out, err = isoscope(*contest("sweep", "--sizes", "3,9", *pairs, "--seeds", "2", "--json"))
    told = json.loads(out)
    assert [(c["name"], c["method"], [p["patches"] for p in c["points"]]) for c in told["curves"]] == [
        ("cpu", "c2gan", [3, 9]),
        ("supervised", "supervised", [3, 9]),
    ]
    assert {p: p.stat().st_mtime_ns for p in (split / "out" / "arms").glob("*/run/model/*")} == before


def test_controls_are_recipes_of_a_sweep(isoscope, contest):
    code, out, err = isoscope(
        *contest("sweep", "--sizes", "3,9", "--seeds", "1", "--json", recipes=("cut", "cyclegan"))
    )
    assert code == 0, err
    assert [c["method"] for c in json.loads(out)["curves"]] == ["cut", "c2gan"]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--sizes", "3,x"], "got --sizes 3,x; expected whole numbers with commas"),
        (["--sizes", "3,3"], "got sizes 3, 3; expected different numbers"),
        (["--pairs-source", "nowhere"], "expected both or neither"),
        (["--set", "training.patches=none"], "training.patches"),
    ],
)
def test_what_makes_no_sweep_is_refused_in_one_line(refused, split, more, said, contest):
    assert said in refused(*contest("sweep", "--sizes", "3,9", *more))
    assert not (split / "out").exists()


def test_two_recipes_of_one_name_are_refused(refused, contest):
    assert "two recipes called 'cpu'" in refused(*contest("sweep", "--sizes", "3,9", recipes=("cpu", "cpu")))


# --- --method


@pytest.fixture
def train(split, tiny):
    """train(*more): the words of `train` on the split."""

    def words(*more, source="pairs-noisy"):
        return [
            "train", "--task", "denoise", "--preset", "cpu", "--source", split / source, "--target", split / "clean",
            "--out", split / "run", "--steps", "2", *tiny[:-2], *more,
        ]  # fmt: skip

    return words


def test_supervised_training_predicts_and_resumes(isoscope, split, train):
    code, _, err = isoscope(*train("--method", "supervised"))
    assert code == 0, err
    assert isoscope("predict", split / "run", split / "test", "--out", split / "made")[0] == 0
    assert len(list((split / "made").iterdir())) >= 2
    code, out, _ = isoscope(*train("--method", "supervised", "--resume", "--json"))
    assert code == 0
    method = json.loads(out)["recipe"]["method"]
    assert (method["name"], method["forward"]["width"]) == ("supervised", 2)  # --method leaves --set method.… in force


def test_pairs_that_do_not_match_are_refused_before_anything_is_written(isoscope, split, spots, train):
    write_whole(split / "pairs-noisy" / "12.tif", spots(12, 15))
    code, _, err = isoscope(*train("--method", "supervised"))
    assert code == 2
    assert "error: got 3 images in the source and 2 in the target; expected pairs" in err
    assert not (split / "run").exists()


def test_an_unknown_method_is_refused(refused, train):
    assert "did you mean 'supervised'?" in refused(*train("--method", "supervized"))


def test_a_recipe_of_another_method_is_not_bent(refused, split, train):
    (split / "r.yaml").write_text("task: denoise\nmethod:\n  name: c2gan\n")
    said = refused("train", split / "r.yaml", *train("--method", "supervised")[1:])
    assert "got --method supervised, but" in said
    assert "was made for method c2gan" in said


def test_init_writes_a_recipe_of_the_method_that_trains(isoscope, split, tiny):
    sides = ["--source", split / "pairs-noisy", "--target", split / "clean"]
    recipe = split / "r.yaml"
    code, _, err = isoscope("init", "denoise", *sides, "--preset", "cpu", "--method", "supervised", "-o", recipe)
    assert code == 0, err
    assert "l1:" in recipe.read_text()
    assert "lsgan" not in recipe.read_text()
    assert isoscope("train", recipe, *sides, "--out", split / "run", "--steps", "1", *tiny[:-4])[0] == 0


# --- telling


def curve(name, values, sd=0.5, plateau=None, failed=0):
    points = [
        {"patches": 10 ** (n + 1), "mean": {"psnr_affine": v, "nrmse": 1 / v},
         "interval": {"psnr_affine": [v - 1, v + 1]}, "sd": {"psnr_affine": sd}, "seeds": 2, "failed": failed}
        for n, v in enumerate(values)
    ]  # fmt: skip
    return {"name": name, "method": "c2gan", "points": points, "plateau": {"psnr_affine": plateau}}


def told(*curves, arms=()):
    return {"curves": list(curves), "arms": list(arms), "images": ["a", "b"], "data_range": [0, 255]}


BASELINE = {"name": "Gaussian", "kind": "baseline", "mean": {"psnr_affine": 25.0}, "interval": {}}


def test_the_table_has_a_row_for_every_point_and_filter():
    columns, rows = learning_rows(told(curve("ours", [20, 22]), arms=[BASELINE]), False)
    assert columns[:3] == ["recipe", "patches", "PSNR affine [95 %]"]
    assert rows[1][:3] == ["ours", "100", "22.00 [21.00, 23.00]"]
    assert rows[2][:3] == ["Gaussian", "-", "25.00"]
    assert all(len(row) == len(columns) for row in rows)


def test_notes_say_where_curves_level_off_and_what_failed():
    notes = list(learning_notes(told(curve("a", [1, 2], plateau=10), curve("b", [1, 2], plateau=100, failed=1)), False))
    assert notes[0] == "a: PSNR affine levels off at 10 patches (within one SD of seeds of the best)"
    assert notes[1] == "b: PSNR affine still rises at 100 patches"
    assert notes[2] == "b, 10 patches: 1 seed failed"


def test_panels_hold_what_was_scored():
    made = panels(told(curve("ours", [20, 22]), arms=[BASELINE]), False)
    assert [p.title for p in made] == ["PSNR affine", "NRMSE"]
    assert made[0].series[0].lows == [19, 21]
    assert made[0].levels == [Level("Gaussian", 25.0)]
    assert panels(told(curve("ours", [])), False) == []


def test_a_plot_shows_every_curve_in_its_colour_above_and_its_name_below(tmp_path):
    lines = [Series(name, [100, 1000], [y, y + 1], [y, y], [y + 1, y + 2]) for name, y in (("one", 20), ("two", 25))]
    plot(tmp_path / "p.png", [Panel("PSNR", "patches", lines, [Level("filter", 22)]), Panel("SSIM", "patches", lines)])
    (image,) = open_one(tmp_path / "p.png")
    pixels = np.moveaxis(image.read(type("All", (), {"slices": ...}))[0, :, 0], 0, -1)
    assert pixels.shape == (400, 840, 3)
    for colour in ((0, 114, 178), (213, 94, 0), (0, 158, 115)):
        found = (pixels == colour).all(-1)
        assert found[:320, :420].any()
        assert found[320:].any()
    assert not (pixels[:320, 420:] == (0, 158, 115)).all(-1).any(), "the second panel has no filter"


def test_values_axes_and_intervals_are_those_of_the_series():
    lines = [Series("one", [100, 400], [20, 25], [19, 23], [22, 26])]
    (axes,) = figure([Panel("PSNR", "patches", lines)]).axes
    assert axes.get_xscale() == "log"
    assert [t.get_text() for t in axes.get_xticklabels()] == ["100", "400"]
    (bars,) = axes.containers
    assert bars.lines[0].get_xydata().tolist() == [[100, 20], [400, 25]]
    assert [s.tolist() for s in bars.lines[2][0].get_segments()] == [[[100, 19], [100, 22]], [[400, 23], [400, 26]]]


def test_a_single_point_can_be_plotted(tmp_path):
    plot(tmp_path / "p.png", [Panel("PSNR", "patches", [Series("one", [100], [20], [20], [20])])])
    assert open_one(tmp_path / "p.png")[0].header.rgb

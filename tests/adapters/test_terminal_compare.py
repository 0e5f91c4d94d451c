"""Recipes and baselines beside each other through the command line, on images small enough to take seconds."""

import csv
import json

import numpy as np
import pytest

from isoscope.comparison import Cell
from isoscope.sources import open_one
from isoscope.writing.whole import write_whole
from isoscope_terminal.drawing import draw
from isoscope_terminal.standings import standings

pytestmark = pytest.mark.usefixtures("one_thread")


def test_recipes_and_baselines_stand_in_one_table(isoscope, split, contest, pairs):
    code, out, err = isoscope(*contest("compare", "--baselines", *pairs))
    assert code == 0
    for told in ("input", "Gaussian", "non-local means", "Richardson-Lucy", "histogram matching", "cpu"):
        assert told in out
    assert "tuned on 2 pairs" in out
    assert "intervals over 2 images say little" in out
    assert "cpu: task denoise, preset cpu, method c2gan on unpaired images, 2 steps, seed 0" in out
    assert "comparing" in err
    names = {r["arm"] for r in csv.DictReader((split / "out" / "scores.csv").read_text().splitlines())}
    assert names == {"input", "Gaussian", "non-local means", "Richardson-Lucy", "histogram matching", "cpu"}
    assert open_one(split / "out" / "sheet.png")[0].header.rgb


def test_json_says_all_and_nothing_is_done_twice(isoscope, split, contest):
    first = json.loads(isoscope(*contest("compare", "--seeds", "2", "--json"))[1])
    assert json.loads((split / "out" / "comparison.json").read_text()) == first
    (arm,) = first["arms"]
    assert [run["seed"] for run in arm["seeds"]] == [0, 1]
    assert [i["name"] for i in arm["seeds"][0]["images"]] == ["20", "21"]
    weights = {p: p.stat().st_mtime_ns for p in (split / "out" / "arms").rglob("*.safetensors")}
    again = json.loads(isoscope(*contest("compare", "--seeds", "2", "--json"))[1])
    assert again == first
    assert {p: p.stat().st_mtime_ns for p in (split / "out" / "arms").rglob("*.safetensors")} == weights


def test_a_recipe_file_and_a_preset_compete(isoscope, split, contest):
    recipe = split / "mine.yaml"
    recipe.write_text("task: denoise\npreset: cpu\nlosses: {cycle: {weight: 3}}\n")
    code, out, _ = isoscope(*contest("compare", "--reference", "cpu", "--json", recipes=(recipe, "cpu")))
    document = json.loads(out)
    assert code == 0
    assert [arm["name"] for arm in document["arms"]] == ["mine", "cpu"]
    assert document["reference"] == "cpu"
    assert document["arms"][0]["difference"]["psnr_affine"]["interval"]


@pytest.mark.parametrize(
    ("more", "recipes", "said"),
    [
        (["--pairs-source", "pairs-noisy"], ("cpu",), "expected both or neither"),
        ([], ("cpu", "cpu"), "two arms called 'cpu'"),
        ([], ("gpu",), "no preset is called 'gpu'"),
        ([], ("none.yaml",), "no recipe at none.yaml"),
        (["--reference", "cup"], ("cpu",), "did you mean 'cpu'"),
        (["--baselines"], ("input.yaml",), "two arms called 'input'"),
        (["--minutes", "3"], ("cpu",), "both --steps and --minutes"),
    ],
)
def test_what_cannot_be_compared_is_refused(refused, split, monkeypatch, more, recipes, said, contest):
    monkeypatch.chdir(split)
    (split / "input.yaml").write_text("task: denoise\npreset: cpu\n")
    assert said in refused(*contest("compare", *more, recipes=recipes))


def test_a_test_image_that_was_learned_from_is_refused(refused, split, spots, contest):
    write_whole(split / "clean" / "21.tif", spots(21, 0))
    assert "21 of --test-truth is 21 of --target too" in refused(*contest("compare"))


def test_a_folder_that_is_no_comparison_is_left_alone(refused, contest):
    assert "is no comparison" in refused(*contest("compare", out="clean"))


# --- the table and the sheet


def arm(name, **more):
    mean = {"psnr": 20.0, "ssim": 0.5, "psnr_affine": 30.0, "power_low": 0.5, "power_high": 1.5}
    spans = {"psnr_affine": [29.0, 31.0], "psnr": None}
    known = {"name": name, "parameters": {}, "note": "", "seeds": [{"seed": 0, "minutes": None, "failed": None}]}
    return known | {"mean": mean, "interval": spans, "difference": {}} | more


def told(*arms, rgb=False):
    images = [str(n) for n in range(7)]
    return standings({"arms": list(arms), "reference": "ours", "images": images, "data_range": [0, 255]}, rgb)


def test_the_table_shows_intervals_and_differences():
    gap = {"psnr_affine": {"mean": -1.25, "interval": [-2.0, -0.5]}}
    columns, rows, notes = told(arm("ours"), arm("filter", difference=gap))
    assert columns[1] == "PSNR affine [95 %]"
    assert rows[0][1] == "30.00 [29.00, 31.00]"
    assert rows[1][-2] == "-1.25 [-2.00, -0.50]"
    assert rows[0][-2:] == ["-", "-"]
    assert "0.50 – 1.50" in rows[0]
    assert not any("say little" in note for note in notes)


def test_colour_is_judged_as_it_is():
    assert told(arm("ours"), rgb=True)[0][-2] == "PSNR − ours"


def test_what_failed_and_what_was_tuned_is_noted():
    failed = arm("ours", seeds=[{"seed": 3, "minutes": None, "failed": "loss became nan"}], mean={}, interval={})
    _, rows, notes = told(failed, arm("Gaussian", parameters={"sigma": 2.5}, note="tuned on 9 pairs"))
    assert rows[0][1] == "-"
    assert "ours, seed 3: failed and left out (loss became nan)" in notes
    assert "Gaussian: sigma 2.5; tuned on 9 pairs" in notes


def test_names_are_written_above_pictures_and_cut_where_too_long(tmp_path):
    grey = np.full((160, 160, 3), 128, np.uint8)
    cells = [Cell("a name longer than any picture is wide" * 2, grey, grey, 10.0), *(Cell("b", grey) for _ in range(6))]
    draw(tmp_path / "sheet.png", [("one", cells), ("another", cells[:2])])
    (sheet,) = open_one(tmp_path / "sheet.png")
    height, width = sheet.header.shape[3:]
    assert width == 6 + 4 * 166  # seven cells in two rows of about equal length
    pixels = sheet.read(type("All", (), {"slices": ...}))[0, 0, 0]
    title = pixels[18:36, 6:166]
    assert (title < 100).any()
    assert (pixels[18:36, 166:172] == 255).all()
    assert height > 2 * 2 * 178


def test_that_no_baseline_fits_is_said_to_who_asked(isoscope, contest, monkeypatch):
    monkeypatch.setattr("isoscope_terminal.compare.offers_for", lambda *_: {})
    assert "baselines: none fits these channels" in isoscope(*contest("compare", "--baselines"))[1]
    assert "baselines:" not in isoscope(*contest("compare"))[1]

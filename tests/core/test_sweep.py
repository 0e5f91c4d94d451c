"""Curves along the number of patches: who is trained on what, and what is said of it."""

import csv
import json

import pytest

from isoscope import comparison, training
from isoscope.comparison import (
    ImageSets,
    Scored,
    at_sizes,
    beside,
    check_sizes,
    curves,
    document,
    enter,
    plateau,
    side_by_side,
    write_curves,
)
from isoscope.errors import DataError, RecipeError

SIZES = (4, 20)


@pytest.fixture(scope="module")
def sets(blobs, source, target):
    inputs = [blobs(seed + 20, noise=12.0, name=f"test{seed}") for seed in range(2)]
    truths = [blobs(seed + 20, noise=0.0, name=f"truth{seed}") for seed in range(2)]
    pairs = [blobs(seed + 10, noise=12.0, name=f"pair{seed}") for seed in range(2)], target
    return ImageSets(source, target, inputs, truths, pairs)


@pytest.fixture(scope="module")
def keys(tiny):
    return {**tiny(training={"steps": 3, "checkpoint_every": 2, "finish": 0.0}), "preset": "cpu"}


@pytest.fixture(scope="module")
def ours(sets, keys):
    return enter("ours", keys, sets, task="denoise", seeds=2)


@pytest.mark.parametrize(("given", "said"), [((), "none"), ((4, 4), "4, 4"), ((0, 5), "0, 5")])
def test_sizes_that_make_no_curve_are_refused(given, said):
    with pytest.raises(DataError, match=f"^got sizes {said}; expected different numbers of patches"):
        check_sizes(given)


def test_a_recipe_comes_once_for_every_size_and_seed(ours):
    sized = at_sizes(ours, SIZES[::-1])
    assert [s.patches for s in sized] == [4, 20]
    assert [[(e.recipe.training.patches, e.seed) for e in s.entrants] for s in sized] == [
        [(4, 0), (4, 1)],
        [(20, 0), (20, 1)],
    ]
    assert [s.entrants[0].name for s in sized] == ["ours, 4 patches", "ours, 20 patches"]


def test_a_time_instead_of_steps_is_refused(sets, keys):
    timed = enter("ours", {**keys, "training": {**keys["training"], "minutes": 2}}, sets, task="denoise")
    with pytest.raises(RecipeError, match=r"^ours trains for 2 minutes; expected as many steps at every size"):
        at_sizes(timed, SIZES)


def test_supervised_beside_a_recipe_has_its_generator_and_training(ours, keys, sets):
    given = {**keys, "losses": {"cycle": {"weight": 3}}}
    (made,) = enter("supervised", beside(ours[0], given), sets, task="denoise")
    one, other = ours[0].recipe, made.recipe
    assert made.matched
    assert (other.method.name, set(other.losses)) == ("supervised", {"l1"})
    assert other.method.parameters["forward"] == plain(one.method.parameters["forward"])
    assert other.method.parameters["rate"] == one.method.parameters["rate"]
    assert other.training == one.training


def plain(component):
    return component.model_dump() if hasattr(component, "model_dump") else component


def test_side_by_side_counts_patches_that_do_not_overlap(sets, ours):
    assert side_by_side(sets, ours[0].recipe) == 2  # two images of 40 px, patches of 32


def test_a_sweep_trains_each_point_once_and_draws_its_curves(sets, ours, keys, tmp_path, monkeypatch):
    trained, real = [], training.train

    def train(recipe, *images, **more):
        trained.append((recipe.method.name, recipe.training.patches, recipe.training.seed))
        return real(recipe, *images, **more)

    monkeypatch.setattr(training, "train", train)
    paired = enter("supervised", beside(ours[0], keys), sets, task="denoise", seeds=2)
    sized = [s for one in (ours, paired) for s in at_sizes(one, SIZES)]
    entrants = [entrant for s in sized for entrant in s.entrants]
    scored = comparison.run(entrants, {}, sets, tmp_path)
    assert trained == [(m, n, s) for m in ("c2gan", "supervised") for n in SIZES for s in (0, 1)]
    assert comparison.run(entrants, {}, sets, tmp_path) == scored
    assert len(trained) == 8
    more = at_sizes(ours, (*SIZES, 50))
    comparison.run([entrant for s in more for entrant in s.entrants], {}, sets, tmp_path)
    assert trained[8:] == [("c2gan", 50, 0), ("c2gan", 50, 1)]
    found = curves(sized, document(scored))
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert [(c["name"], c["matched"]) for c in found] == [("ours", False), ("supervised", True)]
    for curve in found:
        assert [(p["patches"], p["seeds"], p["failed"]) for p in curve["points"]] == [(4, 2, 0), (20, 2, 0)]
        assert all(p["sd"]["psnr_affine"] >= 0 for p in curve["points"])
        assert curve["plateau"]["nrmse"] in SIZES
    write_curves(tmp_path / "sweep.csv", sized, scored)
    rows = list(csv.DictReader((tmp_path / "sweep.csv").read_text().splitlines()))
    assert [(r["curve"], r["method"], int(r["patches"]), int(r["seed"])) for r in rows][:2] == [
        ("ours", "c2gan", 4, 0),
        ("ours", "c2gan", 4, 1),
    ]
    assert len(rows) == 8
    assert all(float(r["psnr_affine"]) > 0 for r in rows)


def test_a_recipe_without_the_key_keeps_the_arm_it_had(sets, ours, tmp_path):
    """Arms of comparisons that were made before there was `training.patches`."""
    from isoscope.comparison.running import _decisive

    assert "patches" not in _decisive(ours[0].recipe)["training"]
    assert _decisive(at_sizes(ours, (4,))[0].entrants[0].recipe)["training"]["patches"] == 4


def point(patches, mean, sd):
    return {"patches": patches, "mean": {"psnr": mean, "nrmse": -mean}, "sd": {"psnr": sd, "nrmse": sd}}


@pytest.mark.parametrize(
    ("means", "sd", "at"),
    [((20, 24, 27, 27.2), 0.3, 400), ((20, 24, 27, 27.2), 0.1, 800), ((30, 24, 27, 27.2), 0, 100)],
)
def test_a_curve_levels_off_within_one_deviation_of_its_best(means, sd, at):
    points = [point(n, mean, sd) for n, mean in zip((100, 200, 400, 800), means, strict=True)]
    assert plateau(points, "psnr") == plateau(points, "nrmse") == at


def test_no_deviation_no_plateau():
    assert plateau([point(100, 20, None)], "psnr") is None
    assert plateau([{"patches": 100, "mean": {}, "sd": {}}], "psnr") is None


def test_points_that_failed_are_told_apart(ours):
    sized = at_sizes(ours, (4,))
    names = [e.name for e in sized[0].entrants]
    images = ({"name": "t", "psnr_affine": 20.0},)
    good = Scored(names[0], "recipe", images=images, data_range=(0.0, 255.0), seed=0)
    bad = Scored(names[1], "recipe", seed=1, failed="loss became nan")
    (curve,) = curves(sized, document([good, bad]))
    assert (curve["points"][0]["seeds"], curve["points"][0]["failed"]) == (1, 1)
    assert curve["points"][0]["sd"]["psnr_affine"] is None

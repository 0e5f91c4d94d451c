"""One model of several runs makes the mean of what they make, and is refused where they do not fit each other."""

import numpy as np
import pytest

from isoscope import training
from isoscope.errors import DataError
from isoscope.inference import load, plan
from isoscope.model import ensemble


@pytest.fixture(scope="module")
def runs(proposed, source, target, tmp_path_factory):
    home = tmp_path_factory.mktemp("runs")
    return [
        training.train(proposed(training={"steps": 2, "seed": seed}), source, target, home / str(seed))
        for seed in range(3)
    ]


@pytest.fixture
def image(source):
    return source[0].read(type("All", (), {"slices": (slice(None),) * 5}))[0, 0, 0].astype(np.float32)


def test_it_makes_the_mean_of_what_they_make(runs, image, source, tmp_path):
    home = ensemble(runs, tmp_path / "ensemble")
    made = load(home).predict(image).astype(float)
    single = [load(run).predict(image).astype(float) for run in runs]
    assert np.abs(single[0] - single[1]).max() > 2, "or there is nothing to average"
    assert np.abs(made - np.mean(single, 0)).max() <= 1  # each is rounded to a grey level
    tiled = load(home).predict(image, tile=8)
    assert np.abs(tiled.astype(float) - made).max() <= 1
    assert plan(load(home).model, source[0]).header.attributes["model"] == load(home).model.sha256
    assert load(home).model.halo == load(runs[0]).model.halo


def test_its_way_back_is_that_of_the_first(runs, image, tmp_path):
    home = ensemble(runs[:2], tmp_path / "ensemble")
    assert np.array_equal(load(home, "b2a").predict(image), load(runs[0], "b2a").predict(image))


def test_runs_that_do_not_fit_each_other_are_refused(runs, proposed, source, target, tmp_path):
    with pytest.raises(DataError, match="expected at least two, of different seeds"):
        ensemble([runs[0], runs[0]], tmp_path / "e")
    with pytest.raises(DataError, match="expected at least two"):
        ensemble(runs[:1], tmp_path / "e")
    wide = proposed(training={"steps": 1}, method={"forward": {"width": 3}})
    other = training.train(wide, source, target, tmp_path / "wide")
    with pytest.raises(DataError, match="has another network"):
        ensemble([runs[0], other], tmp_path / "e")
    bright = proposed(training={"steps": 1, "seed": 5}, source={"limits": [[0, 100]]})
    other = training.train(bright, source, target, tmp_path / "bright")
    with pytest.raises(DataError, match="learned from other images"):
        ensemble([runs[0], other], tmp_path / "e")
    assert not (tmp_path / "e").exists()

"""Runs end after so many passes over the target, unless somebody asks for more."""

import logging

import numpy as np
import pytest

from isoscope import training
from isoscope.patches.passes import LEARNING, most_steps
from isoscope.proposal import propose
from isoscope.recipe import Recipe
from isoscope.run import Run
from isoscope.volume import Header


class Declared:
    """A volume of which only the header is there."""

    def __init__(self, *shape):
        self.header = Header("slide", shape, np.dtype("uint8"))


@pytest.fixture
def proposed(blobs):
    colour = [blobs(seed, channels=3, rgb=True) for seed in range(2)]

    def make(**user):
        return propose([blobs(0)], colour, task="coloration", preset="cpu", user={"training": user}).recipe.training

    return make


def recipe(**training):
    return Recipe.model_validate({"training": training})


def test_one_pass_looks_at_every_pixel_once():
    target = [Declared(1, 3, 1, 4000, 2048), Declared(2, 3, 4, 512, 512)]
    pixels = 4000 * 2048 + 2 * 4 * 512 * 512
    assert most_steps(recipe(passes=1.0, patch=32, batch=4), target) == -(-pixels // (4 * 32 * 32))
    assert most_steps(recipe(passes=2.5, patch=64, batch=2), target) == -(-5 * pixels // (2 * 2 * 64 * 64))


def test_small_sets_are_learned_from_all_the_same():
    assert most_steps(recipe(passes=1.0), [Declared(1, 3, 1, 100, 100)]) == LEARNING


def test_nothing_is_limited_unless_the_recipe_says_so():
    assert most_steps(recipe(), [Declared(1, 3, 1, 100, 100)]) is None


def test_a_task_limits_what_the_preset_takes(proposed):
    assert (proposed().steps, proposed().passes) == (LEARNING, 1.0)


def test_fewer_steps_than_passes_allow_stay(proposed):
    assert proposed(passes=1e5).steps == 6000


def test_steps_that_are_asked_for_are_made(proposed):
    assert (proposed(steps=5000).steps, proposed(steps=5000).passes) == (5000, None)


def test_a_recipe_that_says_both_is_told_which_wins(proposed, caplog):
    with caplog.at_level(logging.WARNING):
        assert proposed(steps=5000, passes=1.0).steps == LEARNING
    assert "allows 600 steps, not the 5000 asked for; set training.passes=null" in caplog.text


@pytest.mark.parametrize(("passes", "total"), [(1.0, 40), (None, 60_000)])
def test_more_minutes_make_no_more_passes(source, target, tiny, tmp_path, passes, total):
    made = propose(source, target, task="denoise", preset="cpu", user=tiny(training={"steps": 40, "minutes": 10.0}))
    run = Run(made.recipe.replaced(training={"passes": passes}), source, target, tmp_path)
    run.replan(10, rate=100.0)
    assert run.pace.total == pytest.approx(total, rel=0.01)


def test_a_run_ends_where_its_passes_do(source, target, tiny, tmp_path):
    made = propose(source, target, task="denoise", preset="cpu", user=tiny(training={"steps": 12, "minutes": 10.0}))
    seen = []
    training.train(made.recipe.replaced(training={"passes": 1.0}), source, target, tmp_path / "run", report=seen.append)
    assert (seen[-1].step, seen[-1].u) == (12, 1.0)

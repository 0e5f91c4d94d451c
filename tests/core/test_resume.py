import csv
import json
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file

from isoscope import checkpoint, durable, model, training
from isoscope.errors import DataError, Interrupted, TrainingError
from isoscope.normalisation import layers
from isoscope.recipe import Recipe
from isoscope.run import Run
from isoscope.volume import Layout

STEPS = 12
FROZEN_FROM = 9


class Killed(BaseException):
    """Stands for SIGKILL."""


@pytest.fixture(scope="module")
def recipe(proposed):
    """Instance norms, frozen inside the run; pools full early, so that they swap; noise, so that it must repeat; terms
    that are computed at some steps only."""
    playing = {"lsgan": {"weight": 0.1}}
    return proposed("instance", losses=playing, training={"steps": STEPS, "finish": 0.25, "checkpoint_every": 5})


@pytest.fixture(scope="module")
def straight(tmp_path_factory, recipe, source, target):
    """The run that nobody stopped."""
    return training.train(recipe, source, target, tmp_path_factory.mktemp("straight") / "run")


@pytest.fixture(scope="module")
def sittings(recipe, source, target):
    """Train in several sittings, each ending after a step."""

    def sit(folder, start, stop):
        done = iter(range(start + 1, STEPS + 1))
        with pytest.raises(Interrupted, match=f"^stopped at step {stop} of 12, saved in .*--resume$"):
            training.train(recipe, source, target, folder, stop=lambda: next(done) == stop, resume=start > 0)

    def train(folder, *stops):
        for start, stop in pairwise((0, *stops)):
            sit(folder, start, stop)
        return training.train(recipe, source, target, folder, resume=bool(stops))

    return train


def last(folder):
    home = checkpoint.latest(folder / "checkpoints")
    facts = json.loads((home / "state.json").read_text())
    facts.pop("elapsed")
    return load_file(home / "state.safetensors"), facts


def assert_same_run(one, other):
    (tensors, facts), (expected, wanted) = last(one), last(other)
    assert facts == wanted
    assert tensors.keys() == expected.keys()
    differing = [k for k in expected if not torch.equal(tensors[k], expected[k])]
    assert not differing
    assert (one / "history.csv").read_bytes() == (other / "history.csv").read_bytes()
    assert model_files(one) == model_files(other)


def model_files(folder):
    return {p.name: p.read_bytes() for p in (folder / "model").iterdir()}


def test_the_straight_run_holds_what_a_resumed_one_must_repeat(straight):
    tensors, facts = last(straight)
    wanted = {
        "networks": "method/forward_net.", "other way": "method/backward_net.", "judges": "method/discriminators.",
        "pools": "method/pools.a.images", "average": "average/networks.a2b.",
        "Adam of generators": "optimiser/generators/", "Adam of discriminators": "optimiser/discriminators/",
    }  # fmt: skip
    for what, prefix in wanted.items():
        assert any(k.startswith(prefix) for k in tensors), what
    assert int(tensors["method/pools.a.filled"]) == 2
    assert facts["pieces"] == [[0, 0.0, STEPS]]
    frozen = [v for k, v in tensors.items() if k.endswith("frozen_flag") and "judge" not in k and "discr" not in k]
    assert frozen
    assert all(frozen)


@given(stop=st.integers(1, STEPS - 1))
@settings(max_examples=4, deadline=None)
def test_a_resumed_run_is_the_straight_one_to_the_bit(tmp_path_factory, straight, sittings, stop):
    folder = sittings(tmp_path_factory.mktemp("stopped") / "run", stop)
    assert_same_run(folder, straight)


@pytest.mark.parametrize("stops", [(FROZEN_FROM,), (FROZEN_FROM + 1,), (2, 10)], ids=str)
def test_stopping_around_the_frozen_finish_changes_nothing(tmp_path, straight, sittings, stops):
    assert_same_run(sittings(tmp_path / "run", *stops), straight)


@pytest.mark.parametrize("offset", [0, 3, 6, 8, 11])
def test_a_kill_while_saving_costs_only_the_steps_since(
    tmp_path, straight, recipe, source, target, monkeypatch, offset
):
    """The first save is at step 5, the second at 10; the offsets reach from one to the other."""
    left = [14 + offset]

    def fsync(handle):
        left[0] -= 1
        if left[0] < 0:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(durable.os, "fsync", fsync)
        with pytest.raises(Killed):
            training.train(recipe, source, target, tmp_path / "run")
    assert last(tmp_path / "run")[1]["step"] in (5, 10)
    training.train(recipe, source, target, tmp_path / "run", resume=True)
    assert_same_run(tmp_path / "run", straight)


def test_a_kill_between_last_checkpoint_and_model_still_leaves_a_model(tmp_path, straight, recipe, source, target):
    folder = tmp_path / "run"
    only_at_the_end = recipe.replaced(training={"checkpoint_every": 500})

    def killed(*_):
        raise Killed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(model, "save", killed)
        with pytest.raises(Killed):
            training.train(only_at_the_end, source, target, folder)
    training.train(only_at_the_end, source, target, folder, resume=True)
    weights = {name for name in model_files(straight) if name.endswith(".safetensors")}
    assert set(model_files(folder)) == weights | {"model.json"}


@pytest.mark.parametrize("begun", ["row", "nothing"])
def test_a_kill_before_the_first_checkpoint_leaves_no_row_twice(tmp_path, straight, recipe, source, target, begun):
    """The row of step 5 is written before its checkpoint, and a kill may even leave an empty file."""

    def killed(*_):
        raise Killed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkpoint, "save", killed)
        with pytest.raises(Killed):
            training.train(recipe, source, target, tmp_path / "run")
    assert (tmp_path / "run" / "history.csv").read_text().count("\n") == 2
    if begun == "nothing":
        (tmp_path / "run" / "history.csv").write_text("")
    training.train(recipe, source, target, tmp_path / "run", resume=True)
    assert_same_run(tmp_path / "run", straight)


def test_a_finished_run_resumed_stays_as_it_is(tmp_path, recipe, source, target, sittings):
    folder = sittings(tmp_path / "run")
    before = model_files(folder), (folder / "history.csv").read_bytes()
    training.train(recipe, source, target, folder, resume=True)
    assert (model_files(folder), (folder / "history.csv").read_bytes()) == before


def test_progress_pieces_come_back(tmp_path, recipe, source, target):
    """A time budget re-plans by the clock; the resumed run must go by the saved pieces, not by the recipe's steps."""
    run = Run(recipe, source, target, tmp_path)
    run.pace.replan(4, 20)
    run.pace.replan(6, 9)
    run.save(6)
    again = Run(recipe, source, target, tmp_path)
    assert again.restore() == 6
    assert again.pace.pieces == run.pace.pieces
    assert again.pace.total == 9
    assert again.clock.elapsed >= run.clock.before


def test_the_frozen_finish_freezes_generators_and_not_discriminators(straight, recipe, source, target):
    run = Run(recipe, source, target, straight)
    run.restore()
    assert run.frozen
    assert all(x.mode == "frozen" for network in run.average.networks.values() for x in layers(network))
    assert all(x.mode == "instance" for x in layers(run.method.discriminators))


def test_the_average_freezes_with_the_networks_it_follows(tmp_path, recipe, source, target):
    run = Run(recipe, source, target, tmp_path)
    modes = [x for network in run.average.networks.values() for x in layers(network)]
    assert not run.frozen
    assert {x.mode for x in modes} == {"instance"}
    run.freeze()
    assert run.frozen
    assert {x.mode for x in modes} == {"frozen"}


def test_history_has_a_row_per_report_and_every_term(straight, recipe):
    with (straight / "history.csv").open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert [int(r["step"]) for r in rows] == [5, 10, 12]
    assert list(rows[0]) == ["step", "u", *recipe.losses, "discriminators"]
    rare = {label for label, term in recipe.losses.items() if term.share < 1}
    assert rare
    assert all(np.isfinite(float(v)) for r in rows for k, v in r.items() if v or k not in rare)


def test_training_leaves_the_callers_random_state_alone(tmp_path, proposed, source, target):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    training.train(proposed(training={"steps": 1}), source, target, tmp_path / "run")
    assert torch.equal(torch.rand(3), expected)


def test_the_recipe_of_a_run_is_all_it_needs(straight, recipe):
    text = (straight / "recipe.yaml").read_text()
    assert text == recipe.to_yaml()
    assert json.loads((straight / "model/model.json").read_text())["recipe"] == recipe.model_dump(mode="json")
    assert Recipe.model_validate(recipe.model_dump(mode="json")).training == recipe.training


@pytest.mark.parametrize("resume", [False, True])
def test_a_damaged_or_missing_start_is_refused(tmp_path, proposed, source, target, resume):
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "mine.txt").write_text("keep me")
    message = "no run at .* to resume" if resume else "exists and is not empty; choose another --out$"
    for overwrite in (False, True):
        with pytest.raises(DataError, match=message):
            training.train(proposed(), source, target, folder, resume=resume, overwrite=overwrite and not resume)
    assert [p.name for p in folder.iterdir()] == ["mine.txt"]


def test_a_run_is_overwritten_only_when_asked(tmp_path, proposed, source, target):
    recipe, folder = proposed(training={"steps": 1}), tmp_path / "run"
    training.train(recipe, source, target, folder)
    with pytest.raises(DataError, match="choose another --out, --resume it, or --overwrite it"):
        training.train(recipe, source, target, folder)
    training.train(recipe.replaced(training={"steps": 2}), source, target, folder, overwrite=True)
    assert last(folder)[1]["step"] == 2


def test_a_start_that_cannot_be_made_leaves_nothing_and_takes_nothing(tmp_path, proposed, source, target):
    good, bad = proposed(training={"steps": 1}), proposed(training={"patch": 64})
    with pytest.raises(DataError, match="smaller than the patch of 64"):
        training.train(bad, source, target, tmp_path / "new")
    assert not (tmp_path / "new").exists()
    folder = training.train(good, source, target, tmp_path / "old")
    before = model_files(folder)
    with pytest.raises(DataError, match="smaller than the patch of 64"):
        training.train(bad, source, target, folder, overwrite=True)
    assert model_files(folder) == before


def test_a_loss_that_becomes_nan_ends_the_run_and_keeps_the_last_good_checkpoint(tmp_path, recipe, source, target):
    wild = recipe.replaced(method={"rate": 1e38}, training={"checkpoint_every": 1})
    with pytest.raises(TrainingError, match=r"became .*; (the last good|there is no) checkpoint.*method\.rate"):
        training.train(wild, source, target, tmp_path / "run")


# --- sets larger than memory


@pytest.fixture(scope="module")
def large(blobs):
    """Images of which 32 blocks and not more fit into the memory of `streaming`, side by side."""
    noisy = [blobs(seed, size=(400, 300), noise=12.0, name=f"noisy{seed}") for seed in range(2)]
    return noisy, [blobs(seed + 10, size=(400, 300), name=f"clean{seed}") for seed in range(2)]


@pytest.fixture(scope="module")
def streaming(recipe):
    return recipe.replaced(training={"ram_gib": 4.2e-4, "augmentation": "dihedral"})


@pytest.mark.parametrize("stop", [1, 5, 8])
def test_a_run_on_blocks_resumes_to_the_bit(tmp_path, streaming, large, stop):
    straight = training.train(streaming, *large, tmp_path / "straight")
    assert all(last(straight)[1]["order"])
    done = iter(range(1, STEPS + 1))
    with pytest.raises(Interrupted):
        training.train(streaming, *large, tmp_path / "run", stop=lambda: next(done) == stop)
    training.train(streaming, *large, tmp_path / "run", resume=True)
    assert_same_run(tmp_path / "run", straight)


def test_a_run_reads_sets_larger_than_its_memory_in_blocks(tmp_path, streaming, large):
    one = Run(streaming, *large, tmp_path)
    assert all(s.blocks for s in one.samplers)
    assert ["in blocks of 32 x 32 px" in line for line in one.supply.reading] == [True, True]


def test_stores_that_were_chunked_anew_are_refused(tmp_path, streaming, large):
    class Chunked:
        layout = Layout((1, 1, 1, 40, 40), (1, 1, 1, 40, 40))

        def __init__(self, volume):
            self.header, self.read = volume.header, volume.read

    folder = training.train(streaming.replaced(training={"steps": 1}), *large, tmp_path / "run")
    anew = [Chunked(v) for v in large[0]]
    with pytest.raises(DataError, match=r"^got images that lie otherwise on disk.*expected.*give the same stores"):
        training.train(streaming, anew, large[1], folder, resume=True)


def test_a_run_says_how_long_it_waited(tmp_path, streaming, large):
    seen, ready = [], []
    training.train(streaming, *large, tmp_path / "run", report=seen.append, ready=ready.append)
    assert [run.supply.reading for run in ready] == [ready[0].supply.reading]
    assert all(0 <= p.waiting <= 1 and 0 <= p.waited <= 1 for p in seen)
    assert ready[0].clock.waited > 0

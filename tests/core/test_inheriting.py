import json

import pytest
import torch

from isoscope import model, origin, training
from isoscope.errors import DataError, Interrupted, RecipeError
from isoscope.normalisation import layers
from isoscope.proposal import propose
from isoscope.run import Run


@pytest.fixture(scope="module")
def old(tmp_path_factory, proposed, source, target):
    """A finished run with instance norms; not to be written into."""
    return training.train(
        proposed("instance", training={"steps": 2}), source, target, tmp_path_factory.mktemp("old") / "run"
    )


def test_a_run_begins_with_the_weights_of_an_old_model(tmp_path, old, proposed, source, target):
    recipe = proposed("instance", training={"steps": 4, "seed": 3})
    with pytest.raises(Interrupted):
        training.train(recipe, source, target, tmp_path / "run", weights=old, stop=lambda: True)
    facts = json.loads((tmp_path / "run" / origin.NAME).read_text())["weights"]
    assert facts == {"model": str(old), "sha256": {d: model.load(old, d).sha256 for d in ("a2b", "b2a")}}
    run = Run(recipe, source, target, tmp_path / "run")
    training.inherit(old, run)
    given = model.load(old, normalisation="tile").network.state_dict()
    for network in (run.method.generator("a2b"), run.average.networks["a2b"]):
        mine = network.state_dict()
        assert all(torch.equal(mine[k], v) for k, v in given.items() if not k.endswith("frozen_flag"))
        assert {layer.mode for layer in layers(network)} == {"instance"}


def test_nobody_is_told_of_statistics_that_nobody_asked_for(tmp_path, proposed, source, target, caplog):
    """A network without normalisation: to load it for prediction with such statistics is warned of, once."""
    old = training.train(proposed(training={"steps": 1}), source, target, tmp_path / "old")
    training.train(proposed(training={"steps": 1}), source, target, tmp_path / "run", weights=old)
    assert "statistics" not in caplog.text
    model.load(old, normalisation="tile")
    assert caplog.text.count("tile statistics make no difference") == 1


def test_going_on_needs_no_old_model(tmp_path, old, proposed, source, target):
    recipe = proposed("instance", training={"steps": 3, "checkpoint_every": 50})
    straight = training.train(recipe, source, target, tmp_path / "straight", weights=old)
    with pytest.raises(Interrupted):
        training.train(recipe, source, target, tmp_path / "run", weights=old, stop=lambda: True)
    for later in (tmp_path / "run" / "checkpoints").glob("step-00000001*"):
        later.rename(tmp_path / "gone")  # killed after the first step, before its checkpoint
    resumed = training.train(recipe, source, target, tmp_path / "run", resume=True)
    assert model.load(resumed).sha256 == model.load(straight).sha256
    unlike = training.train(recipe, source, target, tmp_path / "unlike")
    assert model.load(unlike).sha256 != model.load(straight).sha256


def test_other_networks_are_refused_by_name(tmp_path, old, proposed, source, target):
    wide = proposed("instance", method={"forward": {"width": 4}})
    with pytest.raises(RecipeError, match=r"method.forward.width is 2 in it, but 4 .*--set method.forward.width=2"):
        training.train(wide, source, target, tmp_path / "run", weights=old)
    other = proposed(method={"backward": {"name": "resnet", "width": 2}})
    with pytest.raises(RecipeError, match=r"method.\w+.\w+ is"):
        training.train(other, source, target, tmp_path / "run", weights=old)
    assert not (tmp_path / "run").exists()


def test_other_channels_are_refused(tmp_path, old, blobs, tiny):
    pair = [blobs(1, channels=2)], [blobs(2, channels=2)]
    recipe = propose(*pair, task="denoise", preset="cpu", user=tiny("instance")).recipe
    with pytest.raises(RecipeError, match="its source has 1 channels, these images have 2"):
        training.train(recipe, *pair, tmp_path / "run", weights=old)


def test_what_is_no_model_is_refused(tmp_path, old, proposed, source, target):
    with pytest.raises(DataError, match="no run at"):
        training.train(proposed(), source, target, tmp_path / "run", weights=tmp_path / "none")
    with pytest.raises(DataError, match="leave out either"):
        training.train(proposed(), source, target, old, weights=old, resume=True)

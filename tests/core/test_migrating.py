"""A model outlives the version of the plug-in that it was made with."""

import json
import shutil

import pytest
import torch
from torch import nn

from isoscope import kinds, model
from isoscope.errors import DataError, PluginError, RecipeError
from isoscope.migrating import migrated, migrates


def thinned(parameters, version):
    """From 0.2 on `strength` is called `amount`; in 0.1 it was a percentage."""
    found = dict(parameters)
    if "strength" in found:
        found["amount"] = found.pop("strength") / (100 if version == "0.1" else 1)
    return found


@migrates(thinned)
def thin(*, amount: float = 1.0):
    return lambda cycle: amount * cycle.fake_b.mean()


class Scaled(nn.Module):
    stride = 1

    def __init__(self, gain):
        super().__init__()
        self.gain = nn.Parameter(torch.tensor(gain))

    def forward(self, x):
        return self.gain * x


@migrates(lambda parameters, version: {"gain": float(parameters["scale"])})
def scaled(inputs, outputs, /, *, gain: float = 1.0):
    return Scaled(gain)


@pytest.fixture
def plugins():
    kinds.losses.add("thin", thin)
    kinds.generators.add("scaled", scaled)
    yield
    kinds.losses.remove("thin")
    kinds.generators.remove("scaled")


def used(kind, name, version, distribution="this process"):
    return {"kind": kind, "name": name, "distribution": distribution, "version": version}


@pytest.fixture
def changed(trained, tmp_path):
    """A model whose loss `edges` was made with a version of acme-edges; changed(what) gives its folder."""

    def edges(*, sharp: float = 1.0):
        return lambda cycle: sharp * cycle.fake_b.mean()

    def make(change, version):
        home = shutil.copytree(trained / "model", tmp_path / "model")
        facts = json.loads((home / "model.json").read_text())
        facts["plugins"].append(used("losses", "edges", version, "acme-edges"))
        change(facts)
        (home / "model.json").write_text(json.dumps(facts))
        return home

    kinds.losses.add("edges", edges)
    yield make
    kinds.losses.remove("edges")


@pytest.mark.parametrize(
    ("version", "said", "found"),
    [
        ("0.1", {"strength": 50.0}, {"amount": 0.5}),
        ("0.2", {"strength": 0.5}, {"amount": 0.5}),
        ("0.2", {}, {}),
        ("0", {"amount": 0.5}, {"amount": 0.5}),
    ],
)
@pytest.mark.parametrize("label", ["thin", "mine"])
def test_a_loss_gets_its_parameters_as_it_takes_them_now(plugins, version, said, found, label):
    term = {"weight": 2.0, "use": "thin", **said}
    recipe = {"method": {"name": "c2gan"}, "losses": {label: term, "cycle": {"weight": 3.0}}}
    made = migrated(recipe, [used("losses", "thin", version)])
    assert made["losses"] == {label: {"weight": 2.0, "use": "thin", **found}, "cycle": {"weight": 3.0}}
    assert recipe["losses"][label] == term, "what it was given stays"


def test_a_plug_in_within_a_plug_in_too(plugins):
    recipe = {"method": {"name": "c2gan", "backward": {"name": "scaled", "scale": 2}, "pool": 7}}
    made = migrated(recipe, [used("generators", "scaled", "0.3")])
    assert made["method"] == {"name": "c2gan", "backward": {"name": "scaled", "gain": 2.0}, "pool": 7}
    same = migrated({"method": {"name": "c2gan", "backward": {"name": "scaled", "gain": 2.0}}}, [])
    assert same["method"]["backward"] == {"name": "scaled", "gain": 2.0}


def test_a_failure_is_one_line_that_says_what_to_install(plugins):
    recipe = {"method": {"name": "c2gan", "backward": {"name": "scaled"}}}
    with pytest.raises(PluginError) as caught:
        migrated(recipe, [used("generators", "scaled", "0.3")])
    assert str(caught.value) == (
        "generators plug-in 'scaled' of this process 0 cannot migrate the model's parameters, which are those of "
        "version 0.3 (KeyError: 'scale'); register it in this process, as where it was made, or train again"
    )


@pytest.mark.parametrize(
    ("label", "said", "cause"),
    [
        ("edges", {"sharpness": 2.0}, "losses 'edges': unknown key 'sharpness'; did you mean 'sharp'?"),
        ("edges", {"sharp": "very"}, "losses 'edges': sharp = 'very' cannot stand: input should be a valid number, "
         "unable to parse string as a number"),
        ("mine", {"use": "edges", "sharpness": 2.0}, "losses 'edges': unknown key 'sharpness'; did you mean 'sharp'?"),
    ],
)  # fmt: skip
def test_parameters_that_nobody_migrates_name_both_versions(changed, label, said, cause):
    home = changed(lambda f: f["recipe"]["losses"].update({label: {"weight": 1.0, **said}}), version="1.4")
    with pytest.raises(PluginError) as caught:
        model.load(home)
    assert str(caught.value) == (
        f"losses plug-in 'edges' of this process 0 does not take the model's parameters, which are those of version "
        f"1.4 ({cause}); install acme-edges 1.4 (pip install acme-edges==1.4, or from where you got it), or train again"
    )


def test_what_the_other_version_still_takes_is_no_matter(changed):
    home = changed(lambda f: f["recipe"]["losses"].update({"edges": {"weight": 1.0, "sharp": 3.0}}), version="1.4")
    assert model.load(home).recipe.losses["edges"].component("edges").parameters == {"sharp": 3.0}


def test_with_the_same_version_it_is_the_recipe_that_is_wrong(changed):
    home = changed(lambda f: f["recipe"]["losses"].update({"edges": {"sharpness": 3.0}}), version="0")
    with pytest.raises(RecipeError, match=r"^losses 'edges': unknown key 'sharpness'; did you mean 'sharp'\?$"):
        model.load(home)


def test_an_older_model_is_loaded(plugins, trained, tmp_path):
    home = shutil.copytree(trained / "model", tmp_path / "model")
    facts = json.loads((home / "model.json").read_text())
    facts["recipe"]["losses"]["thin"] = {"weight": 1.0, "strength": 50.0}
    (home / "model.json").write_text(json.dumps(facts))
    facts["plugins"].append(used("losses", "thin", "0.1"))
    (home / "model.json").write_text(json.dumps(facts))
    assert model.load(home).recipe.losses["thin"].component("thin").parameters == {"amount": 0.5}


@pytest.mark.parametrize("spoilt", [{"method": None}, {"losses": [1]}, {"inference": {"tiling": 3}}])
def test_a_damaged_recipe_is_still_refused_as_such(trained, tmp_path, spoilt):
    home = shutil.copytree(trained / "model", tmp_path / "model")
    facts = json.loads((home / "model.json").read_text())
    facts["recipe"].update(spoilt)
    (home / "model.json").write_text(json.dumps(facts))
    with pytest.raises(DataError, match="is damaged"):
        model.load(home)

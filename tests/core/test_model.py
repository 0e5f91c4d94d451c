import json
import os
import pickle
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from isoscope import __version__, model, training
from isoscope.durable import sha256
from isoscope.errors import DataError, PluginError


class Payload:
    """What a malicious pickle does when it is loaded."""

    def __init__(self, witness):
        self.witness = witness

    def __reduce__(self):
        return os.mkdir, (str(self.witness),)


@pytest.fixture
def run(trained, tmp_path):
    """A copy of a finished run, to be damaged."""
    return shutil.copytree(trained, tmp_path / "run")


@pytest.fixture
def facts(run):
    """Read and rewrite the copy's model.json: `facts(lambda f: f.pop("weights"))`."""

    def change(edit=lambda facts: None):
        path = run / "model" / "model.json"
        found = json.loads(path.read_text())
        edit(found)
        path.write_text(json.dumps(found))
        return found

    return change


def weights(run, direction="a2b"):
    return next((run / "model").glob(f"{direction}-*.safetensors"))


def refusal(run, error=DataError, **words):
    with pytest.raises(error) as caught:
        model.load(run, **words)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_run_and_the_model_inside_it_load_alike(run):
    one, other = model.load(run), model.load(run / "model")
    assert one.sha256 == other.sha256 == sha256(weights(run))
    x = torch.rand(1, 32, 32) * 255
    assert torch.equal(one(x), other(x))


def test_a_loaded_network_is_ready_to_predict(run):
    loaded = model.load(run)
    assert not loaded.network.training
    assert not any(p.requires_grad for p in loaded.network.parameters())
    assert (loaded.direction, loaded.inputs.name, loaded.outputs.name) == ("a2b", "source", "target")
    assert loaded.halo is not None
    assert loaded.halo % loaded.stride == 0


def test_the_other_direction_swaps_the_domains(run):
    loaded = model.load(run, "b2a")
    assert (loaded.inputs.name, loaded.outputs.name) == ("target", "source")
    assert loaded.sha256 == sha256(weights(run, "b2a"))


def test_weights_are_named_by_their_hash_and_nothing_else_lies_there(run, facts):
    names = {w["file"] for w in facts()["weights"].values()}
    assert {p.name for p in (run / "model").iterdir()} == names | {"model.json"}
    assert all(sha256(run / "model" / name).startswith(name.split("-")[1].split(".")[0]) for name in names)


def test_model_json_says_which_plugins_of_which_distributions(facts):
    said = {(p["kind"], p["name"]): (p["distribution"], p["version"]) for p in facts()["plugins"]}
    assert {k for k, _ in said} == {"methods", "generators", "discriminators", "losses", "tilings", "tasks"}
    assert said["generators", "unet"] == ("isoscope", "0.1.0")


def test_tampered_weights_are_refused_by_their_hash(run):
    path = weights(run)
    tensors = load_file(path)
    save_file({k: v + 1e-6 for k, v in tensors.items()}, path)
    message = refusal(run)
    assert message == f"{path} is not the file the model was saved with (sha256 differs); restore or retrain it"


@pytest.mark.parametrize("cut", [0, 5, 100, -1])
def test_truncated_weights_are_refused(run, facts, cut):
    path = weights(run)
    path.write_bytes(path.read_bytes()[:cut])
    assert "sha256 differs" in refusal(run)
    facts(lambda f: f["weights"]["a2b"].update(sha256=sha256(path)))
    assert f"{path} cannot be loaded" in refusal(run)


def test_missing_weights_are_refused(run):
    weights(run).unlink()
    assert "cannot be loaded" in refusal(run)


def test_weights_of_another_shape_are_refused(run, facts):
    path = weights(run)
    save_file({k: torch.zeros(3, *v.shape) for k, v in load_file(path).items()}, path)
    facts(lambda f: f["weights"]["a2b"].update(sha256=sha256(path)))
    said = refusal(run, PluginError)
    assert f"generators plug-in 'unet' of isoscope {__version__} builds (RuntimeError" in said
    assert said.endswith("whose version is the same; install that, or train again")


def test_weights_that_another_version_of_a_plugin_cannot_hold_name_both(run, facts):
    path = weights(run)
    save_file({k: torch.zeros(3, *v.shape) for k, v in load_file(path).items()}, path)
    facts(lambda f: f["weights"]["a2b"].update(sha256=sha256(path)))
    before = {"kind": "generators", "name": "unet", "distribution": "isoscope", "version": "0.0.1"}
    facts(lambda f: f.update(plugins=[before if p["name"] == "unet" else p for p in f["plugins"]]))
    with pytest.raises(PluginError) as caught:
        model.load(run)
    said = str(caught.value)
    now = f"generators plug-in 'unet' of isoscope {__version__}"
    assert said.startswith(f"{path} does not fit the network that {now} builds (RuntimeError")
    assert said.endswith("pip install isoscope==0.0.1, or from where you got it), or train again")
    assert "\n" not in said


def test_of_several_plugins_with_other_versions_all_are_named(run, facts):
    path = weights(run)
    save_file({k: torch.zeros(3, *v.shape) for k, v in load_file(path).items()}, path)
    facts(lambda f: f["weights"]["a2b"].update(sha256=sha256(path)))
    facts(lambda f: [p.update(version="0.0.1") for p in f["plugins"] if p["kind"] in ("generators", "methods")])
    said = refusal(run, PluginError)
    assert "methods plug-in 'c2gan' of isoscope" in said
    assert "generators plug-in 'unet' of isoscope" in said
    assert said.count("pip install isoscope==0.0.1") == 1


def test_a_pickle_by_another_name_is_refused_and_runs_nothing(run, facts, tmp_path):
    path, witness = weights(run), tmp_path / "witness"
    path.write_bytes(pickle.dumps(Payload(witness)))
    facts(lambda f: f["weights"]["a2b"].update(sha256=sha256(path)))
    assert "cannot be loaded" in refusal(run)
    assert not witness.exists()


def test_a_pth_file_is_no_model(tmp_path):
    path, witness = tmp_path / "netG.pth", tmp_path / "witness"
    path.write_bytes(pickle.dumps(Payload(witness)))
    assert "holds no model" in refusal(path)
    assert not witness.exists()


def test_weights_outside_the_model_are_never_read(run, facts, tmp_path):
    outside = shutil.move(weights(run), tmp_path / "outside.safetensors")
    facts(lambda f: f["weights"]["a2b"].update(file=str(outside)))
    assert "cannot be loaded" in refusal(run)


def test_a_missing_plugin_names_the_distribution_to_install(run, facts):
    def foreign(found):
        found["plugins"].append(
            {"kind": "losses", "name": "perceptual", "distribution": "isoscope-acme", "version": "2.1"}
        )

    facts(foreign)
    assert refusal(run, PluginError) == (
        "the model needs losses plug-in 'perceptual', not installed; install isoscope-acme 2.1 "
        "(pip install isoscope-acme==2.1, or from where you got it)"
    )


def forget_a2b(found):
    del found["weights"]["a2b"]


@pytest.mark.parametrize(
    "damage",
    [
        lambda f: f.clear(),
        lambda f: f.pop("recipe"),
        lambda f: f.pop("source"),
        lambda f: f.pop("weights"),
        lambda f: f.pop("plugins"),
        lambda f: f.update(weights=[]),
        lambda f: f.update(plugins=[{"kind": "spells", "name": "x"}]),
        lambda f: f["source"].update(limits="none"),
        lambda f: f["weights"]["a2b"].pop("sha256"),
        lambda f: f["weights"].update(a2b="x"),
        forget_a2b,
    ],
)
def test_damaged_facts_are_refused_in_one_line(run, facts, damage):
    facts(damage)
    assert "model.json is damaged" in refusal(run)


@pytest.mark.parametrize("text", ["", "{", "[]", "\x00"])
def test_a_file_that_is_no_json_is_refused_in_one_line(run, text):
    (run / "model" / "model.json").write_text(text)
    assert "model.json is damaged" in refusal(run)


def test_a_newer_format_is_refused(run, facts):
    facts(lambda f: f.update(format=2, isoscope="9.9"))
    assert "format 2" in refusal(run)
    assert "isoscope 9.9" in refusal(run)


def test_there_must_be_a_run(tmp_path):
    assert "no run at" in refusal(tmp_path / "none")
    assert "holds no model" in refusal(tmp_path)


def test_a_direction_is_one_of_two(run):
    assert refusal(run, direction="sideways") == "got direction 'sideways'; expected a2b or b2a"


def test_saving_again_replaces_the_weights_and_leaves_no_old_ones(run, trained):
    loaded, back = model.load(run), model.load(run, "b2a")
    with torch.no_grad():
        next(loaded.network.parameters()).add_(1)
    networks = {"a2b": loaded.network, "b2a": back.network}
    model.save(run / "model", loaded.recipe, loaded.inputs, loaded.outputs, networks)
    assert model.load(run).sha256 != model.load(trained).sha256
    assert len(list((run / "model").glob("*.safetensors"))) == 2


def test_parameters_with_a_meaning_stand_in_model_json_with_their_units(proposed, source, target, tmp_path):
    recipe = proposed(training={"steps": 1}, method={"backward": {"name": "camera"}})
    run = training.train(recipe, source, target, tmp_path / "run")
    kept = json.loads((run / "model" / "model.json").read_text())["parameters"]
    assert set(kept) == {"b2a"}
    described = model.load(run, "b2a").network.describe()
    assert {name: (tuple(q["values"]), q["unit"]) for name, q in kept["b2a"].items()} == {
        name: (q.values, q.unit) for name, q in described.items()
    }

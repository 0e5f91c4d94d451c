"""An outsider's plug-ins, each in a distribution of its own: `distributions/NAME/` is what they would publish.

They are installed by writing the metadata that an installer writes (`NAME.dist-info` with METADATA and
entry_points.txt) beside their modules, in a folder on the PYTHONPATH of fresh interpreters. pip would need a network
for the build back end, and would leave the plug-ins behind in the environment of every other test. What is read at run
time, `importlib.metadata`, cannot tell the difference.
"""

import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]

PREAMBLE = """
import json, sys
import numpy as np
from isoscope import kinds
from isoscope.errors import IsoscopeError
from isoscope.volume import ArrayVolume

def images(seed):
    rng = np.random.default_rng(seed)
    return [ArrayVolume((rng.random((40, 40)) ** 4 * 255).astype(np.uint8), "YX")]

def recipe(generator="resnet", **user):
    from isoscope.proposal import propose
    network = {"name": generator, "width": 2, **({"blocks": 0} if generator == "resnet" else {"depth": 1})}
    method = {"forward": network, "backward": network, "discriminator": {"width": 2}}
    training = {"steps": 2, "patch": 32, "batch": 1, "calibration": 1}
    user = {"method": method, "training": training, **user}
    return propose(images(0), images(1), task="denoise", preset="cpu", user=user).recipe

def train(recipe, folder):
    from isoscope.training import train
    return train(recipe, images(0), images(1), folder)

def refusal(call):
    try:
        call()
    except IsoscopeError as error:
        return [type(error).__name__, str(error)]
    return None

def say(**facts):
    print(json.dumps(facts))
"""


def project(name):
    return tomllib.loads((HERE / "distributions" / name / "pyproject.toml").read_text())["project"]


def install(name, site):
    """What `pip install` of a pure Python distribution leaves behind, as far as anybody reads it."""
    for module in (HERE / "distributions" / name).glob("*.py"):
        shutil.copy(module, site)
    said = project(name)
    info = site / f"{said['name'].replace('-', '_')}-{said['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {said['name']}\nVersion: {said['version']}\n")
    groups = said["entry-points"].items()
    lines = [line for group, found in groups for line in (f"[{group}]", *(f"{k} = {v}" for k, v in found.items()))]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n")


@pytest.fixture(scope="module")
def outside(tmp_path_factory):
    """Run code in a fresh interpreter that has these distributions installed; gives what the code says."""

    def run(code, *names, folder="."):
        site = tmp_path_factory.mktemp("site")
        for name in names:
            install(name, site)
        if "moved_tiling" in names:  # ours, as it is: a copy kept here could drift
            shutil.copy(ROOT / "plugins" / "isoscope_tilings" / "overlap.py", site / "moved_tiling.py")
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", PREAMBLE + code],
            env={**os.environ, "PYTHONPATH": str(site), "OMP_NUM_THREADS": "1"},
            capture_output=True, text=True, cwd=folder,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    return run


ALL = ("ten_line_loss", "moved_tiling", "broken_plugin", "name_thief")


def test_all_are_listed_and_none_is_imported(outside):
    said = outside(
        """
from isoscope.registry import installed
found = [[p.kind, p.name, p.distribution, p.version] for p in installed() if p.distribution != "isoscope"]
names = {kind: list(registry) for kind, registry in kinds.REGISTRIES.items()}
modules = ("ten_line_loss", "moved_tiling", "broken_plugin", "name_thief", "torch")
say(found=found, names=names, imported=[m for m in modules if m in sys.modules])
""",
        *ALL,
    )
    assert said["found"] == [
        ["generators", "unet", "acme-name-thief", "6.6.6"],
        ["losses", "cracked", "acme-broken-plugin", "3.0"],
        ["losses", "edges", "acme-ten-line-loss", "1.4.2"],
        ["tilings", "moved", "acme-moved-tiling", "0.9"],
    ]
    assert {"cracked", "edges", "lsgan"} <= set(said["names"]["losses"])
    assert said["names"]["tilings"] == ["feathered", "moved", "overlap"]
    assert said["imported"] == []


def test_a_loss_takes_ten_lines():
    lines = (HERE / "distributions/ten_line_loss/ten_line_loss.py").read_text().splitlines()
    assert len(lines) <= 10


def test_training_with_an_outsiders_loss_beside_broken_ones(outside, tmp_path):
    said = outside(
        """
made = recipe(losses={"edges": {"weight": 2.0}}, inference={"tiling": "moved"})
folder = train(made, "run")
facts = json.loads((folder / "model" / "model.json").read_text())
history = (folder / "history.csv").read_text().splitlines()
wrong = refusal(lambda: recipe(losses={"edges": {"backwards": 1.0}}))
say(plugins=facts["plugins"], loss=facts["recipe"]["losses"]["edges"], history=history, wrong=wrong)
""",
        *ALL,
        folder=tmp_path,
    )
    used = [p for p in said["plugins"] if p["distribution"] != "isoscope"]
    assert used == [
        {"kind": "tilings", "name": "moved", "distribution": "acme-moved-tiling", "version": "0.9"},
        {"kind": "losses", "name": "edges", "distribution": "acme-ten-line-loss", "version": "1.4.2"},
    ]
    assert (said["loss"]["weight"], said["loss"]["backward"]) == (2.0, 1.0)
    column = said["history"][0].split(",").index("edges")
    assert float(said["history"][-1].split(",")[column]) > 0
    assert said["wrong"] == ["RecipeError", "losses 'edges': unknown key 'backwards'; did you mean 'backward'?"]


def test_a_model_whose_plugin_is_gone_says_what_to_install(outside, tmp_path):
    outside('train(recipe(losses={"edges": {}}), "run"); say()', "ten_line_loss", folder=tmp_path)
    load = 'from isoscope import model\nsay(refusal=refusal(lambda: model.load("run")))'
    kind, message = outside(load, folder=tmp_path)["refusal"]
    assert kind == "PluginError"
    assert message == "the model needs losses plug-in 'edges'; pip install acme-ten-line-loss==1.4.2"
    assert outside(load, "ten_line_loss", folder=tmp_path)["refusal"] is None


def test_one_of_ours_moved_out_predicts_the_same_bytes(outside, tmp_path):
    said = outside(
        """
from isoscope import inference
inference.planning._SHARD = 48
predictor = inference.load(train(recipe(output={"dtype": "float32"}), "run"), device="cpu")
image = (np.random.default_rng(3).random((77, 91)) * 255).astype(np.float32)
made = {name: predictor.predict(image, tile=16, tiling=name) for name in ("overlap", "moved")}
modules = {name: kinds.tilings[name].__module__ for name in made}
say(same=made["overlap"].tobytes() == made["moved"].tobytes(), modules=modules, spread=float(np.ptp(made["moved"])))
""",
        "moved_tiling",
        folder=tmp_path,
    )
    assert said["same"]
    assert said["spread"] > 0
    assert said["modules"] == {"overlap": "isoscope_tilings.overlap", "moved": "moved_tiling"}


def test_a_broken_plugin_fails_only_where_it_is_used(outside):
    said = outside(
        """
say(others=refusal(recipe), itself=refusal(lambda: recipe(losses={"cracked": {}})))
""",
        "broken_plugin",
    )
    assert said["others"] is None
    kind, message = said["itself"]
    assert kind == "PluginError"
    assert message == (
        "losses plug-in 'cracked' of acme-broken-plugin 3.0 cannot be imported "
        "(RuntimeError: this plug-in needs a licence server); repair or uninstall acme-broken-plugin"
    )


def test_a_stolen_name_fails_only_for_who_asks_for_it(outside):
    said = outside(
        """
say(others=refusal(recipe), itself=refusal(lambda: recipe("unet")), thief="name_thief" in sys.modules)
""",
        "name_thief",
    )
    assert said["others"] is None
    kind, message = said["itself"]
    assert kind == "PluginError"
    assert message == "generator 'unet' is claimed by acme-name-thief 6.6.6 and isoscope 0.1.0; uninstall one of them"
    assert not said["thief"]

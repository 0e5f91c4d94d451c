"""An outsider's plug-ins, each in a distribution of its own, beside ours and beside hostile ones."""

from pathlib import Path

HERE = Path(__file__).parent
HOSTILE = (
    "broken_plugin", "chatterbox", "future_api", "missing_module", "name_thief", "quitter", "sleeper",
    "wrong_signature",
)  # fmt: skip
ALL = ("ten_line_loss", "moved_tiling", *HOSTILE)


def test_all_are_listed_and_none_is_imported(outside):
    said = outside(
        """
from isoscope.registry import installed
found = [[p.kind, p.name, p.distribution, p.version] for p in installed() if p.distribution != "isoscope"]
names = {kind: list(registry) for kind, registry in kinds.REGISTRIES.items()}
modules = (*MODULES, "torch")
say(found=found, names=names, imported=[m for m in modules if m in sys.modules])
""".replace("MODULES", repr(ALL)),
        *ALL,
    )
    assert said["found"] == [
        ["generators", "unet", "acme-name-thief", "6.6.6"],
        ["losses", "chatty", "acme-chatterbox", "1.1"],
        ["losses", "cracked", "acme-broken-plugin", "3.0"],
        ["losses", "demanding", "acme-wrong-signature", "0.1"],
        ["losses", "edges", "acme-ten-line-loss", "1.4.2"],
        ["losses", "failing", "acme-wrong-signature", "0.1"],
        ["losses", "greedy", "acme-wrong-signature", "0.1"],
        ["losses", "lacking", "acme-missing-module", "0.7"],
        ["losses", "later", "acme-future-api", "9.0"],
        ["losses", "number", "acme-wrong-signature", "0.1"],
        ["losses", "quitting", "acme-quitter", "0.2"],
        ["losses", "sleepy", "acme-sleeper", "2.0"],
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
    assert message == (
        "the model needs losses plug-in 'edges', not installed; install acme-ten-line-loss 1.4.2 "
        "(pip install acme-ten-line-loss==1.4.2, or from where you got it)"
    )
    assert outside(load, "ten_line_loss", folder=tmp_path)["refusal"] is None


def test_one_of_ours_moved_out_predicts_the_same_bytes(outside, tmp_path):
    said = outside(
        """
from isoscope import inference
inference.cutting._SHARD = 48
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

"""Plug-ins that misbehave, each in a distribution of its own: refused in one line, and in nobody's way."""

import json
import time

import numpy as np
import pytest
from PIL import Image

TRAINED = """
message = refusal(lambda: recipe(losses={LOSS: {}}) and train(recipe(losses={LOSS: {}}), "run"))
say(message=message, others=refusal(lambda: recipe(losses={"cycle": {}})))
"""
REFUSALS = [
    (
        "wrong_signature", "demanding",
        "losses plug-in 'demanding' of acme-wrong-signature 0.1 has the signature (cycle, /); expected (*, ...), "
        "parameters after the star; repair or uninstall acme-wrong-signature",
    ),
    (
        "wrong_signature", "greedy",
        "losses plug-in 'greedy' of acme-wrong-signature 0.1 cannot be used: wrong_signature:greedy takes **anything; "
        "expected named keyword-only parameters with annotations",
    ),
    (
        "wrong_signature", "number",
        "losses plug-in 'number' of acme-wrong-signature 0.1 is no factory but 0.5; expected something that can be "
        "called; repair or uninstall acme-wrong-signature",
    ),
    (
        "wrong_signature", "failing",
        "losses plug-in 'failing' of acme-wrong-signature 0.1 fails when it is called (LookupError: no calibration for "
        "this microscope); repair or uninstall acme-wrong-signature",
    ),
    (
        "missing_module", "lacking",
        "losses plug-in 'lacking' of acme-missing-module 0.7 needs the module 'acme_absent', which is not installed; "
        "pip install acme-absent",
    ),
    (
        "future_api", "later",
        "losses plug-in 'later' of acme-future-api 9.0 was written for version 99 of the plug-in API; expected 1, "
        "which isoscope 0.1.0 has; upgrade isoscope",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("distribution", "loss", "expected"), REFUSALS, ids=[row[1] for row in REFUSALS])
def test_who_asks_for_it_is_told_why_not_and_nobody_else(outside, tmp_path, distribution, loss, expected):
    said = outside(TRAINED.replace("LOSS", repr(loss)), distribution, folder=tmp_path)
    assert said["message"] == ["PluginError", expected]
    assert said["others"] is None
    assert not (tmp_path / "run").exists()


def test_each_is_tried_in_a_process_that_may_hang_or_die(terminal):
    hostile = ("broken_plugin", "future_api", "missing_module", "quitter", "sleeper", "ten_line_loss")
    started = time.monotonic()
    code, out, err = terminal("plugins", "--load", "--seconds", "15", "--json", installed=hostile)
    rows = {row["name"]: row["status"] for row in json.loads(out)["plugins"] if row["distribution"] != "isoscope"}
    assert (code, err) == (0, "")
    assert rows == {
        "cracked": "broken: cannot be imported (RuntimeError: this plug-in needs a licence server); repair or "
        "uninstall acme-broken-plugin",
        "edges": "ok",
        "lacking": "broken: needs the module 'acme_absent', which is not installed; pip install acme-absent",
        "later": "broken: was written for version 99 of the plug-in API; expected 1, which isoscope 0.1.0 has; "
        "upgrade isoscope",
        "quitting": "broken: ends the process that imports it (exit code 7); repair or uninstall acme-quitter",
        "sleepy": "broken: hangs (was not imported within 15 s); repair or uninstall acme-sleeper",
    }
    assert time.monotonic() - started < 3600
    ours = [row["status"] for row in json.loads(out)["plugins"] if row["distribution"] == "isoscope"]
    assert len(ours) > 20
    assert set(ours) == {"ok"}


def test_who_waits_for_a_hanging_one_is_told_its_name(outside, monkeypatch):
    said = outside(
        """
import logging, os, signal
from isoscope import importing
signal.signal(signal.SIGINT, signal.default_int_handler)  # who is started in the background inherits that it is ignored
importing._PATIENCE = 0.2
heard = []
class Ear(logging.Handler):
    def emit(self, record):
        heard.append(record.getMessage())
        os.kill(os.getpid(), signal.SIGINT)  # the user's Ctrl-C
logging.getLogger("isoscope").addHandler(Ear())
try:
    recipe(losses={"sleepy": {}})
except KeyboardInterrupt:
    say(heard=heard)
""",
        "sleeper",
    )
    assert said["heard"] == [
        "losses plug-in 'sleepy' of acme-sleeper 2.0 has been busy for 0.2 s; if it hangs, stop with Ctrl-C and repair "
        "or uninstall it"
    ]


def test_whatever_a_plugin_prints_stdout_is_one_json_document(terminal, tmp_path):
    for side, seed in (("a", 0), ("b", 1)):
        noise = np.random.default_rng(seed).random((40, 40)) ** 4
        Image.fromarray((255 * noise).astype(np.uint8)).save(tmp_path / f"{side}.png")
    small = [
        f"method.{part}={value}"
        for part, value in {
            "forward": "{name: unet, width: 2, depth: 1}", "backward": "{name: unet, width: 2, depth: 1}",
            "discriminator": "{name: patchgan, width: 2}",
        }.items()
    ]  # fmt: skip
    code, out, err = terminal(
        "train", "--task", "denoise", "--preset", "cpu", "--source", "a.png", "--target", "b.png", "--out", "run",
        "--steps", "2", "--set", "training.patch=32", "--set", "losses.chatty.weight=1", "--json",
        *(word for key in small for word in ("--set", key)),
        installed=["chatterbox"], folder=tmp_path,
    )  # fmt: skip
    assert code == 0, err
    assert json.loads(out)["losses"]["chatty"] > 0
    for said in ("installing chatterbox", "from native code", "makes a loss", "chatterbox computes", "natively"):
        assert said in err

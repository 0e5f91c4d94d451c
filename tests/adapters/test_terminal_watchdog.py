"""What `train` says of a run without the truth: what was kept and why, and what the watchdog saw."""

import json

import pytest

from isoscope import training
from isoscope.watching import watchdog
from isoscope.watching.diagnostics import Agreement
from isoscope.watching.witness import Look, Witness
from isoscope.writing.whole import write_whole

TINY = [
    "training.patch=24", "training.batch=1", "training.calibration=2", "method.forward.width=2",
    "method.forward.depth=1", "method.discriminator.width=2",
]  # fmt: skip
SETTINGS = [part for item in TINY for part in ("--set", item)]
STEPS = 10

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def home(tmp_path_factory, spots):
    folder = tmp_path_factory.mktemp("images")
    write_whole(folder / "noisy.png", spots(0, 20))
    write_whole(folder / "clean.png", spots(1))
    return folder


@pytest.fixture
def train(isoscope, home):
    def run(out, *more):
        sides = ["--source", home / "noisy.png", "--target", home / "clean.png", "--out", out]
        return isoscope("train", *sides, "--task", "denoise", "--preset", "cpu", "--steps", STEPS, *SETTINGS, *more)

    return run


@pytest.fixture
def seen(monkeypatch):
    """Let the witness see what it is told to at each step of the run with each number, from 0."""

    def script(find):
        monkeypatch.setattr(watchdog, "_APART", 1)
        attempts = []
        opened = training.Run.__init__

        def begin(self, *given):
            opened(self, *given)
            attempts.append(self)

        def look(self, step, u, networks, judged):
            sign, error = find(len(attempts) - 1, step)
            return Look(step, u, dict.fromkeys(networks, Agreement(sign * 0.9, sign * 0.8)), error)

        monkeypatch.setattr(training.Run, "__init__", begin)
        monkeypatch.setattr(Witness, "look", look)

    return script


def test_what_was_kept_and_seen_is_one_line_each(train, seen, tmp_path):
    seen(lambda _, step: (1, 0.1 + abs(step - 7)))
    code, out, _ = train(tmp_path / "run")
    assert code == 0
    kept = "the model: the networks after step 7, the least error on synthetic pairs (F(b), b), 0.1000 (after step 10: "
    assert kept in out
    assert "watchdog: content in its place at all " in out
    assert "a2b: D1 0.90, D2 0.80" in out


def test_json_says_the_same(train, seen, tmp_path):
    seen(lambda _, step: (1, float(abs(step - 7))))
    code, out, _ = train(tmp_path / "run", "--json")
    document = json.loads(out)
    assert code == 0
    assert (document["kept"]["step"], document["kept"]["criterion"]) == (7, "synthetic pairs")
    assert document["watchdog"]["inverted"] is False
    assert document["watchdog"]["looks"][-1]["step"] == STEPS
    assert document["watchdog"]["restarts"] == []


def test_an_inverted_run_is_said_loudly_and_leaves_with_one(train, seen, tmp_path):
    seen(lambda *_: (-1, 0.1))
    code, out, err = train(tmp_path / "run", "--set", "training.watchdog=record", "--json")
    assert code == 1
    assert "isoscope: INVERTED: the model in" in err
    assert "do not use it" in err
    assert json.loads(out)["watchdog"]["inverted"] is True


def test_a_watchdog_that_stops_says_why_in_one_line(train, seen, tmp_path):
    seen(lambda *_: (-1, 0.1))
    code, _, err = train(tmp_path / "run", "--set", "training.watchdog=stop")
    assert code == 1
    assert "isoscope: error: content and background have changed places by step " in err
    assert "Traceback" not in err


def test_another_seed_is_announced_and_the_run_resumes_with_it(train, seen, tmp_path):
    seen(lambda attempt, _: (-1 if attempt == 0 else 1, 0.1))
    code, out, err = train(tmp_path / "run", "--json")
    assert code == 0
    assert "seed 0 was inverted by step 2; this is seed 1" in err
    document = json.loads(out)
    assert [note["seed"] for note in document["watchdog"]["restarts"]] == [0]
    assert document["recipe"]["training"]["seed"] == 1
    code, out, _ = train(tmp_path / "run", "--resume", "--seed", "0")
    assert code == 0
    assert "nothing was left to train" in out

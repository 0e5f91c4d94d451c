import csv
import json

import pytest
import torch
from torch import nn

from isoscope import model, training
from isoscope.domain import Domain
from isoscope.errors import Interrupted, TrainingError
from isoscope.overrides import read
from isoscope.run import Run
from isoscope.saliency import smooth
from isoscope.watching import restarting, watchdog
from isoscope.watching.diagnostics import Agreement
from isoscope.watching.watchdog import Inversion, Kept, Watchdog
from isoscope.watching.witness import Look, Witness

GOOD, BAD = Agreement(0.9, 0.8), Agreement(-0.9, -0.8)
NAN = float("nan")
STEPS = 12


def look(step, u, error=NAN, found=GOOD):
    return Look(step, u, {"a2b": found}, error)


def rows(folder):
    with (folder / "diagnostics.csv").open(newline="") as handle:
        return list(csv.DictReader(handle))


class TestWhenToLook:
    def test_often_at_first_and_again_towards_the_end(self):
        dog, steps = Watchdog(), 4000
        for step in range(1, steps + 1):
            if dog.due(step, step / steps, steps):
                dog.looks.append(look(step, step / steps))
        found = [one.step for one in dog.looks]
        assert found == [80, 200, 400, 800, 1400, 2000, 2400, 2800, 3200, 3400, 3600, 3800, 4000]

    def test_a_short_run_is_looked_at_less_often_and_always_in_the_end(self):
        dog = Watchdog()
        found = []
        for step in range(1, 151):
            if dog.due(step, step / 150, 150):
                dog.looks.append(look(step, step / 150))
                found.append(step)
        assert found == [60, 120, 150]
        assert not dog.due(150, 1.0, 150)

    def test_only_late_networks_are_candidates(self):
        assert [Watchdog.judged(u) for u in (0.02, 0.35, 0.5, 1.0)] == [False, False, True, True]


class TestWhenToBark:
    @pytest.mark.parametrize(
        ("found", "barks"),
        [([BAD, BAD], True), ([GOOD, BAD], False), ([BAD, GOOD, BAD], False), ([GOOD, BAD, BAD], True), ([BAD], False)],
    )
    def test_at_two_inverted_looks_in_a_row(self, found, barks):
        assert Watchdog([look(k, 0.2 + 0.1 * k, found=f) for k, f in enumerate(found)]).barks is barks

    def test_not_at_one_direction_after_the_other(self):
        looks = [Look(1, 0.2, {"a2b": BAD, "b2a": GOOD}, NAN), Look(2, 0.35, {"a2b": GOOD, "b2a": BAD}, NAN)]
        assert not Watchdog(looks).barks
        assert Watchdog([*looks, Look(3, 0.5, {"a2b": BAD, "b2a": BAD}, NAN)]).barks

    def test_not_while_contrast_may_still_turn_by_itself(self):
        early = [look(1, 0.02, found=BAD), look(2, 0.05, found=BAD)]
        assert not Watchdog(early).barks
        assert not Watchdog([*early, look(3, 0.1, found=BAD)]).barks

    def test_at_two_flat_looks_in_a_row_of_one_direction(self):
        one, other = (Look(k, 0.1 * k, {"a2b": GOOD}, NAN, frozenset([d])) for k, d in ((1, "a2b"), (2, "b2a")))
        assert not Watchdog([one, other]).collapsed
        assert Watchdog([one, one]).collapsed == {"a2b"}
        assert one.order > look(1, 0.1).order

    def test_what_it_saw_comes_back_from_json(self):
        dog = Watchdog([look(1, 0.1, NAN, BAD), look(2, 0.5, 0.25), Look(3, 0.6, {}, NAN, frozenset(["b2a"]))])
        again = Watchdog.remembered(json.loads(json.dumps(dog.facts(), allow_nan=False)))
        assert again.facts() == dog.facts()
        assert again.looks[1:2] == dog.looks[1:2]
        assert again.looks[2].flat == {"b2a"}


class TestWhatToKeep:
    @pytest.mark.parametrize(
        ("offers", "winner"),
        [
            ([(0.3, GOOD), (0.1, GOOD), (0.2, GOOD)], 1),
            ([(0.3, GOOD), (0.1, BAD)], 0),
            ([(0.1, BAD), (0.3, GOOD)], 1),
            ([(0.2, BAD), (0.1, BAD)], 1),
            ([(0.2, GOOD), (0.2, GOOD)], 1),
            ([(NAN, GOOD), (NAN, GOOD)], 1),
            ([(0.9, GOOD), (NAN, GOOD)], 0),
        ],
    )
    def test_content_in_place_comes_before_a_small_error_and_the_later_before_the_earlier(self, offers, winner):
        kept = Kept({"a2b": nn.Linear(1, 1)})
        assert kept.look is None
        for step, (error, found) in enumerate(offers):
            network = nn.Linear(1, 1)
            nn.init.constant_(network.weight, step)
            kept.offer(look(step, 0.5, error, found), {"a2b": network})
        assert kept.look.step == winner
        assert float(kept.networks["a2b"].weight) == winner


def domain(name):
    return Domain(name=name, channels=1, limits=((-1.0, 1.0),), polarity=1, threshold=0.0)


class Stub:
    """A method that is nothing but its generators."""

    directions, pairing = ("a2b", "b2a"), "independent"

    def __init__(self, backward=None, pairing="independent"):
        self.backward, self.pairing = backward or nn.Identity(), pairing

    def generator(self, direction):
        return self.backward if direction == "b2a" else nn.Identity()


class Darker(nn.Module):
    """A structured way back that learns."""

    def __init__(self):
        super().__init__()
        self.step = nn.Parameter(torch.tensor(0.25))

    def describe(self):
        return {"step": ()}

    def forward(self, x):
        return x - self.step


class Negative(nn.Module):
    def forward(self, x):
        return -x


@pytest.fixture(scope="module")
def patches():
    fields = smooth(torch.randn(2, 4, 64, 64, generator=torch.Generator().manual_seed(0)), 4.0)
    return [0.5 * torch.tanh(20 * x)[:, None] for x in fields]


class TestWitness:
    def test_a_cycle_holds_for_inverted_maps_as_well_and_only_the_diagnostics_tell(self, patches):
        witness = Witness(patches, (domain("a"), domain("b")), Stub())
        assert witness.criterion == "cycle"
        true, inverted = (witness.look(1, 1.0, {"a2b": net, "b2a": net}, True) for net in (nn.Identity(), Negative()))
        assert true.error == pytest.approx(inverted.error, rel=0.05)
        assert (true.inverted, inverted.inverted) == (False, True)
        assert true.order < inverted.order

    def test_what_is_hidden_in_a_cycle_does_not_count(self, patches):
        class Whisper(nn.Module):
            def __init__(self, gain):
                super().__init__()
                self.gain = gain

            def forward(self, x):
                return self.gain * x

        witness = Witness(patches, (domain("a"), domain("b")), Stub())
        hiding = witness.look(1, 1.0, {"a2b": Whisper(0.001), "b2a": Whisper(1000.0)}, True)
        honest = witness.look(1, 1.0, {"a2b": nn.Identity(), "b2a": nn.Identity()}, True)
        assert hiding.error > 10 * honest.error

    def test_synthetic_pairs_stay_what_they_were_whatever_becomes_of_the_way_back(self, patches):
        stub = Stub(Darker())
        witness = Witness(patches, (domain("a"), domain("b")), stub)
        assert witness.criterion == "synthetic pairs"
        networks = {"a2b": nn.Identity(), "b2a": stub.backward}
        assert witness.look(1, 1.0, networks, True).error == pytest.approx(0.25)
        with torch.no_grad():
            stub.backward.step.zero_()
        assert witness.look(2, 1.0, networks, True).error == pytest.approx(0.25)

    def test_matched_patches_are_pairs(self, patches):
        same = [patches[0], patches[0] + 0.125]
        witness = Witness(same, (domain("a"), domain("b")), Stub(pairing="matched"))
        assert witness.criterion == "pairs"
        assert witness.look(1, 1.0, {"a2b": nn.Identity()}, True).error == pytest.approx(0.125)

    def test_a_network_whose_units_are_dead_is_seen(self, patches):
        class Dead(nn.Module):
            def forward(self, x):
                return 0 * x - 0.9

        witness = Witness(patches, (domain("a"), domain("b")), Stub())
        assert witness.look(1, 0.1, {"a2b": Dead(), "b2a": nn.Identity()}, False).flat == {"a2b"}
        empty = Witness([0 * patches[0], patches[1]], (domain("a"), domain("b")), Stub())
        assert not empty.look(1, 0.1, {"a2b": nn.Identity()}, False).flat, "nothing can come of nothing"

    def test_a_glance_costs_no_error(self, patches):
        found = Witness(patches, (domain("a"), domain("b")), Stub()).look(1, 0.1, {"a2b": nn.Identity()}, False)
        assert not found.known
        assert found.agreements["a2b"].rank > -1


@pytest.fixture
def closely(monkeypatch):
    """Look as often as moments come, in runs of a dozen steps."""
    monkeypatch.setattr(watchdog, "_APART", 1)


@pytest.fixture
def camera(proposed):
    """A denoising recipe with the camera as its way back."""

    def make(**keys):
        return proposed(method={"backward": {"name": "camera"}}, training={"steps": STEPS, **keys})

    return make


@pytest.fixture
def scripted(monkeypatch):
    """Looks that find what they are told to, by seed and step."""

    def script(find):
        real = Witness.look

        def seen(self, step, u, networks, judged):
            found = real(self, step, u, networks, judged)
            given, error = find(self.seed, step)
            if given == "flat":
                return Look(step, u, found.agreements, error, frozenset(["a2b"]))
            return Look(step, u, dict.fromkeys(found.agreements, given), error)

        began = Run.__init__

        def begin(self, recipe, *rest):
            began(self, recipe, *rest)
            self.vigil.witness.seed = self.recipe.training.seed

        monkeypatch.setattr(Run, "__init__", begin)
        monkeypatch.setattr(Witness, "look", seen)

    return script


class TestTraining:
    def test_noise_of_the_way_back_is_the_same_every_time(self, tmp_path, camera, source, target):
        witnesses = [Run(camera(), source, target, tmp_path).vigil.witness for _ in range(2)]
        first, second = (one.pairs[0] for one in witnesses)
        assert witnesses[0].criterion == "synthetic pairs"
        assert torch.equal(first, second)
        assert (first - smooth(first, 2.0)).std() > 0.01

    def test_every_look_is_a_row_and_the_least_error_is_the_model(self, tmp_path, closely, camera, source, target):
        folder = training.train(camera(), source, target, tmp_path / "run")
        found = rows(folder)
        assert [int(r["step"]) for r in found] == [1, 2, 3, 5, 6, 8, 9, 10, 11, 12]
        judged = {int(r["step"]): float(r["error"]) for r in found if float(r["u"]) >= 0.5}
        assert all(r["error"] == "" for r in found if float(r["u"]) < 0.5)
        kept = json.loads((folder / "model/model.json").read_text())["kept"]
        assert kept["error"] == pytest.approx(min(judged.values()), abs=1e-6)
        assert judged[kept["step"]] == min(judged.values())

    def test_the_weights_kept_are_those_that_were_looked_at(self, tmp_path, closely, scripted, camera, source, target):
        scripted(lambda _, step: (GOOD, abs(step - 8)))
        weights = {}
        real = Kept.offer

        def offer(self, found, networks):
            weights[found.step] = {k: v.clone() for k, v in networks["a2b"].state_dict().items()}
            return real(self, found, networks)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Kept, "offer", offer)
            folder = training.train(camera(checkpoint_every=12), source, target, tmp_path / "run")
        loaded = model.load(folder, normalisation="tile").network.state_dict()
        assert json.loads((folder / "model/model.json").read_text())["kept"]["step"] == 8
        assert all(torch.equal(v, loaded[k]) for k, v in weights[8].items())
        assert any(not torch.equal(v, loaded[k]) for k, v in weights[12].items())

    def test_keep_last_means_last(self, tmp_path, closely, scripted, camera, source, target):
        scripted(lambda _, step: (GOOD, abs(step - 8)))
        folder = training.train(camera(keep="last"), source, target, tmp_path / "run")
        assert json.loads((folder / "model/model.json").read_text())["kept"] is None
        assert not any(int(r["kept"]) for r in rows(folder))

    @pytest.mark.parametrize("stops", [(3,), (7,), (6, 10)], ids=str)
    def test_looks_and_kept_networks_survive_a_stop_to_the_bit(self, tmp_path, closely, camera, source, target, stops):
        recipe = camera()
        straight = training.train(recipe, source, target, tmp_path / "straight")
        for start, stop in zip((0, *stops), stops, strict=False):
            steps = iter(range(start + 1, STEPS + 1))
            with pytest.raises(Interrupted):
                training.train(
                    recipe, source, target, tmp_path / "run", resume=start > 0,
                    stop=lambda steps=steps, stop=stop: next(steps) == stop,
                )  # fmt: skip
        again = training.train(recipe, source, target, tmp_path / "run", resume=True)
        for name in ("diagnostics.csv", "history.csv", "model/model.json"):
            assert (again / name).read_bytes() == (straight / name).read_bytes()

    def test_looking_changes_nothing_that_is_learned(self, tmp_path, closely, monkeypatch, camera, source, target):
        watched = training.train(camera(), source, target, tmp_path / "watched")
        monkeypatch.setattr(Watchdog, "due", lambda *_: False)
        alone = training.train(camera(), source, target, tmp_path / "alone")
        assert (watched / "history.csv").read_bytes() == (alone / "history.csv").read_bytes()


class TestInverted:
    def test_a_run_begins_again_with_the_next_seed(self, tmp_path, closely, scripted, camera, source, target):
        scripted(lambda seed, step: (BAD if seed < 2 else GOOD, 1.0))
        began = []
        folder = training.train(camera(), source, target, tmp_path / "run", ready=began.append)
        assert [run.recipe.training.seed for run in began] == [0, 1, 2]
        assert [note["seed"] for note in restarting.notes(folder)] == [0, 1]
        assert "content and background have changed places by step 3 (seed 0" in restarting.notes(folder)[0]["why"]
        assert read(folder / "recipe.yaml")["training"]["seed"] == 2
        other = training.train(camera(seed=2), source, target, tmp_path / "other")
        for name in ("history.csv", "model/model.json", "recipe.yaml"):
            assert (folder / name).read_bytes() == (other / name).read_bytes()

    def test_not_more_often_than_the_recipe_says(self, tmp_path, closely, scripted, camera, source, target):
        scripted(lambda *_: (BAD, 1.0))
        with pytest.raises(Inversion, match=r"^content and background have changed places .*seed 1.*another --seed$"):
            training.train(camera(restarts=1), source, target, tmp_path / "run")
        assert [note["seed"] for note in restarting.notes(tmp_path / "run")] == [0]

    def test_a_network_that_died_begins_again_as_well(self, tmp_path, closely, scripted, camera, source, target):
        scripted(lambda seed, _: ("flat", 1.0) if seed == 0 else (GOOD, 1.0))
        folder = training.train(camera(), source, target, tmp_path / "run")
        (note,) = restarting.notes(folder)
        assert note["why"].startswith("a2b makes the same of every image by step 2 (seed 0")
        assert read(folder / "recipe.yaml")["training"]["seed"] == 1

    def test_stop_saves_and_says_why(self, tmp_path, closely, scripted, camera, source, target):
        scripted(lambda *_: (BAD, 1.0))
        with pytest.raises(TrainingError, match="changed places by step 3"):
            training.train(camera(watchdog="stop"), source, target, tmp_path / "run")
        assert (tmp_path / "run/checkpoints/step-00000003/state.json").exists()
        assert (tmp_path / "run/model/model.json").exists()
        assert restarting.notes(tmp_path / "run") == []

    def test_record_goes_on_and_knows(self, tmp_path, closely, scripted, camera, source, target):
        scripted(lambda *_: (BAD, 1.0))
        last = []
        training.train(camera(watchdog="record"), source, target, tmp_path / "run", ready=last.append)
        assert last[0].vigil.inverted
        assert all(int(r["inverted"]) for r in rows(tmp_path / "run"))

    def test_a_stopped_second_attempt_goes_on_with_its_own_seed(
        self, tmp_path, closely, scripted, camera, source, target
    ):
        scripted(lambda seed, step: (BAD if seed < 1 else GOOD, 1.0))
        straight = training.train(camera(), source, target, tmp_path / "straight")
        calls = iter(range(1, 100))
        with pytest.raises(Interrupted):
            training.train(camera(), source, target, tmp_path / "run", stop=lambda: next(calls) == 7)
        again = training.train(camera(), source, target, tmp_path / "run", resume=True)
        for name in ("history.csv", "diagnostics.csv", "model/model.json", "recipe.yaml"):
            assert (again / name).read_bytes() == (straight / name).read_bytes()

    def test_a_new_run_has_no_attempts_behind_it(self, tmp_path, closely, scripted, camera, source, target):
        scripted(lambda seed, step: (BAD if seed < 1 else GOOD, 1.0))
        folder = training.train(camera(), source, target, tmp_path / "run")
        assert restarting.spent(folder) > 0
        training.train(camera(seed=5), source, target, folder, overwrite=True)
        assert restarting.notes(folder) == []
        assert restarting.spent(folder) == 0

    def test_a_run_that_must_end_in_time_is_not_begun_again_late(
        self, tmp_path, closely, scripted, monkeypatch, camera, source, target
    ):
        monkeypatch.setattr(Run, "replan", lambda *_: None)  # or the clock would decide how many steps there are
        scripted(lambda _, step: (BAD if step > 6 else GOOD, 1.0))
        with pytest.raises(Inversion):
            training.train(camera(minutes=1000.0), source, target, tmp_path / "run")
        assert restarting.notes(tmp_path / "run") == []

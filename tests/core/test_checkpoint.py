import json
import os
import pickle

import pytest
import torch
from safetensors.torch import save_file

from isoscope import checkpoint, durable
from isoscope.errors import DataError


class Killed(BaseException):
    """Stands for SIGKILL: nothing may catch it to tidy up."""


class Payload:
    """What a malicious pickle does when it is loaded."""

    def __init__(self, witness):
        self.witness = witness

    def __reduce__(self):
        return os.mkdir, (str(self.witness),)


@pytest.fixture
def trainee():
    """A network and its Adam after some steps: `trainee(3)` has made three."""

    def make(steps, width=3):
        torch.manual_seed(0)
        network = torch.nn.Linear(width, 2)
        adam = torch.optim.Adam(network.parameters(), lr=0.1)
        for _ in range(steps):
            adam.zero_grad()
            network(torch.randn(5, width)).square().mean().backward()
            adam.step()
        return network, adam

    return make


@pytest.fixture
def saved(trainee, tmp_path):
    """Save a trainee's state at a step; gives the checkpoints' folder."""

    def save(*steps):
        for step in steps:
            network, adam = trainee(step)
            checkpoint.save(tmp_path, step, {"method": network}, {"generators": adam}, {"elapsed": 1.5 * step})
        return tmp_path

    return save


def load(home, trainee, width=3):
    network, adam = trainee(0, width)
    facts = checkpoint.load(home, {"method": network}, {"generators": adam})
    return network, adam, facts


def same(one, other):
    """Whether two Adam states hold the same, to the bit and the type."""
    pairs = [(one[i][k], other[i][k]) for i in other for k in other[i]]
    return one.keys() == other.keys() and all(torch.equal(a, b) and a.dtype == b.dtype for a, b in pairs)


def test_everything_comes_back_to_the_bit(saved, trainee):
    network, adam, facts = load(checkpoint.latest(saved(7)), trainee)
    expected, optimiser = trainee(7)
    assert all(torch.equal(a, b) for a, b in zip(network.parameters(), expected.parameters(), strict=True))
    assert same(adam.state_dict()["state"], optimiser.state_dict()["state"])
    assert adam.state_dict()["param_groups"][0]["lr"] == 0.1
    assert (facts["step"], facts["elapsed"]) == (7, 10.5)


def test_there_may_be_none(tmp_path):
    assert checkpoint.latest(tmp_path) is None


def test_the_last_two_are_kept(saved):
    folder = saved(1, 2, 3, 10)
    assert sorted(p.name for p in folder.iterdir()) == ["latest.json", "step-00000003", "step-00000010"]
    assert checkpoint.latest(folder).name == "step-00000010"


@pytest.mark.parametrize("offset", range(7))
def test_a_kill_at_any_moment_of_saving_leaves_the_last_good_one(saved, trainee, monkeypatch, offset):
    folder = saved(3)
    left = [offset]

    def fsync(handle):
        if not left[0]:
            raise Killed
        left[0] -= 1

    network, adam = trainee(6)
    with monkeypatch.context() as patch:
        patch.setattr(durable.os, "fsync", fsync)
        with pytest.raises(Killed):
            checkpoint.save(folder, 6, {"method": network}, {"generators": adam}, {})
    assert load(checkpoint.latest(folder), trainee)[2]["step"] in ((3,) if offset < 6 else (3, 6))
    saved(6)
    assert load(checkpoint.latest(folder), trainee)[2]["step"] == 6


def test_half_of_a_checkpoint_is_never_the_latest(saved, trainee):
    folder = saved(3)
    half = folder / "step-00000006"
    half.mkdir()
    (half / "state.safetensors").write_bytes((folder / "step-00000003/state.safetensors").read_bytes()[:100])
    (half / ".state.safetensors.77.partial").write_bytes(b"half")
    assert load(checkpoint.latest(folder), trainee)[2]["step"] == 3


def test_what_is_left_of_a_longer_run_never_pushes_out_the_newest(saved, trainee):
    folder = saved(3)
    for step in (8, 9):
        (folder / f"step-{step:08d}").mkdir()
    saved(4)
    assert load(checkpoint.latest(folder), trainee)[2]["step"] == 4
    saved(5)
    assert {p.name for p in folder.glob("step-*")} == {"step-00000004", "step-00000005"}


def test_once_a_damaged_one_is_removed_the_older_one_is_the_latest(saved, trainee):
    folder = saved(3, 6)
    damaged = checkpoint.latest(folder)
    (damaged / "state.safetensors").write_bytes(b"")
    with pytest.raises(DataError, match="remove its folder to go on from an older one"):
        load(damaged, trainee)
    for path in damaged.iterdir():
        path.unlink()
    damaged.rmdir()
    assert load(checkpoint.latest(folder), trainee)[2]["step"] == 3


@pytest.mark.parametrize("pointer", ["", "{", "[]", "{}", '{"checkpoint": 5}', '{"checkpoint": "../../etc"}'])
def test_a_damaged_pointer_falls_back_to_the_newest_complete_one(saved, trainee, pointer):
    folder = saved(3, 6)
    (folder / "latest.json").write_text(pointer)
    (folder / "step-00000009").mkdir()
    assert load(checkpoint.latest(folder), trainee)[2]["step"] == 6


@pytest.mark.parametrize("cut", [0, 1, 7, 8, 50, -1])
def test_a_truncated_file_is_refused_in_one_line(saved, trainee, cut):
    home = checkpoint.latest(saved(3))
    path = home / "state.safetensors"
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(DataError, match=r"^checkpoint .*step-00000003 is damaged \(.+\); remove its folder") as caught:
        load(home, trainee)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("state", ["", "{", "[]", "{}", '{"step": 3}', '{"step": 3, "groups": {"generators": 4}}'])
def test_damaged_facts_are_refused_in_one_line(saved, trainee, state):
    home = checkpoint.latest(saved(3))
    (home / "state.json").write_text(state)
    with pytest.raises(DataError, match="is damaged") as caught:
        load(home, trainee)
    assert "\n" not in str(caught.value)


def test_a_checkpoint_of_other_networks_is_refused(saved, trainee):
    with pytest.raises(DataError, match="is damaged"):
        load(checkpoint.latest(saved(3)), trainee, width=4)


def test_a_missing_tensor_is_refused(saved, trainee):
    home = checkpoint.latest(saved(3))
    save_file({"method/weight": torch.zeros(2, 3)}, home / "state.safetensors")
    with pytest.raises(DataError, match="is damaged"):
        load(home, trainee)


def test_a_pickle_by_another_name_is_refused_and_runs_nothing(saved, trainee, tmp_path):
    home, witness = checkpoint.latest(saved(3)), tmp_path / "witness"
    attack = pickle.dumps(Payload(witness))
    (home / "state.safetensors").write_bytes(attack)
    with pytest.raises(DataError, match="is damaged"):
        load(home, trainee)
    assert not witness.exists()
    pickle.loads(attack)  # the attack itself works
    assert witness.is_dir()


def test_nothing_on_disk_is_a_pickle(saved):
    files = [p for p in saved(3).rglob("*") if p.is_file()]
    assert {p.suffix for p in files} == {".json", ".safetensors"}
    assert json.loads((checkpoint.latest(saved(3)) / "state.json").read_text())["step"] == 3

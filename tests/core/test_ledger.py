import contextlib
import json
import os
import subprocess
import sys
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isoscope.errors import DataError
from isoscope.writing import draft as drafting
from isoscope.writing import lease as leases
from isoscope.writing.draft import Draft, draft_path, pending
from isoscope.writing.fingerprint import differences
from isoscope.writing.ledger import HIDDEN, PLAN, Ledger, identity

WANTED = {"model": "abc", "tile": {"core": 512, "halo": 96}, "shape": (1, 2)}


@pytest.fixture
def ledger(tmp_path):
    made = Ledger.begin(tmp_path, WANTED, ["p", "q"])
    made.put("p", {"c/0": b"pixels", "c/1": b"more"}, seen=[0, 1])
    return made


def refused(*args, **words):
    with pytest.raises(DataError) as caught:
        Draft.open(*args, **words)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_part_is_done_when_marker_and_files_agree(tmp_path, ledger):
    assert ledger.holds("p")
    assert not ledger.holds("q")
    assert ledger.marker("p")["seen"] == [0, 1]
    again = Ledger.resume(tmp_path, WANTED)
    assert again.holds("p")
    assert not list(tmp_path.rglob("*.partial"))


@pytest.mark.parametrize("content", [b"", b"pixel", b"pixelz", b"pixels!", None])
def test_what_changed_on_the_disk_is_not_done(tmp_path, ledger, content):
    (tmp_path / "c/0").unlink()
    if content is not None:
        (tmp_path / "c/0").write_bytes(content)
    assert not ledger.holds("p")
    ledger.put("p", {"c/0": b"pixels", "c/1": b"more"})
    assert ledger.holds("p")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"plan": "other", "files": {"c/0": [6, 1]}}', "{}"])
def test_a_marker_that_is_torn_or_anothers_is_none(tmp_path, ledger, text):
    (tmp_path / HIDDEN / "markers" / "p.json").write_text(text)
    assert not ledger.holds("p")
    assert ledger.marker("p") is None


def test_another_plan_is_refused_by_the_keys_that_differ(tmp_path, ledger):
    changed = {**WANTED, "tile": {"core": 256, "halo": 96}, "input": "x"}
    with pytest.raises(DataError) as caught:
        Ledger.resume(tmp_path, changed)
    said = str(caught.value)
    assert "tile.core was 512, now 256" in said
    assert 'input was null, now "x"' in said
    assert "halo" not in said
    assert "--overwrite" in said
    assert differences(WANTED, WANTED) == []


@pytest.mark.parametrize("format_", [1, 3])
def test_a_ledger_of_another_format_is_refused(tmp_path, ledger, format_):
    plan = tmp_path / PLAN
    plan.write_text(plan.read_text().replace('"format":2', f'"format":{format_}'))
    with pytest.raises(DataError, match=f"format {format_}; expected 2.*--overwrite"):
        Ledger.resume(tmp_path, WANTED)
    document = {"format": format_, "fingerprint": WANTED, "parts": {"p": {"c/0": [6, 1]}}}
    (tmp_path / "done.json").write_text(json.dumps(document))
    with pytest.raises(DataError, match=f"format {format_}; expected 2.*--overwrite"):
        Ledger.find(tmp_path, "done.json")


@pytest.mark.parametrize(
    ("old", "new"), [('"p","q"', '"p"'), ('"core":512', '"core":256'), ("{", ""), ("\n", "[" * 9999)]
)
def test_a_plan_that_was_edited_or_torn_is_refused_and_nothing_lost(tmp_path, ledger, old, new):
    plan = tmp_path / PLAN
    plan.write_text(plan.read_text().replace(old, new))
    with pytest.raises(DataError, match=r"a damaged ledger.*--overwrite") as caught:
        Ledger.find(tmp_path)
    assert "\n" not in str(caught.value)
    assert (tmp_path / "c/0").exists()


@pytest.mark.parametrize("said", ['{"host": HOST, "pid": 99999999999999999999}', "[" * 9999])
def test_a_lease_that_makes_no_sense_binds_nobody(tmp_path, said):
    (tmp_path / "lease.json").write_text(said.replace("HOST", json.dumps(leases.socket.gethostname())))
    assert leases.holder(tmp_path) is None


def closed(tmp_path, ledger):
    ledger.put("q", {"d": b"other"})
    ledger.close("done.json")
    return Ledger.resume(tmp_path, WANTED, "done.json", ["p", "q"])


def test_closing_gathers_the_markers(tmp_path, ledger):
    with pytest.raises(DataError, match="no marker of q"):
        ledger.close("done.json")
    done = closed(tmp_path, ledger)
    assert sorted(p.name for p in tmp_path.iterdir()) == [HIDDEN, "c", "d", "done.json"]
    assert done.holds("p", seen=[0, 1])
    assert not done.holds("p", seen=[0, 2])
    assert not done.holds("r")
    assert Ledger.find(tmp_path, "done.json") == done
    assert done.fingerprint == json.loads(json.dumps(WANTED))


@pytest.mark.parametrize("content", [b"pixels", b"pixelZ"])
def test_a_repair_is_recorded_when_the_ledger_is_closed_again(tmp_path, ledger, content, caplog):
    done = closed(tmp_path, ledger)
    before = (tmp_path / "done.json").read_bytes()
    (tmp_path / "c/0").write_bytes(b"damage")
    assert not done.holds("p")
    done.put("p", {"c/0": content, "c/1": b"more"}, seen=[0, 1])
    assert done.holds("p")
    assert (tmp_path / "done.json").read_bytes() == before
    assert Ledger.find(tmp_path, "done.json").holds("p") == (content == b"pixels")
    done.close("done.json")
    assert Ledger.find(tmp_path, "done.json").holds("p")
    assert ((tmp_path / "done.json").read_bytes() == before) == (content == b"pixels")
    assert ("other bytes than before: 1" in caplog.text) == (content == b"pixelZ")
    assert bool(done.marker("p").get("remade")) == (content == b"pixelZ")


@given(where=st.integers(0, 2**16), bit=st.integers(0, 7))
@settings(max_examples=150, deadline=None)
def test_no_bit_of_ledger_or_marker_can_flip_unnoticed(tmp_path_factory, where, bit):
    """What is read is either refused, or what was written: a flip may leave JSON's meaning alone."""
    root = tmp_path_factory.mktemp("ledger")
    ledger = Ledger.begin(root, WANTED, ["p"])
    ledger.put("p", {"c": b"pixels"}, seen=[[0.25, 1e300]])
    marker, file = ledger.marker("p"), root / HIDDEN / "markers" / "p.json"
    flipped(file, where, bit)
    assert ledger.marker("p") in (None, marker)
    flipped(file, where, bit)
    ledger.close("done.json")
    flipped(root / "done.json", where, bit)
    with contextlib.suppress(DataError):
        assert Ledger.find(root, "done.json") == Ledger(root, ledger.fingerprint, ("p",), {"p": marker})


def flipped(file, where, bit):
    content = bytearray(file.read_bytes())
    content[where % len(content)] ^= 1 << bit
    file.write_bytes(content)


def test_what_parts_are_made_of_changes_with_their_bytes(tmp_path, ledger):
    before = ledger.state(["p", "q"])
    ledger.put("q", {"d": b"other"})
    assert ledger.state(["p", "q"]) != before
    ledger.put("q", {"d": b"other"}, of="more")
    after = ledger.state(["p", "q"])
    ledger.put("q", {"d": b"othes"})
    assert ledger.state(["p", "q"]) != after
    assert ledger.state(["q", "p"]) != ledger.state(["p", "q"])


def test_a_folder_that_went_away_is_not_made_again(tmp_path):
    ledger = Ledger.begin(tmp_path / "a", WANTED)
    (tmp_path / "a").rename(tmp_path / "b")
    with pytest.raises(DataError, match="another process"):
        ledger.put("p", {"c/0": b"pixels"})
    assert [p.name for p in tmp_path.iterdir()] == ["b"]


def test_an_input_is_known_by_names_sizes_and_times(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a/x").write_text("1")
    first = identity(tmp_path / "a")
    assert identity(tmp_path / "a") == first
    assert identity(tmp_path / "a/x") != first
    os.utime(tmp_path / "a/x", (1, 1))
    assert identity(tmp_path / "a") != first


def test_a_draft_is_found_again_and_swept_otherwise(tmp_path):
    out = tmp_path / "new" / "a.zarr"
    first = Draft.open(out, WANTED)
    first.ledger.put("p", {"x": b"1"})
    assert not pending(out)  # somebody is at work on it
    first.leave()
    assert pending(out)
    torn = first.root / ".x.12-ab.partial"
    torn.write_text("")
    second = Draft.open(out, WANTED, resume=True)
    assert second.ledger.holds("p")
    assert not torn.exists()
    second.leave()
    third = Draft.open(out, {"other": 1})
    assert not third.ledger.holds("p")
    third.discard()
    assert not list(out.parent.iterdir())
    assert not pending(out)


def test_a_living_process_keeps_its_draft(tmp_path, caplog):
    out = tmp_path / "a.zarr"
    first = Draft.open(out, WANTED)
    first.ledger.put("p", {"x": b"1"})
    assert f"process {os.getpid()}" in refused(out, WANTED)
    beside = Draft.open(out, WANTED, resume=True)
    assert "writes .a.zarr.partial too" in caplog.text
    assert beside.ledger.holds("p")
    old = time.time() - 7200
    os.utime(first.root / HIDDEN / "lease.json", (old, old))
    Draft.open(out, WANTED).discard()


@pytest.fixture
def faster(monkeypatch):
    """faster(out, fingerprint): another process begins this between our look and our beginning, once."""

    def arrange(out, fingerprint):
        real, done = drafting._clear, []

        def slow(root, file):
            real(root, file)
            if not done:
                done.append(True)
                Draft.open(out, fingerprint).ledger.put("p", {"x": b"1"})

        monkeypatch.setattr(drafting, "_clear", slow)

    return arrange


def test_two_that_begin_at_once_never_share_a_draft_of_two_plans(tmp_path, faster):
    out = tmp_path / "a.zarr"
    faster(out, {**WANTED, "model": "z"})
    assert f"process {os.getpid()}" in refused(out, WANTED)
    assert Ledger.find(draft_path(out)).fingerprint["model"] == "z"
    assert [p.name for p in tmp_path.iterdir()] == [".a.zarr.partial"]


def test_two_that_begin_the_same_at_once_work_side_by_side(tmp_path, faster, caplog):
    out = tmp_path / "a.zarr"
    faster(out, WANTED)
    assert Draft.open(out, WANTED, resume=True).ledger.holds("p")
    assert "both will write the same" in caplog.text
    assert [p.name for p in tmp_path.iterdir()] == [".a.zarr.partial"]


def test_a_draft_that_was_killed_while_it_began_is_swept(tmp_path):
    out = tmp_path / "a.zarr"
    left = tmp_path / ".a.zarr.4194305-ab.partial"  # no process has this number
    (left / HIDDEN).mkdir(parents=True)
    assert not drafting.final_path(left)
    Draft.open(out, WANTED)
    assert [p.name for p in tmp_path.iterdir()] == [".a.zarr.partial"]


def test_the_lease_of_the_dead_binds_nobody(tmp_path):
    out = tmp_path / "a.zarr"
    code = f"from pathlib import Path; from isoscope.writing.draft import Draft; Draft.open(Path({str(out)!r}), {{}})"
    subprocess.run([sys.executable, "-c", code], check=True)
    assert (draft_path(out) / HIDDEN / "lease.json").exists()
    Draft.open(out, WANTED).leave()
    lease = draft_path(out) / HIDDEN / "lease.json"
    mine = {"host": leases.socket.gethostname(), "pid": os.getpid(), "token": "of an earlier process of this number"}
    lease.write_text(json.dumps(mine))
    Draft.open(out, WANTED).discard()


def test_a_draft_on_which_another_process_works_is_not_discarded(tmp_path):
    out = tmp_path / "a.zarr"
    first = Draft.open(out, WANTED)
    lease = first.root / HIDDEN / "lease.json"
    lease.write_text(json.dumps({"host": leases.socket.gethostname(), "pid": os.getppid(), "token": "theirs"}))
    beside = Draft.open(out, WANTED, resume=True)
    beside.discard()
    assert lease.exists()
    lease.unlink()
    beside.discard()
    assert not list(tmp_path.iterdir())


def test_what_is_not_ours_is_left_alone(tmp_path):
    out = tmp_path / "a.zarr"
    draft_path(out).mkdir()
    (draft_path(out) / "thesis.doc").write_text("")
    assert "no draft of ours" in refused(out, WANTED)
    (draft_path(out) / "thesis.doc").unlink()
    Draft.open(out, WANTED).discard()


def test_a_kill_between_the_two_renames_loses_neither_output(tmp_path):
    out = tmp_path / "a.zarr"
    out.mkdir()
    (out / "old").touch()
    draft = Draft.open(out, WANTED)
    draft.leave()
    out.rename(tmp_path / ".a.zarr.replaced")
    draft = Draft.open(out, WANTED, resume=True)
    assert (out / "old").exists()
    draft.publish()
    assert [p.name for p in tmp_path.iterdir()] == ["a.zarr"]
    assert not list(out.iterdir())


def test_a_finished_output_is_resumed_only_by_its_own_plan(tmp_path):
    out = tmp_path / "a.zarr"
    draft = Draft.open(out, WANTED, file="done.json", parts=["p"])
    draft.ledger.put("p", {"x": b"1"})
    draft.ledger.close("done.json")
    draft.publish()
    again = Draft.open(out, WANTED, parts=["p"], resume=True, file="done.json")
    assert again.root == out
    assert again.ledger.holds("p")
    again.publish()
    again.discard()
    assert (out / "x").exists()
    assert "model was" in refused(out, {**WANTED, "model": "z"}, resume=True, file="done.json")
    (out / "done.json").unlink()
    assert "without a ledger" in refused(out, WANTED, resume=True, file="done.json")
    assert [p.name for p in tmp_path.iterdir()] == ["a.zarr"]

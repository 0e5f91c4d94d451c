"""Examining outputs: what is damaged, missing or too much is named, and nothing else."""

import os
import socket
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isoscope.errors import DataError, Interrupted
from isoscope.sources import store_for_writing
from isoscope.volume import Box, Header, Layout
from isoscope.writing.draft import draft_path, final_path
from isoscope.writing.verification import Fault, examine, outputs
from isoscope.writing.whole import write_whole

ARRAY = np.random.default_rng(0).integers(0, 250, (150, 130), np.uint8)
LAYOUT = Layout((1, 1, 1, 64, 64), (1, 1, 1, 32, 32), levels=3)
LEDGER = "0/isoscope.json"


def begun(path, count=9, version="0.5"):
    """A store of 9 shards, of which some are written."""
    image = Header(path.name.split(".")[0], (1, 1, 1, 150, 130), ARRAY.dtype)
    sink = store_for_writing(path, {"version": version} if path.name.endswith("zarr") else None).create(
        path, image, LAYOUT, fingerprint={"model": "abc"}
    )
    boxes = [Box((0, 0, 0, y, x), (1, 1, 1, min(y + 64, 150), min(x + 64, 130)))
             for y in (0, 64, 128) for x in (0, 64, 128)]  # fmt: skip
    for box in boxes[:count]:
        sink.write(box, ARRAY[None, None, None][box.slices])
    return sink


@pytest.fixture(params=["0.5", "0.4"])
def store(tmp_path, request):
    begun(tmp_path / "a.ome.zarr", version=request.param).close()
    return tmp_path / "a.ome.zarr"


def files(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def flip(file, bit=0):
    content = bytearray(file.read_bytes())
    content[bit // 8 % len(content)] ^= 1 << bit % 8
    file.write_bytes(content)


def test_what_was_written_is_well(store):
    report = examine(store)
    assert report.well
    assert (report.state, report.parts, report.output) == ("finished", 9 + 4 + 1 + 4, store)
    assert report.damaged == report.missing == report.leftover == report.remade == report.notes == []
    assert report.fingerprint["model"] == "abc"


def test_every_file_is_covered(store):
    """Also the metadata, and the ledger itself."""
    for name in files(store):
        content = (store / name).read_bytes()
        flip(store / name)
        report = examine(store)
        assert not report.well, name
        assert [fault.file for fault in report.damaged] == [name]
        (store / name).unlink()
        if name != LEDGER:
            (fault,) = examine(store).missing
            assert (fault.file, fault.what) == (name, "is gone")
        (store / name).write_bytes(content)
    assert examine(store).well


@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_no_bit_can_flip_unnoticed(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("v") / "a.zarr"
    begun(path, version=data.draw(st.sampled_from(["0.5", "0.4"]))).close()
    name = data.draw(st.sampled_from([name for name in files(path) if name != LEDGER]))
    flip(path / name, data.draw(st.integers(0, 8 * (path / name).stat().st_size - 1)))
    assert [fault.file for fault in examine(path).damaged] == [name]


@pytest.mark.parametrize(("content", "what"), [(b"", "holds 0 bytes, "), (b"x" * 7, "holds 7 bytes, ")])
def test_other_sizes_are_told(store, content, what):
    name = next(name for name in files(store) if name.startswith("1/") and "z" not in name)
    (store / name).write_bytes(content)
    (fault,) = examine(store).damaged
    assert fault.part.startswith("1.c.0.0.0.")
    assert fault.what.startswith(what)
    assert fault.what.endswith("were written")


def test_what_does_not_belong_is_named_and_no_damage(store):
    for name in ("notes.txt", "0/.c.77-ab.partial", "labels/zarr.json"):
        (store / name).parent.mkdir(exist_ok=True)
        (store / name).write_text("{}")
    report = examine(store)
    assert sorted(report.leftover) == ["0/.c.77-ab.partial", "labels/zarr.json", "notes.txt"]
    assert report.well


def test_a_draft_says_what_is_missing_and_what_is_damaged(tmp_path):
    out = tmp_path / "a.ome.zarr"
    begun(out, 4).abort()
    (root,) = outputs(out)
    assert (root, final_path(root)) == (draft_path(out), out)
    flip(root / "0/c/0/0/0/0/1")
    (root / "0/c/0/0/0/0/2").unlink()
    (root / "0/c/0/0/0/.x.1-ab.partial").touch()
    report = examine(root)
    assert (report.output, report.state, report.parts, report.well) == (out, "unfinished", 18, False)
    assert [fault.part for fault in report.damaged] == ["0.c.0.0.0.0.1"]
    assert report.missing[0] == Fault("0.metadata", None, "was never written")
    assert {fault.part for fault in report.missing if fault.file} == {"0.c.0.0.0.0.2"}
    assert len(report.missing) == 18 - 4 + 1
    assert report.leftover == ["0/c/0/0/0/.x.1-ab.partial"]
    assert report.notes == []


def test_a_draft_at_which_somebody_works_says_so(tmp_path):
    sink = begun(tmp_path / "a.zarr", 2)
    assert examine(draft_path(tmp_path / "a.zarr")).notes == [
        f"process {os.getpid()} on {socket.gethostname()} is writing it"
    ]
    sink.abort()


def test_a_draft_that_lacks_only_its_name_says_so(tmp_path, monkeypatch):
    sink = begun(tmp_path / "a.zarr")
    monkeypatch.setattr("isoscope.writing.draft.Draft.publish", lambda _: 1 / 0)
    with pytest.raises(DataError):
        sink.close()
    (root,) = outputs(tmp_path / "a.zarr")
    report = examine(root)
    assert (report.state, report.well, report.missing) == ("unfinished", False, [])
    assert "give it its name" in report.notes[-1]


def test_an_unfinished_tiff_is_looked_for_where_it_is_gathered(tmp_path):
    begun(tmp_path / "a.ome.tif", 4).abort()
    report = examine(*outputs(tmp_path / "a.ome.tif"))
    assert (report.output, report.state) == (tmp_path / "a.ome.tif", "unfinished")
    assert sum(fault.part.startswith("0.c") for fault in report.missing) == 5


def test_finished_and_unfinished_are_found_in_a_folder_and_by_name(tmp_path):
    begun(tmp_path / "a.zarr").close()
    begun(tmp_path / "a.zarr", 2).abort()
    begun(tmp_path / "b.zarr", 2).abort()
    write_whole(tmp_path / "c.tif", ARRAY)
    (tmp_path / "notes.txt").touch()
    a, b = (draft_path(tmp_path / f"{name}.zarr") for name in "ab")
    assert outputs(tmp_path) == [a, b, tmp_path / "a.zarr", tmp_path / "c.tif"]
    assert outputs(tmp_path / "a.zarr") == [tmp_path / "a.zarr", a]
    assert outputs(tmp_path / "b.zarr") == [b] == outputs(b)
    assert outputs(str(tmp_path / "*.tif")) == [tmp_path / "c.tif"]
    with pytest.raises(DataError, match="nothing at"):
        outputs(tmp_path / "d.zarr")
    with pytest.raises(DataError, match="neither an image nor an output"):
        outputs(tmp_path / "notes.txt")


def test_a_store_without_its_group_metadata_is_still_found(tmp_path):
    begun(tmp_path / "a.zarr").close()
    (tmp_path / "a.zarr").rename(tmp_path / "renamed")
    (tmp_path / "renamed/zarr.json").unlink()
    assert outputs(tmp_path / "renamed") == [tmp_path / "renamed"]
    assert [fault.file for fault in examine(tmp_path / "renamed").missing] == ["zarr.json"]


@pytest.mark.parametrize("name", ["a.tif", "a.png", "a.ome.tif"])
def test_a_file_without_a_ledger_is_decoded(tmp_path, name, monkeypatch):
    monkeypatch.setattr("isoscope.writing.decoding._AT_ONCE", 1000)  # several bands
    path = write_whole(tmp_path / name, ARRAY)
    seen = []
    report = examine(path, progress=lambda done, total: seen.append((done, total)))
    assert (report.state, report.parts, report.well) == ("decoded", 1, True)
    assert seen[-1] == (22, 22)
    path.write_bytes(path.read_bytes()[:-900])
    report = examine(path)
    assert not report.well
    assert path.name in report.damaged[0].what


def test_it_stops_when_asked(store):
    asked = iter([False, False, True])
    with pytest.raises(Interrupted, match=r"stopped after 3 of 18 parts of a\.ome\.zarr"):
        examine(store, stop=lambda: next(asked))


def test_an_older_ledger_is_not_misread(store):
    text = (store / LEDGER).read_text()
    (store / LEDGER).write_text(text.replace('"format":2', '"format":1'))
    (fault,) = examine(store).damaged
    assert "ledger format 1; expected 2" in fault.what


def test_neither_torch_nor_zarr_is_imported(tmp_path):
    begun(tmp_path / "a.zarr").close()
    code = (
        "import sys; from isoscope.writing.verification import *; "
        f"print(*(examine(p).well for p in outputs({str(tmp_path)!r})), *({{'torch', 'zarr'}} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True"]

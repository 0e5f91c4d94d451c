"""`isoscope verify`: one line per finding with its remedy, which works; exit code 2 for damage."""

import json

import numpy as np
import pytest

from isoscope.writing.draft import draft_path
from isoscope.writing.whole import write_whole


@pytest.fixture
def given(tmp_path):
    array = np.random.default_rng(0).integers(0, 60000, (1100, 1200), np.uint16)
    return write_whole(tmp_path / "given.tif", array)


@pytest.fixture(params=["0.5", "0.4"])
def made(isoscope, given, tmp_path, request):
    """A converted store, and the command that made it."""
    command = ["convert", given, tmp_path / "out.ome.zarr", "--ome-zarr", request.param]
    assert isoscope(*command)[0] == 0
    return tmp_path / "out.ome.zarr", command


def shards(store, level):
    return sorted(p for p in (store / str(level)).rglob("*") if p.is_file() and p.name.isdecimal())


def test_all_is_well(isoscope, made):
    code, out, err = isoscope("verify", made[0], "--quiet")
    assert (code, err) == (0, "")
    assert out == f"{made[0]}: finished, 12 of 12 parts as written\nall is well\n"


def test_damage_is_told_line_by_line_and_the_remedy_works(isoscope, made):
    store, command = made
    before = {p: p.read_bytes() for p in store.rglob("*") if p.is_file()}
    first, cut, group = shards(store, 0)[0], shards(store, 1)[0], store / "zarr.json"
    group = group if group.exists() else store / ".zattrs"
    first.unlink()
    cut.write_bytes(b"")
    group.write_text(group.read_text().replace("mean", "mesn"))
    (store / "0/.x.4194305-ab.partial").touch()
    code, out, err = isoscope("verify", store, "--quiet")
    assert code == 2
    assert out.endswith("not well: 1 output\n")
    lines = err.splitlines()
    for file, what in [(cut, "holds 0 bytes"), (group, "holds other bytes"), (first, "is gone")]:
        (line,) = (line for line in lines if str(file.relative_to(store)) + " " + what in line)
        assert line.startswith(f"isoscope: error: {store}: ")
        assert line.endswith("repair it with isoscope convert ... --resume")
    assert lines[3].startswith("isoscope: warning: ")
    assert "0/.x.4194305-ab.partial was left by a killed process" in lines[3]
    assert len(lines) == 4
    assert isoscope(*command, "--resume")[0] == 0
    assert isoscope("verify", store, "--quiet")[::2] == (0, "")
    assert {p: p.read_bytes() for p in store.rglob("*") if p.is_file()} == before


def test_one_document_on_stdout(isoscope, made):
    shards(made[0], 0)[0].write_bytes(b"x")
    code, out, _ = isoscope("verify", made[0], "--json")
    document = json.loads(out)
    (output,) = document["outputs"]
    assert (code, document["well"], output["well"], output["state"]) == (2, False, False, "finished")
    assert output["output"] == str(made[0])
    assert output["damaged"][0]["part"] == "0.c.0.0.0.0.0"
    assert output["missing"] == output["leftover"] == []


def test_what_is_unfinished_is_one_line(isoscope, made, given):
    store, _ = made
    store.rename(draft_path(store))
    code, out, err = isoscope("verify", store, "--quiet")
    assert code == 2
    assert "unfinished, 12 of 12 parts as written; all of it is written" in out
    assert err.count("\n") == 1
    assert "is unfinished; finish it with isoscope convert ... --resume" in err


def test_files_without_checksums_say_what_cannot_be_told(isoscope, given):
    code, out, err = isoscope("verify", given, "--quiet")
    assert (code, err) == (0, "")
    assert "1 image decoded whole" in out
    assert "cannot be told" in out
    given.write_bytes(given.read_bytes()[:100000])
    code, out, err = isoscope("verify", given, "--quiet")
    assert code == 2
    assert "cannot be decoded" in out
    assert err.count("\n") == 1


def test_nothing_there_is_refused(refused, tmp_path):
    assert "nothing at" in refused("verify", tmp_path / "nothing.zarr")
    (tmp_path / "empty").mkdir()
    assert "holds no image" in refused("verify", tmp_path / "empty")


def test_a_folder_of_many(isoscope, made, given, tmp_path):
    code, out, _ = isoscope("verify", tmp_path, "--quiet")
    assert code == 0
    assert out.count("as written") == 1
    assert out.count("decoded whole") == 1

"""`isoscope doctor`: what is wrong is named, and decides the exit code."""

import json

import pytest

from isoscope import doctor as examined
from isoscope_terminal import app, doctor

WELL = {"ok": True, "difference": 1e-6, "seconds": 1.0}


@pytest.fixture
def isoscope(capsys, monkeypatch):
    monkeypatch.setattr(examined, "self_test", lambda folder: WELL)

    def run(*arguments):
        with pytest.raises(SystemExit) as left:
            app.main([str(a) for a in arguments])
        said = capsys.readouterr()
        return left.value.code or 0, said.out, said.err

    return run


def test_all_is_well(isoscope):
    code, out, err = isoscope("doctor")
    assert (code, err) == (0, "")
    assert "torch 2." in out
    assert out.endswith("all is well\n")
    document = json.loads(isoscope("doctor", "--json")[1])
    assert document["ok"]
    assert set(document) == {"ok", "problems", "versions", "machine", "plugins", "self_test"}


def test_broken_plugins_are_named(isoscope, monkeypatch):
    rows = [
        {
            "kind": "losses",
            "name": "bad",
            "distribution": "theirs",
            "version": "1",
            "status": "broken: ImportError; uninstall theirs",
        }
    ]
    monkeypatch.setattr(doctor, "listed", lambda found, load: rows)
    code, out, err = isoscope("doctor")
    assert code == 1
    assert err == "isoscope: error: losses plug-in bad of theirs 1 is broken: ImportError; uninstall theirs\n"
    assert "not well: 1 found" in out


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        (ZeroDivisionError("oh"), "the self-test failed: ZeroDivisionError: oh"),
        ({**WELL, "ok": False, "difference": 0.2}, "tiles change the picture by 0.2 of its range"),
    ],
)
def test_a_failing_self_test_is_told(isoscope, monkeypatch, result, expected):
    def tested(folder):
        if isinstance(result, Exception):
            raise result
        return result

    monkeypatch.setattr(examined, "self_test", tested)
    code, out, err = isoscope("doctor", "--json")
    assert code == 1
    assert not json.loads(out)["ok"]
    assert expected in err


def test_missing_packages_are_named(isoscope, monkeypatch):
    monkeypatch.setattr(examined, "versions", lambda: {"zarr": None})
    assert "zarr is not installed" in isoscope("doctor")[2]

from importlib.metadata import PackageNotFoundError

import pytest

from isoscope import doctor
from isoscope.errors import DataError
from isoscope.inference.calling import Caller


def test_versions_are_those_of_what_is_needed(monkeypatch):
    found = doctor.versions()
    assert {"python", "isoscope", "torch", "numpy", "zarr", "tifffile", "typer"} <= set(found)
    assert "pytest" not in found

    def missing(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(doctor, "version", missing)
    assert doctor.versions()["torch"] is None


def test_the_machine_is_described(tmp_path):
    host = doctor.machine(tmp_path)
    assert host["devices"][-1].startswith("cpu ")
    assert host["threads"] >= 1
    assert host["disk_free"] > 0


def test_the_self_test_passes_here(tmp_path):
    found = doctor.self_test(tmp_path)
    assert found["ok"]
    assert found["difference"] <= 1e-3


def test_the_self_test_sees_tiles_that_differ(tmp_path, monkeypatch):
    real = Caller.__call__
    monkeypatch.setattr(Caller, "__call__", lambda self, items: real(self, items) + 0.1 * (self._grid.core == 16))
    assert not doctor.self_test(tmp_path)["ok"]


def test_the_self_test_tells_what_is_broken(tmp_path, monkeypatch):
    def broken(path):
        raise DataError("no store")

    monkeypatch.setattr(doctor, "store_for_writing", broken)
    with pytest.raises(DataError, match="no store"):
        doctor.self_test(tmp_path)

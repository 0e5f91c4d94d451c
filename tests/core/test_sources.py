from pathlib import Path

import numpy as np
import pytest

from isoscope import kinds, registry
from isoscope.errors import DataError, PluginError, RecipeError
from isoscope.registry import Registry
from isoscope.sources import find, open_all, open_one, store_for_reading, store_for_writing
from isoscope.volume import ArraySink, ArrayVolume, Header


class Dots:
    """A store whose files hold one byte per pixel of a row; folders that end in .dots are stores too."""

    suffixes = (".dot",)
    writes = (".dot",)

    def claims(self, path: Path) -> bool:
        return path.suffix in (".dot", ".dots")

    def open(self, path: Path):
        if path.is_dir():
            return [volume for inner in sorted(path.iterdir()) for volume in self.open(inner)]
        array = np.frombuffer(path.read_bytes(), np.uint8)[None]
        return [ArrayVolume(array, "YX", Header(path.stem, (1, 1, 1, *array.shape), array.dtype))]

    def create(self, path, header, layout):
        return ArraySink(header)


def broken():
    raise PluginError("stores plug-in 'broken' of acme 1 cannot be imported")


@pytest.fixture(autouse=True)
def stores(monkeypatch):
    """Only these: a broken store before and after a sound one."""
    found = Registry("stores")
    for name, store in (("aaa", broken), ("dots", Dots), ("zzz", broken)):
        found.add(name, store)
    monkeypatch.setattr(registry, "installed", list)
    monkeypatch.setattr(kinds, "stores", found)
    return found


@pytest.fixture
def folder(tmp_path):
    for name in ("b.dot", "a.dot", "c.dot", ".hidden.dot", "notes.txt"):
        (tmp_path / name).write_bytes(name.encode())
    (tmp_path / "deeper").mkdir()
    (tmp_path / "deeper" / "d.dot").write_bytes(b"d")
    return tmp_path


def names(paths):
    return [p.name for p in paths]


def test_a_file_a_folder_and_a_glob(folder):
    assert names(find(folder / "b.dot")) == ["b.dot"]
    assert names(find(folder)) == ["a.dot", "b.dot", "c.dot"]
    assert names(find(str(folder / "[ac].dot"))) == ["a.dot", "c.dot"]
    assert names(find(f"{folder}/**/*.dot")) == ["a.dot", "b.dot", "c.dot", "d.dot"]


def test_a_name_with_brackets_is_a_file_before_it_is_a_glob(folder):
    odd = folder / "x[1].dot"
    odd.write_bytes(b"x")
    assert find(odd) == [odd]
    assert find(str(odd)) == [odd]


def test_a_folder_that_is_a_store_is_one_input(folder):
    store = folder / "plate.dots"
    store.mkdir()
    (store / "1.dot").write_bytes(b"12")
    (store / "2.dot").write_bytes(b"123")
    assert find(store) == [store]
    assert [v.header.shape[-1] for v in open_one(store)] == [2, 3]
    assert "plate.dots" in names(find(folder))


def test_opening_everything_keeps_the_order(folder):
    assert [v.header.name for v in open_all(folder)] == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("none.dot", r"^nothing at .*none\.dot; expected a file, a store, a folder, a CSV or a quoted glob$"),
        ("*.png", r"^nothing at .*\*\.png; expected"),
        ("empty", r"^.*empty holds no image that we read \(0 entries\); expected \.dot; save"),
        ("notes.txt", r"notes\.txt is not an image that we read; expected \.dot; save"),
    ],
)
def test_what_holds_no_image_is_refused(folder, where, message):
    (folder / "empty").mkdir()
    with pytest.raises(DataError, match=message):
        open_all(folder / where)


def test_opening_nothing_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"^nothing at"):
        open_one(tmp_path / "none.dot")


def test_a_broken_store_stops_nobody_else(folder):
    assert isinstance(store_for_reading(folder / "a.dot"), Dots)
    assert isinstance(store_for_writing(Path("out.dot")), Dots)
    assert isinstance(store_for_writing(Path("OUT.DOT")), Dots)


def test_a_broken_store_is_named_where_nobody_else_claims(folder, caplog):
    assert store_for_reading(folder / "notes.txt") is None
    assert "acme 1 cannot be imported" in caplog.text


def test_a_suffix_that_nobody_writes_is_refused_with_those_that_are():
    with pytest.raises(DataError, match=r"^cannot write 'out\.bmp'; expected one of \.dot$"):
        store_for_writing(Path("out.bmp"))


def test_a_store_can_be_given_parameters(monkeypatch):
    def sized(*, size: int = 1):
        """Dots of a size.

        Args:
            size: in pixels.
        """
        store = Dots()
        store.size = size
        return store

    found = Registry("stores")
    found.add("sized", sized)
    monkeypatch.setattr(kinds, "stores", found)
    assert [store_for_writing(Path("a.dot"), given).size for given in (None, {}, {"size": 3})] == [1, 1, 3]
    with pytest.raises(RecipeError, match="unknown key 'version'"):
        store_for_writing(Path("a.dot"), {"version": "0.4"})

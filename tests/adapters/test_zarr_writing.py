"""Writing zarr: pyramids, versions, resuming after whatever a kill, a disk or a person did to the draft."""

import json
import os
import shutil
import threading
import tracemalloc
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import ome_zarr_models.v04
import ome_zarr_models.v05
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

from isoscope.errors import DataError
from isoscope.reading import ReadOptions
from isoscope.volume import Box, Header, Layout
from isoscope.writing.draft import draft_path
from isoscope.writing.ledger import HIDDEN
from isoscope.writing.shrinking import shrink
from isoscope_zarr.pyramid import levels
from isoscope_zarr.store import LEDGER
from isoscope_zarr.store import zarr as zarr_store

STORE, OLD = zarr_store(), zarr_store(version="0.4")
BOTH, IDS = [STORE, OLD], ["0.5", "0.4"]
LAYOUT = Layout((1, 1, 1, 64, 64), (1, 1, 1, 32, 32), levels=3)
PLAN = {"model": "abc"}


def random(shape, dtype="uint8", seed=0):
    return np.random.default_rng(seed).integers(0, 250, shape).astype(dtype)


def header(array, **words):
    return Header(**({"name": "image", "shape": array.shape, "dtype": array.dtype, "axes": "TCZYX"} | words))


def begin(path, array, layout=LAYOUT, store=STORE, plan=PLAN, resume=False, **words):
    return store.create(path, header(array, **words), layout, fingerprint=plan, resume=resume)


def parts(sink):
    return list(sink._levels[0].boxes())


def fill(sink, array, skip=()):
    """Write what is not there; how much that was."""
    todo = [box for box in parts(sink) if box not in skip and not sink.written(box)]
    for box in todo:
        sink.write(box, array[box.slices])
    return len(todo)


def write(path, array, layout=LAYOUT, store=STORE, **words):
    sink = begin(path, array, layout, store, **words)
    fill(sink, array)
    sink.close()
    return path


def contents(folder):
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def whole(path, **options):
    (volume,) = STORE.open(path, ReadOptions(**options))
    return volume.read(Box.whole(volume.header.shape))


def numpy_means(values):
    """An independent mean over 2 x 2, the last row and column repeated where they are odd."""
    pad = [(0, 0)] * 3 + [(0, n % 2) for n in values.shape[3:]]
    even = np.pad(values, pad, mode="edge").astype(object)
    sums = even[..., ::2, ::2] + even[..., 1::2, ::2] + even[..., ::2, 1::2] + even[..., 1::2, 1::2]
    if values.dtype.kind == "f":
        return (sums / 4).astype(np.float64).astype(values.dtype)
    quotients, left = sums // 4, sums % 4
    up = (left > 2) | ((left == 2) & (quotients % 2 == 1))
    return (quotients + up).astype(values.dtype)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint32", "int64", "uint64", "float16", "float32", "float64"])
@pytest.mark.parametrize("size", [(1, 1), (1, 3), (3, 1), (3, 3), (2, 5), (127, 131), (64, 128)])
def test_every_level_is_the_mean_of_the_one_before(tmp_path, size, dtype):
    rng = np.random.default_rng(1)
    info = np.iinfo(dtype) if np.dtype(dtype).kind in "iu" else None
    shape = (1, 2, 1, *size)
    values = rng.integers(info.min, info.max, shape, dtype, endpoint=True) if info else rng.normal(0, 9, shape)
    array = values.astype(dtype)
    path = write(tmp_path / "a.ome.zarr", array)
    for level in range(1, min(2, max(size) // 2) + 1):
        array, small = numpy_means(array), whole(path, level=level)
        assert small.dtype == array.dtype
        if dtype == "float64":
            np.testing.assert_allclose(small, array, rtol=0, atol=1e-12)
        else:
            np.testing.assert_array_equal(small, array)


@pytest.mark.parametrize("code", "lLqQ")
def test_both_of_the_names_that_c_has_for_64_bits(tmp_path, code):
    array = np.arange(256, dtype=code).reshape(1, 1, 1, 16, 16)
    np.testing.assert_array_equal(whole(write(tmp_path / "a.ome.zarr", array)), array)


@pytest.mark.parametrize("factor", [1, 3, 5, 16])
@pytest.mark.parametrize("dtype", ["uint8", "int64", "float32"])
def test_squares_of_any_side_become_their_mean(factor, dtype):
    array = random((2, 17, 23), dtype) - np.dtype(dtype).type(100 if dtype == "int64" else 0)
    small = shrink(array, factor)
    assert (small.shape, small.dtype) == ((2, -(-17 // factor), -(-23 // factor)), array.dtype)
    for (k, y, x), value in np.ndenumerate(small):
        square = array[k, y * factor : (y + 1) * factor, x * factor : (x + 1) * factor].astype(np.float64)
        assert value == pytest.approx(square.mean() if dtype == "float32" else round(square.mean()), rel=1e-6)


def test_infinities_and_nan_of_a_float_image_stay_where_they_are(tmp_path):
    array = np.ones((1, 1, 1, 8, 8), "float32")
    array[..., 0, 0], array[..., 0, 1], array[..., 4, 4] = np.inf, -np.inf, np.nan
    small = whole(write(tmp_path / "a.zarr", array), level=1)[0, 0, 0]
    assert np.isnan(small[0, 0])
    assert np.isnan(small[2, 2])
    assert np.isnan(small).sum() == 2


@pytest.mark.parametrize(
    ("side", "wanted", "shapes"),
    [
        (256, None, [256]),
        (257, None, [257, 129]),
        (1031, None, [1031, 516, 258, 129]),
        (2000, 1, [2000]),
        (5, 9, [5, 3, 2, 1]),
        (1, 9, [1]),
    ],
)
def test_levels_go_on_until_they_are_small(side, wanted, shapes):
    made = levels(header(np.zeros((1, 1, 1, 1, side), "u1")), Layout((1,) * 5, (1,) * 5, levels=wanted), "0.5")
    assert [level.shape[4] for level in made] == shapes
    assert {level.shape[3] for level in made} == {1}


def test_fewer_than_one_level_is_refused(tmp_path):
    with pytest.raises(DataError, match="got 0 levels"):
        begin(tmp_path / "a.zarr", random((1, 1, 1, 8, 8)), Layout((1,) * 5, (1,) * 5, levels=0))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("store", BOTH, ids=IDS)
@pytest.mark.parametrize("words", [{}, {"pixel_size": (2.0, 0.5, 0.25), "channels": ("a", "b", "c")}, {"rgb": True}])
def test_the_models_of_ome_accept_every_level(tmp_path, store, words):
    array = random((1, 3, 2, 131, 97))
    path = write(tmp_path / "a.ome.zarr", array, store=store, **words)
    version = ome_zarr_models.v04 if store is OLD else ome_zarr_models.v05
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        group = zarr.open_group(path, mode="r")
        image = version.Image.from_zarr(group)
        assert sorted(name for name, _ in group.members()) == ["0", "1", "2"]
    said = image.attributes if store is OLD else image.ome_attributes
    _, y, x = words.get("pixel_size", (1.0, 1.0, 1.0))
    for n, dataset in enumerate(said.multiscales[0].datasets):
        step, *moved = dataset.coordinateTransformations
        assert tuple(step.scale[3:]) == (y * 2**n, x * 2**n)
        assert [tuple(m.translation[3:]) for m in moved] == [(y * (2**n - 1) / 2, x * (2**n - 1) / 2)] * (n > 0)
        assert group[dataset.path].shape[3:] == (-(-131 // 2**n), -(-97 // 2**n))
    np.testing.assert_array_equal(whole(path), array)
    (volume,) = STORE.open(path)
    assert (volume.header.rgb, volume.header.channels) == (words.get("rgb", False), words.get("channels", ()))


def test_the_old_version_is_unsharded_with_slashes(tmp_path):
    array = random((1, 1, 1, 70, 70), ">u2")
    path = write(tmp_path / "a.ome.zarr", array.astype("uint16"), Layout((1, 1, 1, 64, 64), (1, 1, 1, 32, 32)), OLD)
    assert sum(p.is_file() and not p.name.startswith(".") for p in (path / "0").rglob("*")) == 9 + 1
    assert (path / "0/0/0/0/2/2").is_file()
    document = json.loads((path / "0/.zarray").read_text())
    assert (document["zarr_format"], document["dimension_separator"]) == (2, "/")
    np.testing.assert_array_equal(whole(path), array)


@pytest.mark.parametrize("store", BOTH, ids=IDS)
def test_what_an_abort_left_is_resumed_to_the_same_bytes(tmp_path, store):
    array = random((1, 2, 1, 150, 130))
    straight = contents(write(tmp_path / "s" / "a.zarr", array, store=store, channels=("a", "b")))
    path = tmp_path / "a.zarr"
    sink = begin(path, array, store=store, channels=("a", "b"))
    for box in parts(sink)[:7]:
        sink.write(box, array[box.slices])
    sink.abort()
    sink.abort()
    assert not path.exists()
    sink = begin(path, array, store=store, resume=True, channels=("a", "b"))
    assert fill(sink, array) == 18 - 7
    sink.close()
    assert contents(path) == straight
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.zarr", "s"]


def draft_of(path, array, count=None, store=STORE):
    sink = begin(path, array, store=store)
    for box in parts(sink)[:count]:
        sink.write(box, array[box.slices])
    sink.abort()
    return draft_path(path)


def flip(file):
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def cut(file):
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def empty(file):
    file.write_bytes(b"")


def gone(file):
    file.unlink()


DAMAGES = [flip, cut, empty, gone]
MARKER = f"{HIDDEN}/markers/0.c.0.0.0.1.1.json"
SHARDS = {STORE: "0/c/0/0/0/1/1", OLD: "0/0/0/0/3/3"}


@pytest.mark.parametrize("store", BOTH, ids=IDS)
@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("what", ["marker", "shard"])
def test_only_what_was_damaged_is_done_again(tmp_path, what, damage, store):
    array = random((1, 1, 1, 150, 130))
    straight = contents(write(tmp_path / "s.zarr", array, store=store))
    draft = draft_of(tmp_path / "a.zarr", array, store=store)
    orphan = draft / SHARDS[store]
    orphan.with_name(".1.77-ab.partial").write_bytes(b"torn")
    damage(draft / (MARKER if what == "marker" else SHARDS[store]))
    sink = begin(tmp_path / "a.zarr", array, store=store, resume=True)
    assert fill(sink, array) == 1
    sink.close()
    assert contents(tmp_path / "a.zarr") == straight
    assert not list(tmp_path.rglob("*partial*"))


def test_a_damaged_shard_of_a_draft_is_not_closed_over(tmp_path):
    array = random((1, 1, 1, 150, 130))
    draft = draft_of(tmp_path / "a.zarr", array)
    flip(draft / SHARDS[STORE])
    sink = begin(tmp_path / "a.zarr", array, resume=True)
    with pytest.raises(ValueError, match="1 shards were never written, or are damaged"):
        sink.close()
    assert not (tmp_path / "a.zarr").exists()
    sink.abort()


@pytest.mark.parametrize("moment", range(6))
def test_a_kill_while_closing_is_resumed(tmp_path, monkeypatch, moment):
    array = random((1, 1, 1, 150, 130))
    straight = contents(write(tmp_path / "s.zarr", array))
    sink = begin(tmp_path / "a.zarr", array)
    fill(sink, array)
    ends = ["isoscope_zarr.pyramid.shrink", "isoscope_zarr.writer.windows", "isoscope.writing.ledger.write_sealed",
            "isoscope.writing.draft.shutil.rmtree", "isoscope.writing.draft.Draft.publish",
            "isoscope.writing.draft.sync_folder"]  # fmt: skip
    with monkeypatch.context() as patched:
        patched.setattr(ends[moment], lambda *_, **__: 1 / 0)
        with pytest.raises((DataError, ZeroDivisionError)):
            sink.close()
    sink.abort()
    sink = begin(tmp_path / "a.zarr", array, resume=True)
    assert fill(sink, array) == 0
    sink.close()
    assert contents(tmp_path / "a.zarr") == straight
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.zarr", "s.zarr"]


def test_damaged_pyramid_parts_are_made_again(tmp_path, monkeypatch):
    array = random((1, 1, 1, 150, 130))
    straight = contents(write(tmp_path / "s.zarr", array))
    sink = begin(tmp_path / "a.zarr", array)
    fill(sink, array)
    with monkeypatch.context() as patched:
        patched.setattr("isoscope_zarr.writer.windows", lambda *_: 1 / 0)
        with pytest.raises(DataError):
            sink.close()
    sink.abort()
    flip(draft_path(tmp_path / "a.zarr") / "1/c/0/0/0/0/1")
    sink = begin(tmp_path / "a.zarr", array, resume=True)
    sink.close()
    assert contents(tmp_path / "a.zarr") == straight


def refused(path, array, *args, **words):
    with pytest.raises(DataError) as caught:
        begin(path, array, *args, resume=True, **words)
    assert "\n" not in str(caught.value)
    assert "--overwrite" in str(caught.value)
    return str(caught.value)


def test_another_plan_or_layout_is_refused_by_name(tmp_path):
    array = random((1, 1, 1, 150, 130))
    path = tmp_path / "a.zarr"
    draft_of(path, array, 2)
    assert 'model was "abc", now "abd"' in refused(path, array, plan={"model": "abd"})
    assert "layout.dtype" in refused(path, array.astype("uint16"))
    assert "layout.shape" in refused(path, array[..., :-1])
    assert "layout.levels was 3, now 1" in refused(path, array, Layout(LAYOUT.shard, LAYOUT.chunk, levels=1))
    assert "layout.version" in refused(path, array, store=OLD)
    sink = begin(path, array, plan={"model": "abd"})
    assert not any(sink.written(box) for box in parts(sink))
    sink.discard()
    assert not list(tmp_path.iterdir())


def test_a_finished_store_is_resumed_in_place_by_its_own_plan_only(tmp_path):
    array = random((1, 1, 1, 150, 130))
    path = write(tmp_path / "a.zarr", array)
    straight, touched = contents(path), (path / LEDGER).stat().st_mtime_ns
    sink = begin(path, array, resume=True)
    assert fill(sink, array) == 0
    sink.close()
    sink = begin(path, array, resume=True)
    sink.discard()
    assert (contents(path), (path / LEDGER).stat().st_mtime_ns) == (straight, touched)
    assert "model was" in refused(path, array, plan={"model": "z"})
    flip(path / LEDGER)
    assert "damaged ledger" in refused(path, array)
    (path / LEDGER).unlink()
    assert "without a ledger" in refused(path, array)
    assert [p.name for p in tmp_path.iterdir()] == ["a.zarr"]


FILES = {
    "0.5": ["zarr.json", "0/zarr.json", "2/zarr.json", "0/c/0/1/0/1/1", "1/c/0/0/0/1/1", "2/c/0/1/0/0/0"],
    "0.4": [".zattrs", ".zgroup", "0/.zarray", "2/.zattrs", "0/0/1/0/3/3", "1/0/0/0/2/2", "2/0/1/0/1/0"],
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize(("version", "name"), [(v, n) for v, names in FILES.items() for n in names])
def test_a_damaged_file_of_a_finished_store_is_repaired_and_no_other_part_touched(tmp_path, damage, version, name):
    array, store = random((1, 2, 1, 150, 130)), zarr_store(version=version)
    path = write(tmp_path / "a.zarr", array, store=store)
    straight, parts_of = contents(path), json.loads((path / LEDGER).read_text())["parts"].values()
    (part,) = (set(said["files"]) for said in parts_of if name in said["files"])
    damage(path / name)
    times = {file: (path / file).stat().st_mtime_ns for file in contents(path)}
    sink = begin(path, array, store=store, resume=True)
    assert fill(sink, array) == (name.startswith("0/") and "z" not in name)
    sink.close()
    assert contents(path) == straight
    assert {file for file in times if (path / file).stat().st_mtime_ns != times[file]} <= part
    assert [p.name for p in tmp_path.iterdir()] == ["a.zarr"]


@pytest.mark.parametrize("store", BOTH, ids=IDS)
@given(data=st.data())
@settings(max_examples=15, deadline=None)
def test_whatever_is_damaged_at_once_is_repaired_to_the_same_bytes(tmp_path_factory, store, data):
    array = random((1, 1, 1, 150, 130))
    path = write(tmp_path_factory.mktemp("z") / "a.zarr", array, store=store)
    straight = contents(path)
    names = data.draw(st.lists(st.sampled_from(sorted(set(straight) - {LEDGER})), min_size=1, unique=True))
    for name in names:
        data.draw(st.sampled_from(DAMAGES))(path / name)
    sink = begin(path, array, store=store, resume=True)
    fill(sink, array)
    sink.close()
    assert contents(path) == straight


def mended(path, array, caplog, **words):
    """Resume with the values of another machine, say; what was written again, and what was said of it."""
    caplog.clear()
    sink = begin(path, array, resume=True, **words)
    assert fill(sink, array) == 1
    sink.close()
    return [p for p, said in json.loads((path / LEDGER).read_text())["parts"].items() if said.get("remade")]


@pytest.mark.parametrize("store", BOTH, ids=IDS)
def test_a_repair_with_other_bytes_is_recorded_said_and_carried_up_the_pyramid(tmp_path, store, caplog):
    array = random((1, 1, 1, 300, 290), "uint16")
    path = write(tmp_path / "a.zarr", array, store=store)
    other = array.copy()
    other[..., 64:128, 64:128] += 7
    flip(path / SHARDS[store])
    again = mended(path, other, caplog, store=store)
    assert again == ["0.c.0.0.0.1.1", "1.c.0.0.0.0.0", "2.c.0.0.0.0.0", "metadata"]
    assert "parts that came out with other bytes than before: 4" in caplog.text
    without = write(tmp_path / "s.zarr", other, store=store)
    for level in range(3):
        np.testing.assert_array_equal(whole(path, level=level), whole(without, level=level))
    assert contents(path).keys() == contents(without).keys()
    assert contents(path)[METADATA[store]] == contents(without)[METADATA[store]]
    gone(path / SHARDS[store])
    assert mended(path, other, caplog, store=store) == again
    assert not caplog.text


METADATA = {STORE: "zarr.json", OLD: ".zattrs"}


def levels_are_those_of(path, array, folder):
    """Whether every level is what would have been written at once."""
    without = write(folder / "straight.zarr", array)
    return all(np.array_equal(whole(path, level=n), whole(without, level=n)) for n in range(3))


def killed(path, array, moment, monkeypatch):
    """Resume, and be killed at a moment of closing; how many shards were written."""
    sink = begin(path, array, resume=True)
    count = fill(sink, array)
    with monkeypatch.context() as patched:
        patched.setattr(moment, lambda *_: 1 / 0)
        with pytest.raises(DataError):
            sink.close()
    sink.abort()
    return count


def test_a_kill_after_a_draft_was_repaired_with_other_bytes_leaves_no_stale_pyramid(tmp_path, monkeypatch):
    array, path = random((1, 1, 1, 150, 130)), tmp_path / "a.zarr"
    draft = draft_of(path, array)
    assert killed(path, array, "isoscope_zarr.writer.windows", monkeypatch) == 0  # with its pyramid
    flip(draft / SHARDS[STORE])
    other = array // 2
    assert killed(path, other, "isoscope_zarr.pyramid.shrink", monkeypatch) == 1  # the shard, but not its pyramid
    other[..., :64, :], other[..., 128:, :], other[..., :64] = array[..., :64, :], array[..., 128:, :], array[..., :64]
    other[..., 128:] = array[..., 128:]
    sink = begin(path, other, resume=True)
    assert fill(sink, other) == 0
    sink.close()
    assert levels_are_those_of(path, other, tmp_path)


def test_a_stop_amid_a_repair_with_other_bytes_leaves_the_ledger_as_it_was(tmp_path):
    array = random((1, 1, 1, 60, 60))
    path = write(tmp_path / "a.zarr", array)
    ledger = (path / LEDGER).read_bytes()
    flip(path / "0/c/0/0/0/0/0")
    for _ in range(2):
        sink = begin(path, array, resume=True)
        assert fill(sink, array // 2) == 1
        sink.abort()
        assert (path / LEDGER).read_bytes() == ledger
    sink = begin(path, array, resume=True)
    fill(sink, array // 2)
    sink.close()
    assert levels_are_those_of(path, array // 2, tmp_path)


def test_orphans_of_a_finished_store_are_swept_unless_somebody_may_be_writing_them(tmp_path):
    array = random((1, 1, 1, 150, 130))
    path = write(tmp_path / "a.zarr", array)
    straight = contents(path)
    dead, ours, old = (
        path / f"1/c/.0.{pid}-{n}b.partial" for n, pid in enumerate((2**22 + 1, os.getpid(), os.getpid()))
    )
    for orphan in (dead, ours, old):
        orphan.write_bytes(b"torn")
    os.utime(old, (1, 1))
    begin(path, array, resume=True).close()
    assert [p for p in (dead, ours, old) if p.exists()] == [ours]
    ours.unlink()
    assert contents(path) == straight


def test_a_whole_draft_that_a_kill_left_without_its_name_can_be_replaced(tmp_path, monkeypatch):
    array = random((1, 1, 1, 150, 130))
    with monkeypatch.context() as patched:
        patched.setattr("isoscope.writing.draft.Draft.publish", lambda _: 1 / 0)
        with pytest.raises(DataError):
            write(tmp_path / "a.zarr", array)
    shutil.rmtree(draft_path(tmp_path / "a.zarr") / HIDDEN, ignore_errors=True)
    write(tmp_path / "a.zarr", array)
    assert [p.name for p in tmp_path.iterdir()] == ["a.zarr"]


@pytest.mark.parametrize("store", BOTH, ids=IDS)
def test_the_ledger_names_every_other_file_with_size_and_checksum(tmp_path, store):
    path = write(tmp_path / "a.zarr", random((1, 1, 1, 150, 130)), store=store)
    ledger = json.loads((path / LEDGER).read_text())
    named = {name: sums for said in ledger["parts"].values() for name, sums in said["files"].items()}
    files = {name: [len(content), zlib.crc32(content)] for name, content in contents(path).items() if name != LEDGER}
    assert named == files
    assert ledger["fingerprint"]["model"] == "abc"


def test_without_a_fingerprint_nothing_stays(tmp_path):
    array = random((1, 1, 1, 64, 64))
    sink = begin(tmp_path / "a.zarr", array, plan=None)
    sink.write(Box.whole(array.shape), array)
    assert not sink.written(Box.whole(array.shape))
    sink.abort()
    assert not list(tmp_path.iterdir())
    with pytest.raises(ValueError, match="fingerprint"):
        begin(tmp_path / "a.zarr", array, plan=None, resume=True)


def test_an_image_with_holes_does_not_close(tmp_path):
    array = random((1, 1, 1, 150, 130))
    sink = begin(tmp_path / "a.zarr", array)
    fill(sink, array, skip=parts(sink)[3:5])
    with pytest.raises(ValueError, match="2 shards were never written"):
        sink.close()
    sink.abort()
    assert not (tmp_path / "a.zarr").exists()


def test_two_sinks_may_write_the_same_shards_at_once(tmp_path):
    array = random((1, 1, 1, 150, 130))
    straight = contents(write(tmp_path / "s.zarr", array))
    first = begin(tmp_path / "a.zarr", array)
    second = begin(tmp_path / "a.zarr", array, resume=True)

    def all_of(sink):
        for box in parts(sink):
            sink.write(box, array[box.slices])

    work = [threading.Thread(target=all_of, args=(sink,)) for sink in (first, second, first, second)]
    for thread in work:
        thread.start()
    for thread in work:
        thread.join()
    first.close()
    second.close()
    assert contents(tmp_path / "a.zarr") == straight
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.zarr", "s.zarr"]


@pytest.mark.parametrize("store", BOTH, ids=IDS)
@pytest.mark.parametrize("moment", ["build", "describe"])
def test_another_may_finish_first_while_this_one_finishes(tmp_path, store, moment, monkeypatch):
    from isoscope_zarr import writer

    array = random((1, 2, 1, 150, 130))
    straight = contents(write(tmp_path / "straight.ome.zarr", array, store=store))
    other = begin(tmp_path / "a.ome.zarr", array, store=store, name="image")
    late = begin(tmp_path / "a.ome.zarr", array, store=store, resume=True)
    fill(other, array)
    fill(late, array)
    real = getattr(writer, moment)

    def overtaken(*args):
        monkeypatch.setattr(writer, moment, real)
        other.close()
        return real(*args)

    monkeypatch.setattr(writer, moment, overtaken)
    late.close()
    assert contents(tmp_path / "a.ome.zarr") == straight
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.ome.zarr", "straight.ome.zarr"]


@pytest.mark.parametrize("store", BOTH, ids=IDS)
def test_many_may_finish_at_once(tmp_path, store):
    array = random((1, 2, 1, 150, 130))
    straight = contents(write(tmp_path / "straight.ome.zarr", array, store=store, name="image"))
    for n in range(8):
        out = tmp_path / str(n) / "a.ome.zarr"
        sinks = [begin(out, array, store=store, resume=True) for _ in range(3)]
        fill(sinks[0], array)
        together = threading.Barrier(len(sinks))

        def finish(sink, together=together):
            fill(sink, array)
            together.wait()
            sink.close()

        with ThreadPoolExecutor(len(sinks)) as pool:
            list(pool.map(finish, sinks))
        assert contents(out) == straight
        assert [p.name for p in out.parent.iterdir()] == ["a.ome.zarr"]


@pytest.mark.parametrize("asked", [False, True])
def test_another_may_finish_first_while_this_one_writes(tmp_path, asked):
    array = random((1, 2, 1, 150, 130))
    straight = contents(write(tmp_path / "straight.ome.zarr", array))
    other = begin(tmp_path / "a.ome.zarr", array)
    late = begin(tmp_path / "a.ome.zarr", array, resume=True)
    first, second, *_ = parts(late)
    fill(other, array)
    other.close()
    if asked:
        assert late.written(first)
    late.write(first, array[first.slices])
    assert late.written(second)
    late.close()
    assert contents(tmp_path / "a.ome.zarr") == straight
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.ome.zarr", "straight.ome.zarr"]


def test_contrast_is_that_of_all_shards_however_they_were_written(tmp_path):
    array = random((1, 2, 1, 150, 130), "float32")
    array[0, 1] += 500
    array[0, 0, 0, 149, 129] = -7
    draft_of(tmp_path / "a.zarr", array, 10)
    sink = begin(tmp_path / "a.zarr", array, resume=True, channels=("a", "b"))
    fill(sink, array)
    sink.close()
    channels = json.loads((tmp_path / "a.zarr/zarr.json").read_text())["attributes"]["ome"]["omero"]["channels"]
    expected = [(float(array[0, c].min()), float(array[0, c].max())) for c in range(2)]
    assert [(c["window"]["start"], c["window"]["end"]) for c in channels] == expected


def test_memory_stays_that_of_a_few_shards(tmp_path):
    shape, side = (1, 1, 1, 4096, 4096), 512
    zeros = np.zeros((1, 1, 1, side, side), "uint16")
    layout = Layout(zeros.shape, (1, 1, 1, 256, 256))
    sink = STORE.create(tmp_path / "a.zarr", Header("a", shape, zeros.dtype), layout, fingerprint=PLAN)
    tracemalloc.start()
    for box in parts(sink):
        sink.write(box, zeros)
    sink.close()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 40 * zeros.nbytes < np.prod(shape) * 2


def test_a_disk_that_refuses_leaves_something_to_resume(tmp_path, monkeypatch):
    array = random((1, 1, 1, 150, 130))
    sink = begin(tmp_path / "a.zarr", array)
    first, second = parts(sink)[:2]
    sink.write(first, array[first.slices])

    def full(self, *_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "write_bytes", full)
        with pytest.raises(DataError, match="No space left"):
            sink.write(second, array[second.slices])
    sink.abort()
    sink = begin(tmp_path / "a.zarr", array, resume=True)
    assert [sink.written(box) for box in (first, second)] == [True, False]
    sink.discard()
    shutil.rmtree(tmp_path / "a.zarr", ignore_errors=True)
    assert not list(tmp_path.iterdir())

"""Writing TIFF through a draft that can be resumed."""

import tracemalloc

import numpy as np
import pytest
import tifffile

from isoscope.errors import DataError
from isoscope.reading import ReadOptions
from isoscope.volume import Box, Header, Layout
from isoscope.writing import gathering
from isoscope.writing.draft import draft_path, pending
from isoscope.writing.shrinking import shrink
from isoscope_tiff.store import tiff

STORE = tiff()
LAYOUT = Layout((1, 3, 1, 64, 64), (1, 1, 1, 32, 32))
PLAN = {"model": "abc"}


def random(shape, dtype="uint8", seed=0):
    return np.random.default_rng(seed).integers(0, 250, shape).astype(dtype)


def header(array, **words):
    return Header(**({"name": "image", "shape": array.shape, "dtype": array.dtype, "axes": "TCZYX"} | words))


def begin(path, array, layout=LAYOUT, plan=PLAN, resume=False, **words):
    return STORE.create(path, header(array, **words), layout, fingerprint=plan, resume=resume)


def boxes(array, layout=LAYOUT):
    for start in np.ndindex(*(-(-n // s) for n, s in zip(array.shape, layout.shard, strict=True))):
        a = tuple(i * s for i, s in zip(start, layout.shard, strict=True))
        yield Box(a, tuple(min(b + s, n) for b, s, n in zip(a, layout.shard, array.shape, strict=True)))


def fill(sink, array, count=None):
    todo = [box for box in boxes(array) if not sink.written(box)][:count]
    for box in todo:
        sink.write(box, array[box.slices])
    return len(todo)


def write(path, array, layout=LAYOUT, plan=PLAN, **words):
    sink = begin(path, array, layout, plan, **words)
    fill(sink, array)
    sink.close()
    return path


def whole(path, **options):
    (volume,) = STORE.open(path, ReadOptions(**options))
    return volume.read(Box.whole(volume.header.shape))


@pytest.mark.parametrize("words", [{}, {"rgb": True}, {"channels": ("a", "b", "c"), "pixel_size": (1.0, 0.5, 0.5)}])
@pytest.mark.parametrize(("name", "dtype"), [("a.tif", "uint8"), ("a.tif", "int32"), ("a.ome.tif", "uint16")])
def test_from_memory_and_from_a_draft_come_the_same_pixels(tmp_path, name, dtype, words):
    array = random((2, 3, 2, 300, 150), dtype)
    for plan in (None, PLAN):
        path = write(tmp_path / name, array, plan=plan, **words)
        np.testing.assert_array_equal(whole(path), array)
        (volume,) = STORE.open(path)
        assert (volume.header.rgb, volume.header.channels) == (words.get("rgb", False), words.get("channels", ()))
    assert [p.name for p in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", ["a.tif", "a.ome.tif"])
def test_what_an_abort_left_is_resumed_to_the_same_bytes(tmp_path, name):
    array = random((1, 3, 2, 150, 130))
    straight = write(tmp_path / "s" / name, array).read_bytes()
    path = tmp_path / name
    sink = begin(path, array)
    fill(sink, array, 7)
    sink.abort()
    assert pending(path)
    orphan = tmp_path / f".{name}.999999999-01234567.partial"
    orphan.touch()
    with pytest.raises(DataError, match=r"model was.*--overwrite"):
        begin(path, array, plan={"model": "z"}, resume=True)
    sink = begin(path, array, resume=True)
    assert fill(sink, array) == 18 - 7
    sink.close()
    assert path.read_bytes() == straight
    assert sorted(p.name for p in tmp_path.iterdir()) == [name, "s"]


@pytest.mark.parametrize("end", ["isoscope_tiff.writer.write_file", "isoscope_tiff.writer.TiffSink.discard"])
def test_a_kill_while_the_file_is_written_is_resumed(tmp_path, monkeypatch, end):
    array = random((1, 3, 2, 150, 130))
    straight = write(tmp_path / "s" / "a.ome.tif", array).read_bytes()
    sink = begin(tmp_path / "a.ome.tif", array)
    fill(sink, array)
    with monkeypatch.context() as patched:
        patched.setattr(end, lambda *_: 1 / 0)
        with pytest.raises((DataError, ZeroDivisionError)):
            sink.close()
    sink.abort()
    assert draft_path(tmp_path / "a.ome.tif").is_dir()
    sink = begin(tmp_path / "a.ome.tif", array, resume=True)
    assert fill(sink, array) == 0
    sink.close()
    assert (tmp_path / "a.ome.tif").read_bytes() == straight
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.ome.tif", "s"]


def test_large_ome_tiff_has_a_pyramid(tmp_path, monkeypatch):
    array = random((1, 3, 1, 700, 530))
    monkeypatch.setattr(gathering, "LARGE", 1000)
    monkeypatch.setattr("isoscope_tiff.writer.LARGE", 1000)
    for words in ({}, {"rgb": True}):
        path = write(tmp_path / "a.ome.tif", array, pixel_size=(1.0, 0.5, 0.5), **words)
        with tifffile.TiffFile(path) as tif:
            assert len(tif.series) == 1
            assert len(tif.series[0].levels) == 3
        small = array
        for level in range(3):
            np.testing.assert_array_equal(whole(path, level=level), small)
            small = shrink(small, 2)
        assert STORE.open(path, ReadOptions(level=1))[0].header.pixel_size == pytest.approx((1.0, 1.0, 1.0), rel=0.02)
    with tifffile.TiffFile(write(tmp_path / "a.tif", array.astype("int32"))) as tif:
        assert len(tif.series[0].levels) == 1
    one = Layout(array.shape, array.shape, levels=2)
    sink = begin(tmp_path / "b.ome.tif", array, one)
    sink.write(Box.whole(array.shape), array)
    sink.close()
    np.testing.assert_array_equal(whole(tmp_path / "b.ome.tif", level=1), shrink(array, 2))


def test_a_single_shard_waits_in_memory(tmp_path):
    array = random((1, 3, 1, 60, 60))
    sink = begin(tmp_path / "a.tif", array)
    fill(sink, array)
    assert not list(tmp_path.iterdir())
    sink.abort()
    assert not list(tmp_path.iterdir())
    with pytest.raises(ValueError, match="fingerprint"):
        begin(tmp_path / "a.tif", array, plan=None, resume=True)


def test_memory_stays_that_of_a_few_bands(tmp_path):
    shape, side = (1, 1, 4, 3000, 3000), 500
    zeros = np.zeros((1, 1, 1, side, side), "uint16")
    sink = STORE.create(
        tmp_path / "a.ome.tif", Header("a", shape, zeros.dtype), Layout(zeros.shape, zeros.shape), fingerprint=PLAN
    )
    tracemalloc.start()
    for z in range(4):
        for y in range(0, 3000, side):
            for x in range(0, 3000, side):
                sink.write(Box((0, 0, z, y, x), (1, 1, z + 1, y + side, x + side)), zeros)
    sink.close()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < np.prod(shape) * 2 / 2


@pytest.mark.parametrize("size", [(2, 1), (300, 1), (1, 1), (1, 7), (600, 2)])
def test_thin_images_keep_their_pixels(tmp_path, size):
    for rgb in (False, True):
        array = random((2, 3, 2, *size))
        path = write(tmp_path / "a.ome.tif", array, Layout((1, 3, 1, 64, 64), (1, 1, 1, 32, 32), levels=4), rgb=rgb)
        np.testing.assert_array_equal(whole(path), array)

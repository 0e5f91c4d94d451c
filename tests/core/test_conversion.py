import os
import random
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isoscope.errors import DataError, Interrupted
from isoscope.sources import open_one, store_for_writing
from isoscope.volume import ArraySink, ArrayVolume, Box, Header
from isoscope.writing.conversion import plan, run
from isoscope.writing.draft import draft_path
from isoscope.writing.ledger import identity
from isoscope.writing.narrowing import narrow
from isoscope.writing.shrinking import shrink


def noise(shape, dtype="uint16", seed=0):
    return np.random.default_rng(seed).integers(0, 250, shape).astype(dtype)


def volume(array, **words):
    return ArrayVolume(array, header=Header(**{"name": "v", "shape": array.shape, "dtype": array.dtype} | words))


def converted(source, **words):
    made = plan(source, **words)
    sink = ArraySink(made.header)
    return sink.array, made, run(made, sink)


def refused(*args, **words):
    with pytest.raises(DataError) as caught:
        converted(*args, **words)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_nothing_changes_unless_asked():
    array = noise((2, 3, 4, 70, 50))
    array[0, 0, 0, 0] = 65535
    said = {"pixel_size": (2.0, 0.5, 0.5), "channels": ("a", "b", "c"), "attributes": {"x": 1}, "axes": "TCZYX"}
    source = volume(array, **said)
    got, made, tally = converted(source, shard=32)
    assert made.header == source.header
    np.testing.assert_array_equal(got, array)
    assert (tally.pixels, tally.clipped, tally.rounded, tally.skipped) == (array.size, 0, 0, 0)


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_a_conversion_is_what_numpy_says(data):
    shape = tuple(data.draw(st.integers(1, n)) for n in (2, 3, 3, 40, 40))
    array = noise(shape, data.draw(st.sampled_from(["uint8", "int32", "float32"])))
    start = tuple(data.draw(st.integers(0, n - 1)) for n in shape)
    crop = Box(start, tuple(data.draw(st.integers(a + 1, n)) for a, n in zip(start, shape, strict=True)))
    factor, shard = data.draw(st.integers(1, 5)), data.draw(st.integers(3, 20))
    got, made, _ = converted(volume(array), crop=crop, downsample=factor, shard=shard)
    np.testing.assert_array_equal(got, shrink(array[crop.slices], factor))
    inner = Box(tuple(n // 2 for n in got.shape), got.shape)
    np.testing.assert_array_equal(made.read(inner), got[inner.slices])


def test_what_was_asked_for_is_said():
    source = volume(noise((1, 3, 1, 40, 50)), pixel_size=(3.0, 0.5, 0.25), rgb=True, axes="YXC", attributes={"a": 1})
    crop = Box((0, 0, 0, 4, 5), (1, 3, 1, 40, 50))
    header = plan(source, crop=crop, downsample=2, grey=True, dtype="float32").header
    assert (header.shape, header.axes, header.rgb) == ((1, 1, 1, 18, 23), "YX", False)
    assert header.pixel_size == (3.0, 1.0, 0.5)
    asked = {"grey": True, "crop": [[0, 0, 0, 4, 5], [1, 3, 1, 40, 50]], "downsample": 2, "dtype": "uint16"}
    assert header.attributes == {"a": 1, "converted": {"from": "v", **asked}}
    part = plan(source, crop=Box((0, 1, 0, 0, 0), (1, 3, 1, 40, 50))).header
    assert (part.rgb, part.channels) == (False, ("green", "blue"))


def test_grey_is_luminance_rounded_once():
    array = noise((1, 3, 1, 33, 31), "uint8")
    got, _, tally = converted(volume(array, rgb=True), grey=True, downsample=2, shard=7)
    grey = np.tensordot(array[0].astype(float), [0.299, 0.587, 0.114], (0, 0))[None, None]
    np.testing.assert_array_equal(got, np.rint(shrink(grey, 2)).astype("uint8"))
    assert tally.rounded > 0
    assert tally.clipped == 0


@pytest.mark.parametrize(
    ("values", "dtype", "expected", "clipped", "rounded"),
    [
        ([0, 300, -5, 7], "uint8", [0, 255, 0, 7], 2, 0),
        ([0.5, 1.5, 300.0, -0.4], "uint8", [0, 2, 255, 0], 1, 3),
        ([2.0, np.inf, -np.inf], "int16", [2, 32767, -32768], 2, 0),
        ([1e300, 0.1, np.nan, np.inf], "float32", [np.finfo("f4").max, np.float32(0.1), np.nan, np.inf], 1, 1),
        ([2**24 + 1, 5], "float32", [2**24, 5], 0, 1),
        ([9.3e18, -9.3e18], "int64", [2**63 - 1, -(2**63)], 2, 0),
        ([2**63 - 1, -1], "uint64", [2**63 - 1, 0], 1, 0),
        ([70000.0], "float16", [65504], 1, 0),
    ],
)
def test_another_type_clips_and_rounds_aloud(values, dtype, expected, clipped, rounded):
    given = np.array(values)
    made, *counts = narrow(given, np.dtype(dtype))
    np.testing.assert_array_equal(made, np.array(expected, dtype))
    assert counts == [clipped, rounded]


@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int64", "uint64", "float16", "float32"])
@pytest.mark.parametrize("source", ["uint8", "int8", "int32", "int64", "uint64", "float32", "float64"])
def test_values_that_fit_are_kept(source, dtype):
    given = np.array([0, 1, 100, 127], source)
    made, *counts = narrow(given, np.dtype(dtype))
    assert (made.tolist(), made.dtype, counts) == (given.tolist(), dtype, [0, 0])


def test_requests_that_make_no_sense_are_refused():
    source = volume(noise((1, 2, 1, 40, 50), "float32"))
    assert "no colours" in refused(source, grey=True)
    assert "a part of (1, 2, 1, 40, 50)" in refused(source, crop=Box((0, 0, 0, 0, 0), (1, 2, 1, 41, 50)))
    assert "a crop" in refused(source, crop=Box((0, 0, 0, 9, 0), (1, 2, 1, 9, 50)))
    assert "--downsample 0" in refused(source, downsample=0)
    array = noise((1, 1, 1, 4, 4), "float32")
    array[0, 0, 0, 0, 0] = np.nan
    assert "NaN" in refused(volume(array), dtype="uint8")


@pytest.mark.parametrize(
    ("shape", "shard", "chunk"),
    [
        ((1, 1, 1, 5000, 5000), (1, 1, 1, 1024, 1024), (1, 1, 1, 512, 512)),
        ((1, 3, 1, 5000, 5000), (1, 3, 1, 1024, 1024), (1, 1, 1, 512, 512)),
        ((1, 1, 300, 64, 64), (1, 1, 256, 1024, 1024), (1, 1, 64, 512, 512)),
        ((500, 20, 1, 256, 256), (16, 1, 1, 1024, 1024), (4, 1, 1, 512, 512)),
        ((1, 1, 40, 600, 900), (1, 1, 1, 1024, 1024), (1, 1, 1, 512, 512)),
    ],
)
def test_shards_hold_about_a_megapixel(shape, shard, chunk):
    header = Header("v", shape, np.dtype("u1"))

    class Described:
        def __init__(self):
            self.header = header

    layout = plan(Described()).layout
    assert (layout.shard, layout.chunk) == (shard, chunk)


class Counting(ArraySink):
    """A sink that remembers how many threads wrote at once, and how it ended."""

    def __init__(self, header, there=()):
        super().__init__(header)
        self.there, self.now, self.most, self.ended = set(there), 0, 0, []
        self.lock = threading.Lock()

    def write(self, box, values):
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)
        time.sleep(0.01)
        super().write(box, values)
        with self.lock:
            self.now -= 1
            self.there.add(box)

    def written(self, box):
        return box in self.there

    def close(self):
        self.ended.append("closed")

    def abort(self):
        self.ended.append("aborted")


def test_shards_are_carried_in_parallel_and_those_there_are_skipped():
    made, said = plan(volume(noise((1, 1, 1, 64, 64))), shard=16), []
    boxes = list(made.boxes())
    sink = Counting(made.header, boxes[:5])
    tally = run(made, sink, workers=3, progress=lambda *done: said.append(done))
    assert (tally.skipped, tally.pixels, said[-1], sink.ended) == (5, 11 * 256, (16, 16), ["closed"])
    assert 1 < sink.most <= 3


def test_stopping_keeps_what_is_there_and_errors_abort():
    made = plan(volume(noise((1, 1, 1, 64, 64))), shard=16)
    sink = Counting(made.header)
    with pytest.raises(Interrupted, match="after 1 of 16 shards; --resume"):
        run(made, sink, stop=lambda: True)
    assert sink.ended == ["aborted"]
    assert len(sink.there) < 6
    with pytest.raises(Interrupted, match="nothing kept"):
        run(made, ArraySink(made.header), stop=lambda: True)

    class Full(Counting):
        def write(self, box, values):
            raise OSError("no space left on device")

    sink = Full(made.header)
    with pytest.raises(OSError, match="no space"):
        run(made, sink)
    assert sink.ended == ["aborted"]


def write(source, path, resume=False, **words):
    made = plan(source, **words)
    store = store_for_writing(path)
    sink = store.create(path, made.header, made.layout, fingerprint=made.fingerprint(), resume=resume)
    return run(made, sink)


@pytest.mark.parametrize("middle", ["b.ome.tif", "b.tif"])
def test_there_and_back(tmp_path, middle):
    array = noise((1, 3, 1, 300, 200), "uint8")
    said = {"pixel_size": (1.0, 0.5, 0.5), "rgb": True, "axes": "YXC"}
    write(volume(array, **said), tmp_path / "a.ome.zarr")
    for first, second in (("a.ome.zarr", middle), (middle, "c.ome.zarr")):
        write(open_one(tmp_path / first)[0], tmp_path / second)
    (found,) = open_one(tmp_path / "c.ome.zarr")
    np.testing.assert_array_equal(found.read(Box.whole(array.shape)), array)
    assert (found.header.rgb, found.header.axes) == (True, "YXC")
    assert found.header.pixel_size == pytest.approx((1.0, 0.5, 0.5))


CHILD = textwrap.dedent(
    """
    import sys, time
    from pathlib import Path
    from isoscope.writing.conversion import plan, run
    from isoscope.sources import open_one, store_for_writing

    given, out = map(Path, sys.argv[1:3])
    made = plan(open_one(given)[0], shard=64, levels=3)
    sink = store_for_writing(out).create(out, made.header, made.layout, fingerprint=made.fingerprint(), resume=True)
    print("begun", flush=True)
    run(made, sink)
    """
)


def contents(folder):
    if folder.is_file():
        return folder.read_bytes()
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize("suffix", [".ome.zarr", ".ome.tif"])
def test_killed_at_any_moment_it_resumes_to_the_same_bytes(tmp_path, suffix):
    given = tmp_path / "given.ome.zarr"
    write(volume(noise((1, 1, 1, 700, 600))), given)
    straight, out = tmp_path / f"straight{suffix}", tmp_path / f"out{suffix}"
    write(open_one(given)[0], straight, shard=64, levels=3)
    for done in (1, 40, 90, 125):  # of 110 shards and 39 of the pyramid
        child = subprocess.Popen([sys.executable, "-c", CHILD, given, out], stdout=subprocess.PIPE)
        assert child.stdout.readline() == b"begun\n"
        while sum(1 for _ in draft_path(out).rglob("markers/*.json")) < done and child.poll() is None:
            time.sleep(random.uniform(0, 0.01))
        os.kill(child.pid, signal.SIGKILL)
        child.communicate()
        assert child.returncode == -signal.SIGKILL
    tally = write(open_one(given)[0], out, resume=True, shard=64, levels=3)
    assert tally.skipped >= 90
    assert contents(out) == contents(straight)
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([given.name, out.name, straight.name])
    assert not list(tmp_path.rglob("*.partial"))


def test_the_fingerprint_tells_requests_and_inputs_apart(tmp_path):
    (tmp_path / "a").write_text("1")
    source = volume(noise((1, 1, 1, 64, 64)))
    first = plan(source).fingerprint(identity=identity(tmp_path / "a"))
    assert first == plan(source).fingerprint(identity=identity(tmp_path / "a"))
    (tmp_path / "a").write_text("12")
    assert first != plan(source).fingerprint(identity=identity(tmp_path / "a"))
    out: Path = tmp_path / "o.zarr"
    made = plan(source, shard=16)
    store_for_writing(out).create(out, made.header, made.layout, fingerprint=made.fingerprint()).abort()
    with pytest.raises(DataError, match="downsample was 1, now 2"):
        write(source, out, resume=True, shard=16, downsample=2)

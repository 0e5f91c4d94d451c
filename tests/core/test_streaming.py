"""The stream between disk and network: bounded, in any order of threads the same, and whole again after a failure."""

import threading
import time

import numpy as np
import pytest
import torch

from isoscope import inference
from isoscope.errors import IsoscopeError
from isoscope.inference import plan, stream
from isoscope.inference.calling import Caller
from isoscope.volume import ArraySink, ArrayVolume, Box

RESNET = {"method": {"forward": {"name": "resnet", "width": 2, "blocks": 1}}, "norm": "instance"}


@pytest.fixture(scope="module")
def model(source, target, untrained):
    return untrained(source, target, **RESNET, output={"dtype": "float32"})


@pytest.fixture
def small_shards(monkeypatch):
    monkeypatch.setattr(inference.cutting, "_SHARD", 32)
    monkeypatch.setattr(inference.cutting, "_CHUNK", 16)


class Slow(ArrayVolume):
    """An image whose reads are counted, and that remembers who reads."""

    def __init__(self, array, axes="YX"):
        super().__init__(array, axes)
        self.lock, self.threads, self.reads = threading.Lock(), set(), 0

    def read(self, box: Box, /):
        with self.lock:
            self.threads.add(threading.current_thread().name.rstrip("_0123456789"))
            self.reads += 1
        return super().read(box)


class Lagging(ArraySink):
    """A disk slower than the network; it remembers by how much reading was ahead of it."""

    def __init__(self, header, volume):
        super().__init__(header)
        self.volume, self.writes, self.ahead, self.lock = volume, 0, 0, threading.Lock()

    def write(self, box: Box, values):
        time.sleep(0.01)
        super().write(box, values)
        with self.lock:
            self.writes += 1
            self.ahead = max(self.ahead, self.volume.reads - self.writes)


def picture(size, seed=0):
    return np.random.default_rng(seed).uniform(0, 255, size).astype(np.float32)


def test_what_is_in_hand_is_bounded_however_many_shards_there_are(model, small_shards):
    for planes in (2, 8):
        volume = Slow(picture((planes, 96, 96)), "ZYX")
        made = plan(model, volume, tile=16)
        sink = Lagging(made.header, volume)
        stream(made, model, volume, sink)
        assert (volume.reads, sink.writes) == (9 * planes, 9 * planes)
        assert sink.ahead <= 8
        assert volume.threads == {"isoscope-reading"}


@pytest.mark.parametrize("batch", [1, 2, 3, 64])
@pytest.mark.parametrize("tiling", ["overlap", "feathered"])
def test_the_batch_never_changes_the_picture(model, small_shards, batch, tiling):
    volume = ArrayVolume(picture((3, 70, 90)), "ZYX")
    made = plan(model, volume, tile=16, tiling=tiling)
    one, many = ArraySink(made.header), ArraySink(made.header)
    stream(made, model, volume, one, batch=1)
    stream(made, model, volume, many, batch=batch)
    assert np.abs(one.array - many.array).max() <= 1e-5 * np.ptp(one.array)


def test_tiles_of_many_planes_go_together(model, monkeypatch):
    sizes, real = [], Caller.__call__
    monkeypatch.setattr(Caller, "__call__", lambda self, items: sizes.append(len(items)) or real(self, items))
    volume = ArrayVolume(picture((7, 32, 32)), "ZYX")
    made = plan(model, volume)
    stream(made, model, volume, ArraySink(made.header), batch=3)
    assert sizes == [3, 3, 1]


def test_dense_statistics_hold_in_batches_too(source, target, untrained, small_shards):
    from isoscope import model as models

    home = untrained(source, target, **RESNET, output={"dtype": "float32"}).home
    dense = models.load(home, normalisation="dense")
    volume = ArrayVolume(picture((2, 70, 90)), "ZYX")
    made = plan(dense, volume, tile=16)
    one, many = ArraySink(made.header), ArraySink(made.header)
    stream(made, dense, volume, one, batch=1)
    stream(made, dense, volume, many, batch=5)
    assert np.abs(one.array - many.array).max() <= 1e-5 * np.ptp(one.array)


def test_statistics_that_make_no_difference_are_told(source, target, untrained, caplog):
    from isoscope import model as models

    models.load(untrained(source, target, norm="none").home, normalisation="dense")
    assert "make no difference" in caplog.text


def test_memory_that_runs_out_on_the_way_changes_nothing(model, small_shards, monkeypatch, caplog):
    volume = ArrayVolume(picture((9, 32, 32)), "ZYX")
    made = plan(model, volume)
    calm, tried = ArraySink(made.header), ArraySink(made.header)
    stream(made, model, volume, calm, batch=1)
    real = Caller.__call__

    def short(self, items):
        if len(items) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return real(self, items)

    monkeypatch.setattr(Caller, "__call__", short)
    stream(made, model, volume, tried, batch=8)
    assert np.abs(calm.array - tried.array).max() <= 1e-5 * np.ptp(calm.array)
    assert "memory ran out: batches of 2 from here on" in caplog.text


def test_a_failing_reader_or_writer_ends_it_and_keeps_what_is_made(model, small_shards):
    class Torn(ArrayVolume):
        def read(self, box: Box, /):
            if box.start[2] == 3:
                raise OSError(5, "Input/output error", "in.tif")
            return super().read(box)

    class Watching(ArraySink):
        boxes, ended = (), None

        def write(self, box: Box, values):
            self.boxes = (*self.boxes, box)

        def abort(self):
            self.ended = len(self.boxes)

    volume = Torn(picture((6, 32, 32)), "ZYX")
    made = plan(model, volume)
    sink = Watching(made.header)
    with pytest.raises(OSError, match="Input/output"):
        stream(made, model, volume, sink)
    assert sorted(box.start[2] for box in sink.boxes) == [0, 1, 2]
    assert sink.ended == 3


def test_numbers_that_are_none_are_never_written(model, small_shards, monkeypatch):
    real = Caller.__call__
    monkeypatch.setattr(Caller, "__call__", lambda self, items: real(self, items) * torch.nan)
    volume = ArrayVolume(picture((40, 40)), "YX")
    made = plan(model, volume)
    sink = ArraySink(made.header)
    with pytest.raises(IsoscopeError, match="returned NaN"):
        stream(made, model, volume, sink)
    assert not sink.array.any()

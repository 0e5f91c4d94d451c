import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from isoscope import inference
from isoscope.errors import DataError, Interrupted
from isoscope.frames import Frames
from isoscope.inference import Predictor, computed, plan, stream
from isoscope.model import Model
from isoscope.tiling import padded_size
from isoscope.volume import ArraySink, ArrayVolume, Box

FLOAT = {"output": {"dtype": "float32"}}
NETWORKS = {
    "unet": {},
    "deeper unet": {"method": {"forward": {"depth": 2}}},
    "unet with frozen statistics": {"norm": "instance"},
    "resnet": {"method": {"forward": {"name": "resnet", "width": 2, "blocks": 1}}, "norm": "instance"},
    "transposed resnet": {
        "method": {"forward": {"name": "resnet", "width": 2, "blocks": 1, "upsample": "transposed"}},
        "norm": "instance",
    },
}


@pytest.fixture(scope="module")
def models(source, target, untrained):
    return {name: untrained(source, target, **FLOAT, **keys) for name, keys in NETWORKS.items()}


@pytest.fixture(scope="module")
def stack_model(blobs, untrained):
    stacks = [blobs(seed, planes=13) for seed in range(2)]
    return untrained(stacks, [blobs(9, channels=3)], task="labeling")


@pytest.fixture(scope="module")
def grey_to_colour(blobs, untrained):
    colour = [blobs(seed + 5, channels=3, rgb=True) for seed in range(2)]
    return untrained([blobs(0)], colour, task="coloration")


@pytest.fixture
def small_shards(monkeypatch):
    monkeypatch.setattr(inference.cutting, "_SHARD", 32)
    monkeypatch.setattr(inference.cutting, "_CHUNK", 16)


def picture(size, seed=0):
    rng = np.random.default_rng(seed)
    return rng.uniform(0, 255, size).astype(np.float32)


def untiled(model, image):
    """The network on the whole plane at once, written down independently of the plan."""
    pads = [(0, padded_size(n, model.stride) - n) for n in image.shape]
    whole = np.pad(image, pads, mode="reflect")
    return model(torch.from_numpy(whole)[None])[0, : image.shape[0], : image.shape[1]].numpy()


def difference(one, other):
    """Largest difference as a part of the range."""
    return float(np.abs(one - other).max() / np.ptp(other))


sizes = st.integers(1, 90)


@pytest.mark.parametrize("name", list(NETWORKS))
@given(size=st.tuples(sizes, sizes), tile=st.integers(1, 50), tiling=st.sampled_from(["overlap", "feathered"]))
@settings(max_examples=10, deadline=None)
def test_the_tile_size_never_changes_the_picture(models, name, size, tile, tiling):
    model, image = models[name], picture(size)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inference.cutting, "_SHARD", 48)
        tiled = Predictor(model).predict(image, tile=tile, tiling=tiling)
    whole = untiled(model, image)
    assert tiled.shape == size
    assert np.abs(tiled - whole).max() <= 1e-3 * max(np.ptp(whole), 1.0)


def test_that_comparison_can_fail(models, monkeypatch, small_shards):
    model = models["unet"]
    narrow = Model(**{f: getattr(model, f) for f in model.__dataclass_fields__ if f != "halo"}, halo=model.stride)
    image = picture((70, 70))
    assert np.ptp(untiled(model, image)) > 20
    assert difference(Predictor(narrow).predict(image, tile=16), untiled(model, image)) > 1e-2


def test_the_default_tiles_agree_too(models):
    image = picture((77, 53))
    model = models["resnet"]
    assert difference(Predictor(model).predict(image), untiled(model, image)) < 1e-3


def test_a_single_pixel_is_a_picture(models):
    assert Predictor(models["unet"]).predict(np.float32([[7]])).shape == (1, 1)


@given(
    size=st.tuples(st.integers(1, 5000), st.integers(1, 5000)), tile=st.one_of(st.none(), st.integers(1, 1500)),
    name=st.sampled_from(list(NETWORKS)),
)  # fmt: skip
@settings(max_examples=20, deadline=None)
def test_chunks_divide_shards_and_shards_are_whole_cores(models, size, tile, name):
    volume = ArrayVolume(np.broadcast_to(np.uint8(0), size), "YX")
    made = plan(models[name], volume, tile=tile)
    shard, chunk, core = made.layout.shard, made.layout.chunk, made.grid.core
    assert all(s % c == 0 for s, c in zip(shard, chunk, strict=True))
    assert shard[-1] == shard[-2]
    assert shard[-1] % core == 0
    assert core % made.grid.stride == 0
    assert core >= (tile or 1)
    assert all(b.start[i] % shard[i] == 0 for b in (job.box for job in made.jobs) for i in range(5))
    assert sum(np.prod(job.box.shape) for job in made.jobs) == np.prod(size)


def test_one_job_fills_one_shard_with_what_the_whole_holds(models, small_shards):
    model, image = models["unet"], picture((70, 50))
    volume = ArrayVolume(image, "YX")
    made = plan(model, volume, tile=16)
    assert len(made.jobs) == 6
    whole = untiled(model, image)
    for job in reversed(made.jobs):  # any order, one at a time
        assert difference(computed(made, job, model, Frames(volume))[0], whole[job.region]) < 1e-3


def test_axes_come_back_in_the_order_they_came(models):
    predictor, image = Predictor(models["unet"]), picture((33, 47))
    plain = predictor.predict(image)
    assert np.array_equal(predictor.predict(image.T, "XY"), plain.T)
    assert np.array_equal(predictor.predict(image[None, None, None]), plain[None, None, None])
    volume = np.stack([image, image + 9])
    assert np.array_equal(predictor.predict(volume)[1], predictor.predict(image + 9))
    assert np.array_equal(
        predictor.predict(volume.transpose(1, 2, 0), "YXZ"), predictor.predict(volume).transpose(1, 2, 0)
    )


def test_volumes_are_predicted_plane_by_plane(models, small_shards):
    predictor, values = Predictor(models["unet"]), picture((2, 1, 3, 40, 35))
    made = predictor.predict(values)
    assert made.shape == values.shape
    for t in range(2):
        for z in range(3):
            assert np.array_equal(made[t, 0, z], predictor.predict(values[t, 0, z]))


def test_stacks_become_channels(stack_model):
    predictor = Predictor(stack_model)
    stack = picture((13, 40, 35))
    assert predictor.predict(stack).shape == (3, 40, 35)
    assert predictor.predict(stack[None]).shape == (3, 40, 35)
    assert predictor.predict(np.stack([stack, stack])[:, None]).shape == (2, 3, 40, 35)
    header = plan(stack_model, ArrayVolume(stack, "ZYX")).header
    assert (header.shape, header.axes) == ((1, 3, 1, 40, 35), "CYX")


def test_a_stack_of_another_depth_is_refused(stack_model):
    with pytest.raises(DataError, match=r"has 12 planes x channels; the model reads 13; give images like those"):
        Predictor(stack_model).predict(picture((12, 40, 35)))


def test_the_other_direction(blobs, untrained):
    stacks, colour = [blobs(0, planes=13)], [blobs(9, channels=3)]
    back = Predictor(untrained(stacks, colour, task="labeling", direction="b2a"))
    assert (back.model.inputs.name, back.model.outputs.name) == ("target", "source")
    assert back.predict(picture((3, 40, 35))).shape == (13, 40, 35)
    with pytest.raises(DataError, match="has 13 channels; the model reads 3"):
        back.predict(picture((13, 40, 35)))


def test_colour_to_grey_is_luminance_whatever_the_tile(blobs, untrained):
    colour = [blobs(seed + 5, channels=3, rgb=True) for seed in range(2)]
    known = {"method": {"backward": {"name": "luminance"}}}
    back = Predictor(untrained([blobs(0)], colour, task="coloration", direction="b2a", **known))
    image = picture((40, 35, 3))
    for tiling in ("overlap", "feathered"):
        grey = back.predict(image, "YXC", tile=1, tiling=tiling)
        assert np.allclose(grey, np.rint(image @ [0.299, 0.587, 0.114]), atol=0.51)


def test_a_single_channel_keeps_its_axis(models, blobs):
    header = plan(models["unet"], ArrayVolume(picture((2, 1, 3, 40, 35)))).header
    assert (header.axes, header.shape) == ("TCZYX", (2, 1, 3, 40, 35))
    assert Predictor(models["unet"]).predict(picture((1, 40, 35)), "CYX").shape == (1, 40, 35)


def test_colour_comes_first_or_where_channels_were(grey_to_colour):
    predictor, image = Predictor(grey_to_colour), picture((40, 35))
    colour = predictor.predict(image)
    assert (colour.shape, colour.dtype) == ((3, 40, 35), np.uint8)
    assert np.array_equal(predictor.predict(image[..., None], "YXC"), colour.transpose(1, 2, 0))
    header = plan(grey_to_colour, ArrayVolume(image, "YX")).header
    assert (header.axes, header.rgb) == ("CYX", True)


@pytest.mark.parametrize(
    ("shape", "axes"), [((3, 40, 35), "CYX"), ((40,), None), ((2, 40, 35), "YX"), ((40, 35), "QX")]
)
def test_arrays_that_do_not_fit_are_refused(models, shape, axes):
    with pytest.raises(DataError):
        Predictor(models["unet"]).predict(picture(shape), axes)


def test_nan_in_the_input_is_refused(models):
    image = picture((40, 35))
    image[20, 20] = np.nan
    with pytest.raises(DataError, match="holds NaN"):
        Predictor(models["unet"]).predict(image)


def test_what_a_prediction_says_of_itself(models, blobs):
    model = models["unet"]
    header = plan(model, blobs(0, name="cells")).header
    assert (header.name, header.dtype) == ("cells", np.float32)
    said = header.attributes
    assert (said["predicted"], said["model"], said["direction"], said["input"]) == (True, model.sha256, "a2b", "cells")


class Watching(ArraySink):
    """A sink that remembers how it ended."""

    def __init__(self, header):
        super().__init__(header)
        self.boxes, self.ended = [], []

    def write(self, box: Box, values):
        assert values.shape == box.shape
        assert values.dtype == self.header.dtype
        self.boxes.append(box)
        super().write(box, values)

    def close(self):
        self.ended.append("closed")

    def abort(self):
        self.ended.append("aborted")


def test_streaming_writes_every_shard_once_and_closes(models, small_shards):
    model, volume = models["unet"], ArrayVolume(picture((70, 50)), "YX")
    made, said = plan(model, volume, tile=16), []
    sink = Watching(made.header)
    tally = stream(made, model, volume, sink, progress=lambda *done: said.append(done))
    assert sorted(b.start for b in sink.boxes) == sorted(job.box.start for job in made.jobs)
    assert said == sorted(said)
    assert (said[-1], sink.ended, tally.pixels) == ((20, 20), ["closed"], 70 * 50)


class Remembering(Watching):
    """A sink that an earlier one filled in part."""

    def __init__(self, header, there):
        super().__init__(header)
        self.there = there

    def written(self, box):
        return box in self.there or box in self.boxes


def test_what_is_there_is_skipped_and_counted(models, small_shards):
    model, volume = models["unet"], ArrayVolume(picture((70, 50)), "YX")
    made, said = plan(model, volume, tile=16), []
    there = [job.box for job in made.jobs[::2]]
    sink = Remembering(made.header, there)
    tally = stream(made, model, volume, sink, progress=lambda *done: said.append(done))
    assert sorted(b.start for b in sink.boxes) == sorted(job.box.start for job in made.jobs[1::2])
    assert (tally.skipped, said[-1], sink.ended) == (3, (20, 20), ["closed"])
    sink = Remembering(made.header, there)
    with pytest.raises(Interrupted, match="after 1 of 6 shards; --resume"):
        stream(made, model, volume, sink, stop=lambda: True)
    assert sink.ended == ["aborted"]


def test_stopping_or_failing_leaves_nothing(models, small_shards):
    model, volume = models["unet"], ArrayVolume(picture((70, 50)), "YX")
    made = plan(model, volume, tile=16)
    sink = Watching(made.header)
    with pytest.raises(Interrupted, match="after 1 of 6 shards; nothing kept"):
        stream(made, model, volume, sink, stop=lambda: True)
    assert sink.ended == ["aborted"]

    class Full(Watching):
        def write(self, box, values):
            raise OSError("no space left on device")

    sink = Full(made.header)
    with pytest.raises(OSError, match="no space"):
        stream(made, model, volume, sink)
    assert sink.ended == ["aborted"]

"""Volumes predicted from their sides: blocks never show, both views count alike, and it can be stopped and resumed."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from isoscope import inference
from isoscope.errors import DataError, Interrupted
from isoscope.inference import plan, skipping, stream
from isoscope.inference.forecast import forecast, tried
from isoscope.preparation.prepared import upright
from isoscope.tiling import padded_size
from isoscope.volume import ArraySink, ArrayVolume, Box, Header

SIDES = {"source": {"prepare": {"scale": [2, 1, 1], "sides": True}}, "output": {"dtype": "float32"}}


def stack(shape=(12, 30, 38), seed=0):
    values = np.random.default_rng(seed).uniform(0, 255, shape).astype(np.float32)
    return ArrayVolume(values, "ZYX", Header("stack", (1, 1, *shape), values.dtype, "ZYX", (2.0, 1.0, 1.0)))


@pytest.fixture(scope="module")
def model(blobs, untrained):
    return untrained([blobs(n, size=(40, 44), planes=20) for n in range(2)], [blobs(5, planes=3)], **SIDES)


@pytest.fixture(params=[8, 20, 64])
def block(request, monkeypatch):
    monkeypatch.setattr(inference.cutting, "_BLOCK", request.param)
    return request.param


def predicted(model, volume, **how):
    made = plan(model, volume, **how)
    sink = ArraySink(made.header)
    stream(made, model, volume, sink)
    return sink.array[0, 0]


def by_hand(model, volume):
    """Every XZ plane and every YZ plane as a whole through the network, then the mean."""
    (given,) = upright([volume], model.reads.prepare)
    values = given.read(Box.whole(given.header.shape))[0, 0]

    def each(planes):
        pads = [(0, 0)] + [(0, padded_size(n, model.stride) - n) for n in planes.shape[1:]]
        made = model(torch.from_numpy(np.pad(planes, pads, mode="reflect"))[:, None])[:, 0].numpy()
        return made[:, : planes.shape[1], : planes.shape[2]]

    front, side = each(values.transpose(1, 0, 2)), each(values.transpose(2, 0, 1))
    return (front.transpose(1, 0, 2) + side.transpose(1, 2, 0)) / 2


def test_blocks_of_any_size_give_both_views_averaged(model, block):
    volume = stack()
    made, wanted = predicted(model, volume, tile=block), by_hand(model, volume)
    assert made.shape == (24, 30, 38)
    assert np.abs(made - wanted).max() < 1e-5 * np.ptp(wanted)


@given(shape=st.tuples(*(st.integers(1, 24) for _ in range(3))), tile=st.integers(1, 20), tiling=st.sampled_from(
    ["overlap", "feathered"]))  # fmt: skip
@settings(max_examples=8, deadline=None)
def test_volumes_of_any_size_come_back_whole(model, shape, tile, tiling):
    volume = stack(shape)
    made, wanted = predicted(model, volume, tile=tile, tiling=tiling), by_hand(model, volume)
    assert made.shape == (2 * shape[0], *shape[1:])
    assert np.abs(made - wanted).max() < 1e-5 * max(1.0, np.ptp(wanted))


def test_the_output_says_the_grid_that_it_is_on(model):
    header = plan(model, stack()).header
    assert header.pixel_size == (1.0, 1.0, 1.0)
    assert header.axes == "ZYX"


def test_time_points_are_predicted_each_by_itself(model):
    one, two = stack(), stack(seed=1)
    both = np.stack([v.read(Box.whole(v.header.shape))[0, 0] for v in (one, two)])
    header = Header("both", (2, 1, *both.shape[1:]), both.dtype, "TZYX", (2.0, 1.0, 1.0))
    volume = ArrayVolume(both, "TZYX", header)
    made = plan(model, volume, tile=16)
    sink = ArraySink(made.header)
    stream(made, model, volume, sink)
    for n, part in enumerate((one, two)):
        assert np.allclose(sink.array[n, 0], predicted(model, part, tile=16), atol=1e-4)


@pytest.mark.parametrize("suffix", [".ome.zarr", ".tif"])
def test_a_stopped_prediction_goes_on_where_it_was(model, tmp_path, suffix):
    from isoscope.inference import create
    from isoscope.sources import open_one

    volume, out = stack(), tmp_path / f"out{suffix}"
    made = plan(model, volume, tile=16, output=out)
    asked = iter([False, True])
    with pytest.raises(Interrupted):
        stream(made, model, volume, create(made), stop=lambda: next(asked, False))
    stream(made, model, volume, create(made, resume=True))
    (found,) = open_one(out)
    assert np.array_equal(found.read(Box.whole(found.header.shape))[0, 0], predicted(model, volume, tile=16))


def test_progress_counts_the_planes_of_both_views(model):
    volume, seen = stack(), []
    made = plan(model, volume, tile=16)
    stream(made, model, volume, ArraySink(made.header), progress=lambda done, of: seen.append((done, of)))
    # two blocks along z, two along y, three along x
    assert seen[-1] == (2 * (3 * 30 + 2 * 38),) * 2


def test_the_forecast_knows_that_every_pixel_is_computed_twice(model):
    made = plan(model, stack((48, 96, 96)))
    cost = forecast(made, model, tried(model))
    assert cost.waste >= 1
    assert sum(n for _, n in made.passes()) == 96 + 96


def test_what_cannot_be_is_refused(model, blobs, untrained):
    volume = stack()
    with pytest.raises(DataError, match="resamples or turns what it reads"):
        skipping(plan(model, volume), model, volume)
    whole = untrained([blobs(0, planes=20)], [blobs(5, planes=3)], norm="instance", **SIDES,
                      inference={"normalisation": "dense"})  # fmt: skip
    with pytest.raises(DataError, match="frozen normalisation"):
        plan(whole, volume)

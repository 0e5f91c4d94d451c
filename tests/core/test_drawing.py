"""Noise that depends on seed, image and place alone."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from isoscope import inference
from isoscope.address import addressed
from isoscope.errors import DataError
from isoscope.inference import load_plan, plan, run, save_plan, stream
from isoscope.model.drawing import Draw, white_noise
from isoscope.sources import open_one
from isoscope.volume import ArraySink, ArrayVolume, Box, Header
from isoscope.writing.whole import write_whole

NETWORKS = {
    "camera": {"backward": {"name": "camera"}},
    "unet": {"backward": {"name": "unet", "width": 2, "depth": 1, "norm": "none", "noise": 2}},
    "normalised unet": {"backward": {"name": "unet", "width": 2, "depth": 1, "noise": 1}},
}
FLOAT = {"source": {"limits": [[10.0, 200.0]]}, "target": {"limits": [[10.0, 200.0]]}}


@pytest.fixture(scope="module")
def models(blobs, untrained):
    sides = [[blobs(seed, dtype="float32", noise=n)] for seed, n in ((0, 12.0), (1, 0.0))]
    return {
        name: untrained(*sides, method=method, direction="b2a", **FLOAT) for name, method in NETWORKS.items()
    }  # fmt: skip


def image(size, seed=0, name="clean"):
    values = np.random.default_rng(seed).uniform(20, 180, size).astype(np.float32)
    return ArrayVolume(values, "YX", Header(name, (1, 1, 1, *size), values.dtype))


def predicted(model, volume, **grid):
    made = plan(model, volume, **grid)
    sink = ArraySink(made.header)
    stream(made, model, volume, sink)
    return sink.array[0, 0, 0]


spans = st.tuples(st.integers(0, 400), st.integers(1, 300)).map(lambda s: slice(s[0], s[0] + s[1]))


@given(ys=spans, xs=spans)
@settings(max_examples=25, deadline=None)
def test_any_part_of_the_plane_is_the_same_noise(ys, xs):
    whole = white_noise(7, slice(0, 700), slice(0, 700))
    np.testing.assert_array_equal(white_noise(7, ys, xs), whole[ys, xs])


def test_noise_is_white_unit_and_of_its_key():
    one, other = (white_noise(key, slice(0, 512), slice(0, 512)) for key in (1, 2))
    assert one.mean() == pytest.approx(0, abs=0.01)
    assert one.std() == pytest.approx(1, abs=0.01)
    for a, b in ((one, other), (one[1:], one[:-1]), (one[:, 128:], one[:, :-128]), (one[128:], one[:-128])):
        assert abs(np.corrcoef(a.ravel(), b.ravel())[0, 1]) < 0.01


def test_every_seed_draw_and_image_has_a_key_of_its_own():
    keys = {Draw(seed, n, 1, 0).key(name) for seed in (0, 1) for n in (0, 1) for name in "ab"}
    assert len(keys) == 8
    assert Draw(0, 0, 1, 0).key("a") == Draw(0, 0, 1, 0).key("a")


@pytest.mark.parametrize("name", NETWORKS)
def test_the_tile_size_never_changes_a_drawn_picture(models, name):
    model, volume = models[name].drawing(3), image((150, 90))
    whole = predicted(model, volume)
    for tile in (16, 50):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(inference.cutting, "_SHARD", 48)
            tiled = predicted(model, volume, tile=tile)
        assert np.abs(tiled - whole).max() <= 1e-4 * np.ptp(whole)


@pytest.mark.parametrize("name", NETWORKS)
def test_noise_is_that_of_seed_draw_and_image(models, name):
    model, volume = models[name], image((40, 40))
    first = predicted(model.drawing(3), volume)
    np.testing.assert_array_equal(predicted(model.drawing(3), volume), first)
    plain = predicted(model, volume)
    others = [
        predicted(model.drawing(4), volume), predicted(model.drawing(3, 1), volume),
        predicted(model.drawing(3), image((40, 40), name="another")), plain,
    ]  # fmt: skip
    assert all(not np.array_equal(first, other) for other in others)


def test_planes_of_a_stack_have_noise_of_their_own_and_one_exposure(models):
    uneven = replace(models["camera"], network=copy.deepcopy(models["camera"].network))
    with torch.no_grad():
        uneven.network.log_spread.fill_(0.0)  # a spread of 1: exposures differ much
    stack = ArrayVolume(np.full((3, 64, 64), 100, np.float32), "ZYX")
    noise = []
    for number in range(8):
        model = uneven.drawing(0, number)
        made = plan(model, stack)
        sink = ArraySink(made.header)
        stream(made, model, stack, sink)
        noise.append(sink.array[0, 0] - sink.array.mean())
    deviations = np.array([[plane.std() for plane in planes] for planes in noise])
    assert (np.ptp(deviations, axis=1) < 0.15 * deviations.mean(1)).all()
    assert deviations.max() > 2 * deviations.min()
    assert abs(np.corrcoef(noise[0][0].ravel(), noise[0][1].ravel())[0, 1]) < 0.05


def test_outputs_say_that_they_are_synthetic(models):
    made = plan(models["camera"].drawing(5, 2), image((40, 40)))
    assert made.header.attributes["synthetic"] == {"seed": 5, "draw": 2}
    assert made.decides["draw"]["seed"] == 5
    assert "synthetic" not in plan(models["camera"], image((40, 40))).header.attributes


def test_drawn_plans_run_job_by_job_in_any_process(models, tmp_path, monkeypatch):
    monkeypatch.setattr(inference.cutting, "_SHARD", 512)
    write_whole(tmp_path / "clean.tif", image((600, 40)).read(Box.whole((1, 1, 1, 600, 40)))[0, 0, 0])
    (volume,) = open_one(tmp_path / "clean.tif")
    ((address, _),) = addressed(tmp_path / "clean.tif")
    model = models["camera"].drawing(1, 1)
    made = plan(model, volume, source=address, output=tmp_path / "out.ome.zarr")
    save_plan(made, tmp_path / "plan.json")
    again = load_plan(tmp_path / "plan.json")
    for job in reversed(again.jobs):
        run(again, job)
    inference.finish(again)
    (drawn,) = open_one(tmp_path / "out.ome.zarr")
    np.testing.assert_array_equal(
        drawn.read(Box.whole(drawn.header.shape))[0, 0, 0], predicted(model, volume).astype(drawn.header.dtype)
    )


def test_a_network_without_noise_has_nothing_to_draw(blobs, untrained):
    colour = [blobs(seed, channels=3, rgb=True) for seed in range(2)]
    model = untrained([blobs(0)], colour, task="coloration", direction="b2a")
    with pytest.raises(DataError, match="b2a network of this model draws no noise"):
        model.drawing(0)

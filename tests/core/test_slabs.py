"""Volumes that a network of three dimensions makes in blocks of planes: where they are cut never shows."""

import json

import numpy as np
import pytest
import torch
from torch import nn

from isoscope import training
from isoscope.address import Address
from isoscope.dependency import depth_halo
from isoscope.errors import DataError
from isoscope.frames import Frames
from isoscope.inference import Predictor, create, finish, forecast, plan, run, save_plan, skipping, tried
from isoscope.model import load
from isoscope.proposal import propose
from isoscope.sources import open_one
from isoscope.volume import ArrayVolume, Box
from isoscope.writing.whole import write_whole

KEYS = {"output": {"context": 1, "dtype": "float32"}, "method": {"forward": {"name": "unet3d", "width": 2, "depth": 1}}}


def volume(planes=13, size=(24, 26), seed=0):
    return ArrayVolume(np.random.default_rng(seed).uniform(0, 255, (planes, *size)).astype(np.float32), "ZYX")


def array(image):
    return image.read(Box.whole(image.header.shape))[0, 0]


@pytest.fixture(scope="module")
def volumes(blobs):
    return [blobs(n, noise=12.0, planes=5) for n in range(2)], [blobs(n + 5, planes=5) for n in range(2)]


@pytest.fixture(scope="module")
def model(volumes, untrained):
    return untrained(*volumes, **KEYS)


def test_how_far_it_looks_across_planes_is_measured(model):
    assert (model.above, model.inputs.context) == (3, 1)
    assert depth_halo(nn.Identity(), 1) == 0

    class All(nn.Module):
        def forward(self, x):
            return x + x.mean()

    assert depth_halo(All(), 2) is None


@pytest.mark.parametrize("tile", [1, 2, 5, 8])
def test_neither_slabs_nor_tiles_show(model, tile):
    whole = Predictor(model).predict(array(volume()))
    assert whole.std() > 1
    assert np.abs(Predictor(model).predict(array(volume()), tile=tile) - whole).max() < 1e-5 * np.ptp(whole)


def test_what_is_written_is_what_the_network_makes_of_the_whole_volume(model):
    values = array(volume())
    ends = np.concatenate([np.repeat(values[:1], 3, 0), values, np.repeat(values[-1:], 3, 0)])
    with torch.inference_mode():
        wanted = model(torch.from_numpy(ends))
    made = Predictor(model).predict(values)
    assert np.abs(made - wanted.numpy()).max() < 1e-5 * np.ptp(made)


def test_a_plane_reaches_as_far_as_was_measured(model):
    other = array(volume()).copy()
    other[6] = 0
    before, after = (Predictor(model).predict(a, tile=4) for a in (array(volume()), other))
    assert [z for z in range(13) if not np.allclose(before[z], after[z])] == list(range(3, 10))


def test_frames_of_several_planes_go_on_behind_the_end():
    frames = Frames(volume(), context=2, thick=5)
    values = array(volume())
    assert (len(frames), frames.channels, frames.places[-1]) == (3, 9, (0, 10))
    wanted = values[np.clip(np.arange(8, 17), 0, 12)]
    assert np.array_equal(frames.read(2, slice(0, 24), slice(0, 26)), wanted)


def test_a_plan_says_how_many_planes_and_what_they_cost(model, volumes):
    made = plan(model, volume(), tile=8)
    assert made.layout.shard == (1, 1, 7, 8, 8)
    assert [job.box.shape[2] for job in made.jobs[:1] + made.jobs[-1:]] == [7, 6]
    assert made.fingerprint()["grid"]["planes"] == 7
    assert plan(model, volume()).thick == 13, "no thicker than the volume"
    assert "planes" not in plan(model, volume(planes=1)).fingerprint()["grid"]
    cost = forecast(made, model, tried(model, made.thick))
    assert cost.waste > (7 + 2 * 3) / 7
    assert cost.memory > forecast(plan(model, volume(), tile=2), model, tried(model, 2)).memory
    with pytest.raises(DataError, match="planes with their neighbours"):
        skipping(made, model, volume())


def test_jobs_in_any_order_give_the_same_file(model, tmp_path):
    path, out, image = tmp_path / "in.ome.zarr", tmp_path / "out.ome.zarr", volume()
    write_whole(path, array(image), "ZYX")
    made = plan(model, open_one(path)[0], tile=7, source=Address(path), output=out)
    create(made).abort()
    save_plan(made, tmp_path / "plan.json")
    for job in reversed(made.jobs[::2]):
        assert run(made, job)["pixels"] == np.prod(job.box.shape)
    finish(made)
    found = array(open_one(out)[0])
    assert np.array_equal(found, Predictor(model).predict(array(image), tile=7))
    assert json.loads((tmp_path / "plan.json").read_text())["shard"] == [1, 1, 7, 8, 8]


def test_a_run_learns_in_three_dimensions_and_predicts_both_ways(volumes, tiny, tmp_path):
    user = tiny(**KEYS, training={"steps": 2})
    home = training.train(propose(*volumes, task="denoise", preset="cpu", user=user).recipe, *volumes, tmp_path / "run")
    assert (load(home).above, load(home, "b2a").above) == (3, None)
    for direction, images in (("a2b", volumes[0]), ("b2a", volumes[1])):
        assert Predictor(load(home, direction)).predict(array(images[0])).shape == (5, 40, 40)

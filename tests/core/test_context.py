"""Planes that are seen with their neighbours: what is read, what is learned from, and what is written."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from isoscope import training
from isoscope.errors import DataError, RecipeError
from isoscope.frames import Frames
from isoscope.inference import Predictor, plan, skipping
from isoscope.model import load
from isoscope.patches.blocks import Origins
from isoscope.proposal import propose
from isoscope.recipe import parse
from isoscope.volume import ArrayVolume

CONTEXT = {"output": {"context": 1, "dtype": "float32"}}


def stack(planes=7, channels=1, size=(24, 26), seed=0):
    return ArrayVolume(np.random.default_rng(seed).uniform(0, 255, (1, channels, planes, *size)).astype(np.float32))


@given(z=st.integers(0, 6), context=st.integers(0, 3), channels=st.integers(1, 2))
@settings(max_examples=40, deadline=None)
def test_a_frame_holds_its_neighbours_and_ends_repeat_themselves(z, context, channels):
    volume = stack(channels=channels)
    frames = Frames(volume, context=context)
    whole = volume.read(type("B", (), {"slices": (slice(None),) * 5}))[0]
    wanted = [whole[c, min(max(k, 0), 6)] for c in range(channels) for k in range(z - context, z + context + 1)]
    assert np.array_equal(frames.read(z, slice(2, 20), slice(3, 9)), np.stack(wanted)[:, 2:20, 3:9])
    assert (frames.channels, len(frames)) == (channels * (2 * context + 1), 7)


def test_blocks_of_a_volume_hold_the_neighbours_of_their_planes():
    frames = Frames(stack(), context=2)
    origins = Origins([frames], 8)
    for z in range(7):
        block = origins.block((0, z, 3, 4), [(1, 2, 8, 8)])
        window = origins.read(block)
        ys, xs = slice(block.start[2], block.start[2] + 8), slice(block.start[3], block.start[3] + 8)
        assert np.array_equal(frames.read(z, ys, xs, window), frames.read(z, ys, xs))


@pytest.fixture(scope="module")
def volumes(blobs):
    return [blobs(n, noise=12.0, planes=5) for n in range(2)], [blobs(n + 5, planes=5) for n in range(2)]


@pytest.fixture(scope="module")
def model(volumes, untrained):
    return untrained(*volumes, **CONTEXT)


def test_what_is_written_is_the_plane_itself(model, volumes):
    source = volumes[0][0]
    made = Predictor(model).predict(source.read(type("B", (), {"slices": (slice(None),) * 5}))[0, 0])
    assert made.shape == source.header.shape[2:]
    values = torch.from_numpy(Frames(source, context=1).read(2, slice(0, 40), slice(0, 40)).astype(np.float32))
    network, intensity = model.network, model.normalised(values[None])
    with torch.inference_mode():
        three = network(intensity)
    low, high = model.outputs.limits[1]
    wanted = low + (three[0, 1].numpy() + 0.9) / 1.8 * (high - low)
    assert np.abs(made[2] - wanted).max() < 1e-3 * (high - low)


def test_tiles_do_not_show_and_the_header_is_that_of_the_input(model, volumes):
    array = stack().read(type("B", (), {"slices": (slice(None),) * 5}))[0, 0]
    whole, tiled = (Predictor(model).predict(array, tile=tile) for tile in (64, 8))
    assert np.abs(whole - tiled).max() < 1e-5 * np.ptp(whole)
    header = plan(model, volumes[0][0]).header
    assert (header.shape, header.axes) == ((1, 1, 5, 40, 40), "ZYX")


def test_neighbours_matter(model):
    array = stack().read(type("B", (), {"slices": (slice(None),) * 5}))[0, 0]
    other = array.copy()
    other[3] = 0
    before, after = (Predictor(model).predict(a) for a in (array, other))
    changed = [z for z in range(7) if not np.allclose(before[z], after[z])]
    assert changed == [2, 3, 4]


def test_a_run_learns_from_them_and_its_model_says_so(volumes, tiny, tmp_path):
    user = tiny(output={"context": 1}, training={"steps": 2})
    recipe = propose(*volumes, task="denoise", preset="cpu", user=user).recipe
    assert len(recipe.source.limits) == 1  # a channel has one scale, whichever plane it is seen from
    home = training.train(recipe, *volumes, tmp_path / "run")
    for direction in ("a2b", "b2a"):
        found = load(home, direction)
        assert (found.inputs.context, found.outputs.context, found.channels) == (1, 1, 1)
    drawn = load(home, "b2a")
    assert plan(drawn, volumes[1][0]).header.shape == (1, 1, 5, 40, 40)


def test_where_there_are_no_neighbours_it_is_refused(model, volumes, source, target, tiny):
    with pytest.raises(RecipeError, match=r"output\.context=1 got single planes as source"):
        propose(source, target, task="denoise", preset="cpu", user=tiny(**CONTEXT))
    for keys in ({"planes": "stack", "context": 1}, {"context": 17}):
        with pytest.raises(RecipeError, match="cannot stand"):
            parse({"output": keys})
    with pytest.raises(DataError, match="planes with their neighbours"):
        skipping(plan(model, volumes[0][0]), model, volumes[0][0])

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from isoscope import kinds
from isoscope.footprint import bytes_per_pixel
from isoscope.inference import forecast, plan, tried
from isoscope.inference.forecast import Trial, disk, executed
from isoscope.parameters import Component, build
from isoscope.tiling import Grid
from isoscope.volume import ArrayVolume


@given(
    size=st.tuples(st.integers(1, 300), st.integers(1, 300)), cores=st.integers(1, 30), halo=st.integers(0, 5),
    stride=st.sampled_from([1, 2, 4]),
)  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_executed_pixels_are_those_that_tiles_read(size, cores, halo, stride):
    grid = Grid(size, cores * stride, halo * stride, stride)
    tiles = build(kinds.tilings, Component(name="overlap"))((slice(0, size[0]), slice(0, size[1])), grid)
    areas = [(t.read[0].stop - t.read[0].start) * (t.read[1].stop - t.read[1].start) for t in tiles]
    assert executed(grid) == sum(areas)


class Step(nn.Module):
    """Holds its input, one map of eight channels and one of two: 11 values per pixel at the most."""

    stride = 1

    def __init__(self):
        super().__init__()
        self.up, self.down = nn.Conv2d(1, 8, 1), nn.Conv2d(8, 2, 1)

    def forward(self, x):
        return self.down(self.up(x))


def test_memory_of_a_network_is_counted_as_it_runs():
    assert bytes_per_pixel(Step().eval(), 1) == pytest.approx(4 * 11)
    assert bytes_per_pixel(Step().eval().to(torch.bfloat16), 1) == pytest.approx(2 * 11)


@pytest.fixture(scope="module")
def model(source, target, untrained):
    return untrained(source, target)


def test_more_pixels_cost_more_and_more_planes_take_longer(model):
    trial = Trial(100.0, 1e-6)

    def of(*shape):
        volume = ArrayVolume(np.broadcast_to(np.uint8(0), shape), "ZYX")
        return forecast(plan(model, volume), model, trial)

    small, large, deep = of(1, 500, 500), of(1, 5000, 5000), of(9, 5000, 5000)
    assert small.memory < large.memory
    assert deep.memory == large.memory, "what is in hand does not grow with the image"
    assert deep.seconds == pytest.approx(9 * large.seconds)
    assert deep.disk > 8 * large.disk
    assert small.waste == pytest.approx(1.0, abs=0.1)
    assert 1.0 < large.waste < 1.45


def test_formats_without_shards_need_twice_the_disk(model, tmp_path):
    volume = ArrayVolume(np.broadcast_to(np.uint8(0), (1000, 1000)), "YX")
    zarr, tiff = (disk(plan(model, volume, output=tmp_path / f"o{s}")) for s in (".ome.zarr", ".ome.tif"))
    assert tiff == 2 * zarr


def test_a_trial_says_what_a_pixel_costs_here(model):
    trial = tried(model)
    assert trial.memory > 4
    assert trial.seconds > 0

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isoscope import kinds
from isoscope.tiling import Grid, cores, padded_size, regions

few = settings(max_examples=20, deadline=None)


@st.composite
def grids(draw):
    stride = draw(st.sampled_from([1, 2, 4]))
    size = draw(st.integers(1, 70)), draw(st.integers(1, 70))
    return Grid(size, stride * draw(st.integers(1, 20)), stride * draw(st.integers(0, 5)), stride)


def area(region):
    return tuple(s.stop - s.start for s in region)


@given(grids(), st.integers(1, 80))
@few
def test_regions_cover_the_plane_once(grid, side):
    seen = np.zeros(grid.size, int)
    for region in regions(grid.size, side):
        seen[region] += 1
        assert max(area(region)) <= side
    assert (seen == 1).all()


@given(grids())
@few
def test_cores_cover_the_plane_once_and_start_on_the_grid(grid):
    seen = np.zeros(grid.size, int)
    for core in cores((slice(0, grid.size[0]), slice(0, grid.size[1])), grid):
        seen[core] += 1
        assert all(s.start % grid.core == 0 for s in core)
    assert (seen == 1).all()


@pytest.mark.parametrize("name", list(kinds.tilings))
@given(grid=grids(), jobs=st.integers(1, 3))
@few
def test_weights_add_up_to_one_on_every_pixel_of_every_job(name, grid, jobs):
    tiling = kinds.tilings[name]()
    for region in regions(grid.size, jobs * grid.core):
        total = np.zeros(grid.size)
        for tile in tiling(region, grid):
            assert all(r.start <= w.start < w.stop <= r.stop for r, w in zip(region, tile.write, strict=True))
            assert area(tile.keep) == area(tile.write)
            assert tile.weight is None or tile.weight.shape == area(tile.write)
            total[tile.write] += 1 if tile.weight is None else tile.weight
        assert np.allclose(total[region], 1, atol=1e-6)
        assert total.sum() == pytest.approx(np.prod(area(region)))


@pytest.mark.parametrize("name", list(kinds.tilings))
@given(grid=grids())
@few
def test_tiles_read_on_the_stride_grid_with_their_whole_halo(name, grid):
    for tile in kinds.tilings[name]()((slice(0, grid.size[0]), slice(0, grid.size[1])), grid):
        for read, keep, write, limit in zip(tile.read, tile.keep, tile.write, grid.padded, strict=True):
            assert read.start % grid.stride == read.stop % grid.stride == 0
            assert read.start + keep.start == write.start
            assert read.start == 0 or write.start - read.start >= grid.halo
            assert read.stop == limit or read.stop - write.stop >= grid.halo
            assert 0 <= read.start < read.stop <= limit


@given(st.integers(1, 500), st.sampled_from([1, 2, 4, 8, 32]))
@few
def test_planes_are_padded_to_the_stride_and_no_further_than_needed(size, stride):
    padded = padded_size(size, stride)
    assert padded % stride == 0
    assert padded >= max(size, 16, 2 * stride)
    assert padded - max(size, 16, 2 * stride) < stride

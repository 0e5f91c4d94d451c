"""Reading on another grid and from the side: the same pixels in any box, where they belong, and nothing aliased."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.transform import resize

from isoscope.errors import RecipeError
from isoscope.preparation import Preparation, check_sides
from isoscope.preparation.prepared import prepared, upright
from isoscope.preparation.resampling import ResampledVolume, resampled
from isoscope.preparation.turning import FRONT, SIDE, TurnedVolume
from isoscope.volume import ArrayVolume, Box, Header, Layout

SHAPE = (2, 1, 7, 20, 31)
SCALES = [(4.0, 1.0, 1.0), (25 / 12, 1.0, 1.0), (1.0, 2.0, 2.0), (1.0, 0.5, 0.4), (3.0, 1.5, 0.7)]


def volume(shape=SHAPE, dtype="uint16", pixel_size=(2.0, 0.5, 0.5)):
    values = np.random.default_rng(0).integers(0, 1000, shape).astype(dtype)
    return ArrayVolume(values, "TCZYX", Header("field", shape, values.dtype, "TCZYX", pixel_size))


def pixels(found):
    return found.read(Box.whole(found.header.shape))


def box_within(shape, draw):
    spans = [sorted(draw(st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)))) for n in shape]
    return Box(tuple(a for a, _ in spans), tuple(b + 1 for _, b in spans))


@pytest.mark.parametrize("scale", SCALES)
@given(data=st.data())
@settings(max_examples=30, deadline=None)
def test_a_box_holds_the_pixels_of_the_whole_to_the_bit(scale, data):
    found = ResampledVolume(volume(), scale)
    box = box_within(found.header.shape, data.draw)
    assert np.array_equal(found.read(box), pixels(found)[box.slices])


@pytest.mark.parametrize("scale", SCALES)
def test_the_grid_covers_the_same_ground(scale):
    given, found = volume().header, ResampledVolume(volume(), scale).header
    for n, m, before, after in zip(given.shape[2:], found.shape[2:], given.pixel_size, found.pixel_size, strict=True):
        assert abs(n * before - m * after) <= after / 2 + 1e-9
    assert found.dtype == np.float32


@pytest.mark.parametrize("scale", [(1.0, 2.0, 2.0), (4.0, 1.0, 1.0)])
def test_finer_grids_are_interpolated_as_others_do(scale):
    given = volume((1, 1, 8, 12, 16))
    found = pixels(ResampledVolume(given, scale))[0, 0]
    wanted = resize(pixels(given)[0, 0].astype(float), found.shape, order=1, mode="edge", anti_aliasing=False)
    assert np.abs(found - wanted).max() < 1e-3


@pytest.mark.parametrize("scale", SCALES)
def test_a_ramp_stays_where_it_is(scale):
    y, x = np.mgrid[:40, :40].astype(np.float32)
    given = ArrayVolume((10 * y + x)[None].repeat(9, 0), "ZYX")
    found = pixels(ResampledVolume(given, scale))[0, 0]
    rows, columns = ((np.arange(n) + 0.5) / s - 0.5 for n, s in zip(found.shape[1:], scale[1:], strict=True))
    inner = (slice(2, -2), slice(4, -4), slice(4, -4))
    assert np.abs(found - (10 * rows[:, None] + columns))[inner].max() < 0.02, "of 10 grey values for a pixel"


def test_what_a_coarser_grid_cannot_hold_does_not_come_back_as_something_else():
    stripes = ArrayVolume(np.tile([0.0, 100.0], 32)[None].repeat(16, 0).astype(np.float32), "YX")
    found = pixels(ResampledVolume(stripes, (1.0, 1.0, 0.4)))
    assert np.ptp(found[..., 2:-2]) < 15, "every second column would alias to slow stripes of full contrast"


def test_grey_values_stay_within_those_that_were_there():
    given = volume()
    found = pixels(ResampledVolume(given, (3.0, 1.5, 0.7)))
    assert pixels(given).min() <= found.min()
    assert found.max() <= pixels(given).max()


def test_where_nothing_changes_the_very_same_volume_is_read():
    given = volume()
    assert resampled(given, (1.0, 1.0, 1.0)) is given


@pytest.mark.parametrize(("view", "order"), [(FRONT, (0, 1, 3, 2, 4)), (SIDE, (0, 1, 4, 2, 3))])
@given(data=st.data())
@settings(max_examples=20, deadline=None)
def test_a_turned_volume_is_the_transposed_one_in_every_box(view, order, data):
    given = volume()
    found = TurnedVolume(given, view)
    wanted = pixels(given).transpose(order)
    assert found.header.shape == wanted.shape
    assert found.header.pixel_size == tuple(given.header.pixel_size[axis - 2] for axis in view)
    box = box_within(found.header.shape, data.draw)
    assert np.array_equal(found.read(box), wanted[box.slices])


class Chunked(ArrayVolume):
    layout = Layout((1, 1, 4, 16, 32), (1, 1, 2, 8, 16))


def test_how_images_lie_on_disk_is_said_in_the_pixels_that_are_read():
    given = Chunked(pixels(volume()), header=volume().header)
    found = prepared([given], Preparation(scale=(4.0, 1.0, 1.0), sides=True))
    assert [v.layout.chunk for v in found] == [(1, 1, 8, 8, 16), (1, 1, 16, 8, 8)]


def test_sides_give_two_volumes_for_each_and_only_scale_one():
    asked = Preparation(scale=(4.0, 1.0, 1.0), sides=True)
    assert [v.header.shape for v in prepared([volume()], asked)] == [(2, 1, 20, 28, 31), (2, 1, 31, 28, 20)]
    (found,) = upright([volume()], asked)
    assert found.header.shape == (2, 1, 28, 20, 31)


def test_the_camera_offset_is_taken_off_before_pixels_are_mixed():
    (plain,), (shifted,) = (
        upright([volume()], Preparation(scale=(2.0, 1.0, 1.0), offset=offset)) for offset in (None, 100)
    )
    assert np.allclose(pixels(plain) - 100, pixels(shifted), atol=1e-3)


@pytest.mark.parametrize(
    ("source", "target", "message"),
    [
        ({}, {"sides": True}, r"got target\.prepare\.sides; expected sides of the source only"),
        (
            {},
            {"labels": {}, "scale": (1, 2, 2)},
            r"got labels and scale in target\.prepare; labels have no grey values",
        ),
    ],
)
def test_what_makes_no_sense_is_refused(source, target, message):
    with pytest.raises(RecipeError, match=message):
        check_sides(Preparation(**source), Preparation(**target))


@pytest.mark.parametrize("scale", [(0, 1, 1), (1, 1, 100), (1, float("nan"), 1), (2, 2)])
def test_scales_that_no_grid_has_are_refused(scale):
    with pytest.raises(ValueError, match="scale"):
        Preparation(scale=scale)

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isoscope.errors import DataError
from isoscope.pictures import colour_bar, error_map, histogram, overlay, panel, to_display

RAMP = np.arange(12, dtype=np.uint16).reshape(3, 4) * 100


def test_display_of_grey_is_grey_and_clips():
    picture = to_display(RAMP, (100, 1000))
    assert picture.shape == (3, 4, 3)
    assert picture.dtype == np.uint8
    assert (picture == picture[..., :1]).all()
    assert picture[0, 0, 0] == picture[0, 1, 0] == 0
    assert picture[2, 2, 0] == picture[2, 3, 0] == 255


def test_display_of_full_range_rgb_changes_nothing():
    rgb = np.random.default_rng(0).integers(0, 256, (3, 5, 6), np.uint8)
    assert (to_display(rgb, (0, 255)) == rgb.transpose(1, 2, 0)).all()


def test_display_of_a_volume_is_its_middle_plane():
    stack = np.random.default_rng(0).integers(0, 256, (2, 1, 5, 4, 6), np.uint8)
    assert (to_display(stack, (0, 255))[..., 0] == stack[0, 0, 2]).all()


def test_display_of_nan_is_black():
    assert (to_display(np.array([[np.nan, 1.0]]), (0, 1))[0, :, 0] == [0, 255]).all()


def test_what_cannot_be_displayed():
    with pytest.raises(DataError, match="got 2 channels"):
        to_display(np.zeros((2, 4, 4)), (0, 1))
    with pytest.raises(DataError, match="limits 1 to 1"):
        to_display(RAMP, (1, 1))
    with pytest.raises(DataError, match=r"shape \(4,\)"):
        to_display(np.zeros(4), (0, 1))


def test_overlay_colours_say_which_is_stronger():
    truth = np.array([[0, 100, 100, 0]])
    picture = overlay(np.array([[0, 100, 0, 100]]), truth)[0]
    assert picture.tolist() == [[0, 0, 0], [255, 255, 255], [0, 255, 0], [255, 0, 255]]


def test_overlay_uses_the_scale_of_the_truth():
    truth = np.array([[0.0, 200.0]])
    assert overlay(truth / 2, truth)[0, 1].tolist() == [128, 255, 128]
    assert overlay(truth, truth, (0, 400))[0, 1].tolist() == [128, 128, 128]


def test_overlay_of_rgb_is_of_luminance():
    green = np.zeros((3, 1, 2))
    green[1, 0, 1] = 1
    assert overlay(green, green * 0, (0, 1))[0, 1].tolist() == [150, 0, 150]
    assert overlay(green, np.array([[0.0, 0.587]]), (0, 1))[0, 1].tolist() == [150, 150, 150]


def test_overlay_refuses_other_shapes_and_channels():
    with pytest.raises(DataError, match="expected the truth's"):
        overlay(RAMP[1:], RAMP)
    with pytest.raises(DataError, match="one overlay per channel"):
        overlay(np.zeros((2, 4, 4)), np.zeros((2, 4, 4)))


def test_error_map_is_black_without_error_and_white_at_the_limit():
    truth = RAMP.astype(float)
    assert not error_map(truth, truth).any()
    assert (error_map(truth + 50, truth, limit=50) == 255).all()
    assert (error_map(truth - 50, truth, limit=150) == [255, 0, 0]).all()
    assert not error_map(np.ones((4, 4)), np.ones((4, 4))).any()


def test_colour_bar_runs_from_white_to_black():
    bar = colour_bar(64)
    assert bar.shape == (64, 12, 3)
    assert (bar[0] == 255).all()
    assert not bar[-1].any()
    assert (np.diff(bar.astype(int), axis=0) <= 0).all()


def test_panel_joins_with_white_gaps():
    left, right = np.zeros((5, 3, 3), np.uint8), np.full((5, 2, 3), 9, np.uint8)
    joined = panel([left, right])
    assert joined.shape == (5, 3 + 4 + 2, 3)
    assert (joined[:, :3] == 0).all()
    assert (joined[:, 3:7] == 255).all()
    assert (joined[:, 7:] == 9).all()
    assert (panel([left]) == left).all()


@pytest.mark.parametrize("heights", [(), (3, 4)])
def test_panel_never_resizes(heights):
    with pytest.raises(DataError, match="expected one common height"):
        panel([np.zeros((height, 2, 3), np.uint8) for height in heights])


def test_histogram_of_bytes_has_a_bin_per_value():
    image = np.arange(256, dtype=np.uint8).reshape(16, 16)
    result = histogram(image)
    assert (result.counts == 1).all()
    assert result.edges[[0, -1]].tolist() == [0, 255]
    assert result.saturated == pytest.approx(2 / 256)


def test_histogram_counts_what_lies_beyond_the_limits_as_saturated():
    result = histogram(np.array([[-5.0, 1.0, 2.0, 99.0]]), (0, 10), bins=10)
    assert result.counts[[0, 1, 2, 9]].tolist() == [1, 1, 1, 1]
    assert result.saturated == 0.5


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.sampled_from([np.uint8, np.int16, np.uint16, np.float32, bool]))
def test_histogram_loses_no_pixel(seed, dtype):
    image = np.random.default_rng(seed).integers(0, 3, (1, 1, 2, 5, 7)).astype(dtype)
    assert histogram(image).counts.sum() == image.size

"""Objects: as depth to be learned, told apart again, and held against the truth."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isoscope.errors import DataError, RecipeError
from isoscope.matching import matched_objects, object_f1
from isoscope.objects import LARGEST, LabelVolume, by_depth, by_otsu
from isoscope.preparation import Labels, Preparation
from isoscope.preparation.depth import depth_of
from isoscope.preparation.prepared import prepared
from isoscope.recipe import parse, resolved
from isoscope.volume import ArrayVolume, Box, Header


def discs(*centres, radius=9, side=64):
    """Label image of discs, later ones over earlier ones."""
    y, x = np.mgrid[:side, :side]
    labels = np.zeros((side, side), np.uint8)
    for n, (cy, cx) in enumerate(centres, 1):
        labels[(y - cy) ** 2 + (x - cx) ** 2 <= radius**2] = n
    return labels


TOUCHING = discs((20, 20), (20, 36), (50, 45))


def test_depth_grows_from_outlines_and_ends():
    strip = np.zeros((9, 11), np.uint8)
    strip[:, 2:] = 1
    strip[:, 8:] = 2  # a neighbour, and the image's edge, beyond which it goes on
    np.testing.assert_array_equal(depth_of(strip, 2.5)[4], [0, 0, 1, 2, 2.5, 2.5, 2, 1, 1, 2, 2.5])


def test_masks_without_an_outline_are_all_or_nothing():
    assert (depth_of(np.ones((5, 5), bool), 4) == 4).all()
    assert (depth_of(np.zeros((5, 5), bool), 4) == 0).all()


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 40), st.integers(0, 40), st.integers(1, 24), st.sampled_from([1.0, 2.5, 4.0, 9.0]))
def test_depth_is_the_same_in_any_box(y, x, side, most):
    (volume,) = prepared([ArrayVolume(TOUCHING, "YX")], Preparation(labels=Labels(depth=most)))
    whole = volume.read(Box.whole(volume.header.shape))
    box = Box((0, 0, 0, y, x), (1, 1, 1, y + side, x + side))
    np.testing.assert_array_equal(volume.read(box), whole[box.slices])
    assert volume.header.dtype == whole.dtype == np.float32


def test_labels_in_colour_are_refused():
    with pytest.raises(DataError, match="has 3 channels; expected one, of labels"):
        prepared([ArrayVolume(np.zeros((8, 8, 3), np.uint8), "YXC")], Preparation(labels=Labels()))


def test_labels_have_no_offset():
    with pytest.raises(RecipeError, match=r"got offset and labels in target\.prepare"):
        resolved(parse({"target": {"prepare": {"labels": {}, "offset": 3}}}))


def test_what_was_read_as_depth_comes_back_as_the_same_objects():
    found = by_depth(depth_of(TOUCHING, 4))
    assert found.dtype == np.uint32
    assert object_f1(found, TOUCHING, least=0.95) == 1


def test_objects_are_numbered_from_one_and_small_ones_left_out():
    labels = discs((20, 20), (45, 45))
    labels[0:2, 0:2] = labels[5:8, 58:61] = 9
    depth = depth_of(labels, 4)
    assert set(np.unique(by_depth(depth))) == {0, 1, 2}
    assert set(np.unique(by_depth(depth, smallest=0))) == {0, 1, 2, 3, 4}
    assert not by_depth(np.zeros((8, 8))).any()
    assert (by_depth(np.full((8, 8), 4.0)) == 1).all()


def test_a_deeper_dip_keeps_objects_together():
    assert matched_objects(by_depth(depth_of(TOUCHING, 4), dip=1.0), TOUCHING)[1] == 3
    assert matched_objects(by_depth(depth_of(TOUCHING, 4), dip=3.5), TOUCHING)[1] == 2


def test_otsu_parts_touching_discs():
    image = 100 + 300.0 * (TOUCHING > 0) + np.random.default_rng(0).normal(0, 10, TOUCHING.shape)
    assert object_f1(by_otsu(image, sigma=1), TOUCHING, least=0.8) == 1
    assert not by_otsu(np.full((20, 20), 7)).any()


def test_matching_counts_each_object_once():
    halves = TOUCHING.copy()
    halves[:20][TOUCHING[:20] == 1] = 7  # one disc in two parts, of which one at most can be it
    assert matched_objects(TOUCHING, TOUCHING) == (3, 3, 3)
    assert matched_objects(halves, TOUCHING) == (3, 4, 3)
    assert matched_objects(halves, TOUCHING, least=0.6) == (2, 4, 3)
    assert matched_objects(np.zeros_like(TOUCHING), TOUCHING) == (0, 0, 3)
    assert object_f1(halves, TOUCHING) == pytest.approx(6 / 7)
    assert np.isnan(object_f1(np.zeros((9, 9), int), np.zeros((9, 9), int)))
    with pytest.raises(DataError, match="expected the truth's"):
        object_f1(TOUCHING[1:], TOUCHING)


def test_a_label_volume_is_the_same_in_any_box():
    stack = np.stack([depth_of(TOUCHING, 4), depth_of(TOUCHING[::-1], 4)])
    volume = LabelVolume(ArrayVolume(stack, "ZYX"), by_depth, {"by": "depth"})
    whole = volume.read(Box.whole(volume.header.shape))
    box = Box((0, 0, 1, 7, 9), (1, 1, 2, 40, 50))
    np.testing.assert_array_equal(volume.read(box), whole[box.slices])
    assert whole[0, 0].max(axis=(1, 2)).tolist() == [3, 3]
    assert volume.header.attributes["labels"] == {"of": "array", "by": "depth"}


class Endless:
    """An image of any size that must not be read."""

    def __init__(self, *shape):
        self.header = Header("slide", shape, np.dtype(np.float32))


@pytest.mark.parametrize(
    ("shape", "message"),
    [((1, 2, 1, 8, 8), "has 2 channels; expected one"), ((1, 1, 1, LARGEST, 2), "expected at most")],
)
def test_what_cannot_be_told_apart_is_refused_before_it_is_read(shape, message):
    with pytest.raises(DataError, match=message):
        LabelVolume(Endless(*shape), by_depth, {})


def test_numbers_that_are_none_are_refused():
    depth = np.full((8, 8), np.nan)
    volume = LabelVolume(ArrayVolume(depth, "YX"), by_depth, {})
    with pytest.raises(DataError, match="holds NaN"):
        volume.read(Box.whole(volume.header.shape))

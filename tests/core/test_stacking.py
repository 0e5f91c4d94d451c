import numpy as np
import pytest

from isoscope.errors import DataError
from isoscope.stacking import stacked
from isoscope.volume import ArrayVolume, Box, Header


def plane(n, shape=(5, 7)):
    values = np.random.default_rng(n).integers(0, 99, shape, np.uint8)
    return ArrayVolume(values, "YX", Header(f"p{n}", (1, 1, 1, *shape), values.dtype, "YX", (1.0, 0.5, 0.5)))


@pytest.mark.parametrize("axis", ["T", "C", "Z"])
def test_any_box_of_a_stack_is_that_of_the_images(axis):
    volumes = [plane(n) for n in range(4)]
    stack = stacked(volumes, axis)
    at = "TCZYX".index(axis)
    whole = np.concatenate([v.read(Box.whole(v.header.shape)) for v in volumes], at)
    assert stack.header.shape == whole.shape
    assert stack.header.axes == axis + "YX"
    assert np.array_equal(stack.read(Box.whole(stack.header.shape)), whole)
    start, stop = [0, 0, 0, 1, 2], [*whole.shape[:3], 4, 6]
    start[at], stop[at] = 1, 3
    box = Box(tuple(start), tuple(stop))
    assert np.array_equal(stack.read(box), whole[box.slices])


def test_stacks_of_stacks_are_longer():
    pair = stacked([plane(0), plane(1)], "Z")
    four = stacked([pair, pair], "Z")
    assert four.header.shape == (1, 1, 4, 5, 7)
    assert four.header.axes == "ZYX"
    assert np.array_equal(
        four.read(Box((0, 0, 1, 0, 0), (1, 1, 3, 5, 7)))[0, 0, 1], plane(0).read(Box.whole((1, 1, 1, 5, 7)))[0, 0, 0]
    )


def test_files_give_channels_their_names():
    assert stacked([plane(0), plane(1)], "C").header.channels == ("p0", "p1")
    assert stacked([plane(0), plane(1)], "Z").header.pixel_size == (1.0, 0.5, 0.5)


def test_unlike_images_are_refused():
    with pytest.raises(DataError, match=r"^p1 is \(1, 1, 1, 4, 4\)"):
        stacked([plane(0), plane(1, (4, 4))], "Z")
    rgb = ArrayVolume(
        np.zeros((5, 5, 3), np.uint8), "YXC", Header("c", (1, 3, 1, 5, 5), np.dtype("u1"), "YXC", rgb=True)
    )
    with pytest.raises(DataError, match="colour picture"):
        stacked([rgb, rgb], "C")

"""Images that a model can read and still should not: pixels of another size than it learned from."""

import logging

import pytest

from isoscope.inference import plan
from isoscope.volume import ArrayVolume, Header


def sized(volume, size, unit="micrometer"):
    h = volume.header
    array = volume.read(type("All", (), {"slices": (slice(None),) * 5}))[0, 0]
    values = array if h.shape[2] > 1 else array[0]
    return ArrayVolume(values, h.axes, Header(h.name, h.shape, h.dtype, h.axes, size, unit))


@pytest.fixture(scope="module")
def flat(blobs, untrained):
    sides = [[sized(blobs(n, noise=12.0), (1.0, 0.5, 0.5))] for n in (0, 3)]
    return untrained(*sides)


@pytest.mark.parametrize(
    ("size", "unit", "warned"),
    [
        ((1.0, 0.5, 0.5), "micrometer", False),
        ((9.0, 0.5, 0.5), "micrometer", False),  # planes by themselves: nobody looks along z
        ((1000.0, 500.0, 520.0), "nanometer", False),
        ((1.0, 0.5, 0.25), "micrometer", True),
        ((1.0, 500.0, 500.0), "micrometer", True),
        ((1.0, 2.0, 2.0), "pixel", False),
        (None, "micrometer", False),
    ],
)
def test_pixels_of_another_size_are_told(flat, blobs, caplog, size, unit, warned):
    with caplog.at_level(logging.WARNING):
        plan(flat, sized(blobs(1), size, unit))
    assert ("it learned from 1 x 0.5 x 0.5; expected the same" in caplog.text) == warned


def test_along_z_they_count_where_planes_are_seen_together(blobs, untrained, caplog):
    sides = [[sized(blobs(n, noise=12.0, planes=5), (1.0, 0.5, 0.5))] for n in (0, 3)]
    model = untrained(*sides, output={"context": 1})
    with caplog.at_level(logging.WARNING):
        plan(model, sides[0][0])
        assert not caplog.text
        plan(model, sized(blobs(1, planes=5), (2.0, 0.5, 0.5)))
    assert "pixels are of 2 x 0.5 x 0.5 um as the model reads them" in caplog.text

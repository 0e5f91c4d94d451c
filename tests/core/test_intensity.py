import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from isoscope.intensity import HEADROOM, Intensity, encode

few = settings(max_examples=20, deadline=None)


@st.composite
def grey(draw):
    """An image of a type with per-channel limits somewhere in its range, pixels outside the limits included."""
    dtype = np.dtype(draw(st.sampled_from(["uint8", "uint16", "float32"])))
    top = np.iinfo(dtype).max if dtype.kind == "u" else 1000.0
    channels = draw(st.integers(1, 3))
    low = [draw(st.integers(0, int(top * 0.5))) for _ in range(channels)]
    limits = tuple((float(a), float(a + draw(st.integers(1, int(top * 0.5))))) for a in low)
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return rng.uniform(0, top, (channels, 5, 7)).astype(dtype), limits


@given(grey())
@few
def test_there_and_back_keeps_every_grey_value(case):
    image, limits = case
    intensity = Intensity(limits)
    x = intensity.normalise(torch.from_numpy(image.astype(np.float32)))
    back, clipped = encode(intensity.grey_values(x).numpy(), image.dtype)
    tolerance = 1 if image.dtype.kind == "u" else 1e-3 * (image.max() + 1)
    assert np.abs(back.astype(np.float64) - image).max() <= tolerance
    assert clipped == 0


def test_limits_map_to_the_headroom_per_channel():
    intensity = Intensity(((10.0, 30.0), (0.0, 1.0)))
    x = torch.tensor([[[10.0, 30.0]], [[0.0, 1.0]]])
    assert torch.allclose(intensity.normalise(x), torch.tensor([-HEADROOM, HEADROOM]).expand(2, 1, 2))


@given(st.integers(0, 2**32 - 1))
@few
def test_two_crops_keep_their_brightness_ratio(seed):
    image = torch.from_numpy(np.random.default_rng(seed).uniform(50, 4000, (1, 24, 24)).astype(np.float32))
    image[..., 12:] *= 3
    intensity = Intensity(((100.0, 5000.0),))
    crops = [image[..., :12], image[..., 12:]]
    back = [intensity.grey_values(intensity.normalise(c)) for c in crops]
    assert float(back[1].mean() / back[0].mean()) == pytest.approx(float(crops[1].mean() / crops[0].mean()), rel=1e-4)
    together = intensity.normalise(image)
    assert torch.equal(torch.cat([intensity.normalise(c) for c in crops], -1), together)


@given(st.floats(-100, 1000), st.lists(st.floats(0, 500), min_size=1, max_size=3))
@few
def test_threshold_inverts(value, lows):
    intensity = Intensity(tuple((low, low + 100.0) for low in lows))
    assert intensity.from_threshold(intensity.threshold(value)) == pytest.approx(value, abs=1e-6)


def test_threshold_is_the_mean_network_value_of_a_grey_pixel():
    intensity = Intensity(((0.0, 100.0), (50.0, 250.0)))
    pixel = torch.full((2, 1, 1), 70.0, dtype=torch.float64)
    assert intensity.threshold(70.0) == pytest.approx(float(intensity.normalise(pixel).mean()))


def test_encode_rounds_and_counts_what_it_clips():
    values, clipped = encode(np.array([-3.0, 0.4, 0.6, 254.6, 300.0], np.float32), np.dtype("uint8"))
    assert (values.tolist(), values.dtype, clipped) == ([0, 0, 1, 255, 255], np.uint8, 2)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"])
def test_values_beyond_any_integer_type_saturate_and_never_wrap(dtype):
    info = np.iinfo(dtype)
    values, clipped = encode(np.array([-1e30, 5.0, 1e30], np.float32), np.dtype(dtype))
    assert (values.tolist(), clipped) == ([info.min, 5, info.max], 2)


def test_floats_are_kept():
    values = np.array([-1e3, 0.25, 1e9], np.float32)
    kept, clipped = encode(values, np.dtype("float64"))
    assert (kept.dtype, clipped) == (np.float64, 0)
    assert np.array_equal(kept, values)

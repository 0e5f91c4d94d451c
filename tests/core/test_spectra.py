import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from isoscope.spectra import blur_between, power_ratios, radial_power


def structures(seed, count=64, side=64):
    """Fine and coarse spots, sharp to about a pixel."""
    rng = np.random.default_rng(seed)
    spots = [(rng.random((count, side, side)) < share).astype(float) for share in (0.02, 0.005)]
    return 10 * gaussian_filter(spots[0], (0, 0.8, 0.8)) + 40 * gaussian_filter(spots[1], (0, 3, 3))


def test_white_noise_has_its_variance_at_every_frequency():
    frequencies, power = radial_power(np.random.default_rng(0).normal(7, 3, (16, 64, 64)))
    assert frequencies[0] == pytest.approx(1 / 128)
    assert frequencies[-1] == pytest.approx(0.5 - 1 / 128)
    np.testing.assert_allclose(power[1:], 9, rtol=0.25)


def test_a_wave_has_its_power_where_its_frequency_is():
    x = np.sin(2 * np.pi * 25 / 128 * np.arange(128))
    frequencies, power = radial_power(np.tile(x, (128, 1)))
    assert frequencies[power.argmax()] == pytest.approx(25 / 128, abs=1 / 128)


@pytest.mark.parametrize("size", [(1, 1), (3, 5), (16, 200), (97, 64)])
def test_planes_of_any_size_have_a_spectrum(size):
    frequencies, power = radial_power(np.random.default_rng(0).random(size))
    assert len(frequencies) == len(power) == min(32, max(1, min(size) // 2))
    assert np.isfinite(power).all()


def test_ratios_tell_too_smooth_from_too_much():
    truth = structures(0, 1)
    np.testing.assert_allclose(power_ratios(2 * truth, truth), 4)
    assert power_ratios(gaussian_filter(truth, (0, 1.5, 1.5)), truth)[-1] < 0.5
    assert power_ratios(truth + np.random.default_rng(1).normal(0, 2, truth.shape), truth)[-1] > 2
    assert len(power_ratios(truth, truth)) == 16


def test_there_is_no_ratio_to_nothing():
    assert np.isnan(power_ratios(structures(0, 1), np.zeros((1, 64, 64)))).all()


@pytest.mark.parametrize("noise", [0.0, 0.2])
@pytest.mark.parametrize("sigma", [0.0, 1.0, 2.0, 4.0])
def test_the_blur_between_unpaired_sets_is_recovered(sigma, noise):
    observed = 0.7 * gaussian_filter(structures(2), (0, sigma, sigma)) + 0.1
    amplitude = noise * np.sqrt(0.3 + np.maximum(observed, 0))
    observed += amplitude * np.random.default_rng(3).normal(size=observed.shape)
    assert blur_between(structures(1), observed) == pytest.approx(sigma, rel=0.15, abs=0.15)


def test_no_blur_beyond_the_largest_is_looked_for():
    assert blur_between(structures(1), gaussian_filter(structures(2), (0, 3, 3)), largest=1.5) == 1.5

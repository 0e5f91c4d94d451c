import csv
import math

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from isoscope.errors import DataError
from isoscope.resolution import (
    fourier_ring_correlation,
    frc_resolution,
    line_profile,
    resolved_pairs,
    write_profiles,
)

NOISE = np.random.default_rng(0).standard_normal((128, 160))


def lines(gap, sigma, side=64):
    """Two bright lines with a Gaussian profile, `gap` pixels apart."""
    x = np.arange(side)
    profile = sum(np.exp(-0.5 * ((x - side // 2 - d) / sigma) ** 2) for d in (-(gap // 2), gap - gap // 2))
    return np.tile(profile, (side, 1))


def test_equal_planes_correlate_at_all_frequencies():
    frequencies, correlations = fourier_ring_correlation(NOISE, 3 * NOISE + 5)
    assert frequencies[0] == 1 / 128
    assert frequencies[-1] == 0.5
    np.testing.assert_allclose(correlations, 1)
    assert frc_resolution(NOISE, NOISE) == 2


def test_the_negative_and_the_unrelated_have_no_resolution():
    np.testing.assert_allclose(fourier_ring_correlation(-NOISE, NOISE)[1], -1)
    assert math.isnan(frc_resolution(-NOISE, NOISE))
    other = np.random.default_rng(1).standard_normal(NOISE.shape)
    assert abs(fourier_ring_correlation(other, NOISE)[1][20:].mean()) < 0.03


@pytest.mark.parametrize("period", [4, 8, 16])
def test_detail_beyond_a_sharp_cut_is_not_counted(period):
    """Frequencies up to 1 / period are the truth's, those above are another's."""
    side = 256
    truth, other = np.random.default_rng(2).standard_normal((2, side, side))
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(side), np.fft.fftfreq(side)))
    mixed = np.fft.ifft2(np.where(frequency <= 1 / period, np.fft.fft2(truth), np.fft.fft2(other))).real
    assert frc_resolution(mixed, truth) == pytest.approx(period, rel=0.07)


def test_white_noise_of_known_power_gives_the_correlation_of_theory():
    """Signal and noise of powers 1 and s: the correlation with the clean image is 1 / sqrt(1 + s)."""
    noise = np.random.default_rng(3).standard_normal(NOISE.shape)
    correlations = fourier_ring_correlation(NOISE + 2 * noise, NOISE)[1]
    assert correlations[10:].mean() == pytest.approx(1 / np.sqrt(5), abs=0.03)


@pytest.mark.parametrize("plane", [np.ones((32, 32)), np.zeros((8, 8))])
def test_what_shows_nothing_has_no_resolution(plane):
    assert math.isnan(frc_resolution(plane, plane))
    assert resolved_pairs(plane, plane) == (0, 0)


def test_planes_must_match():
    for measure in (fourier_ring_correlation, resolved_pairs):
        with pytest.raises(DataError, match="expected equal"):
            measure(NOISE, NOISE[1:])


# Two equal Gaussians g apart: the valley over the peak is 2 exp(-g²/8s²) / (1 + exp(-g²/2s²)), 0.735 at g = 2.80 s.
@pytest.mark.parametrize(("sigma", "hit"), [(1.0, True), (2.7, True), (3.0, False), (4.0, False)])
def test_pairs_are_two_where_the_valley_is_deep(sigma, hit):
    truth = lines(8, 1.0)
    assert resolved_pairs(lines(8, sigma), truth) == (64 * hit, 64)
    assert resolved_pairs((lines(8, sigma) * 50 + 7).T, truth.T) == (64 * hit, 64)


def test_pairs_that_the_truth_does_not_resolve_or_that_are_far_apart_do_not_count():
    assert resolved_pairs(lines(8, 1.0), lines(8, 3.5)) == (0, 0)
    assert resolved_pairs(lines(20, 1.0), lines(20, 1.0)) == (0, 0)
    assert resolved_pairs(lines(20, 1.0), lines(20, 1.0), reach=20) == (64, 64)


def test_a_constant_and_an_inverted_image_resolve_nothing():
    truth = lines(8, 1.0)
    assert resolved_pairs(np.ones_like(truth), truth) == (0, 64)
    assert resolved_pairs(-truth, truth) == (0, 64)


def test_blur_loses_pairs():
    truth = lines(8, 1.0)
    assert resolved_pairs(gaussian_filter(truth, 1), truth) == (64, 64)
    assert resolved_pairs(gaussian_filter(truth, 4), truth) == (0, 64)


def test_profiles_follow_their_line():
    ramp = np.add.outer(np.arange(20.0) * 10, np.arange(30.0))
    np.testing.assert_allclose(line_profile(ramp, (2, 3), (2, 8)), 20 + np.arange(3, 9))
    np.testing.assert_allclose(line_profile(ramp, (2, 3), (12, 3), width=3), 10 * np.arange(2, 13) + 3)
    np.testing.assert_allclose(line_profile(ramp, (2.5, 3.5), (2.5, 5.5)), 25 + np.arange(3.5, 6))
    for ends in (((0, 0), (20, 3)), ((-1, 0), (3, 3))):
        with pytest.raises(DataError, match="inside a plane"):
            line_profile(ramp, *ends)


def test_profiles_are_written_side_by_side(tmp_path):
    write_profiles(tmp_path / "a.csv", {"truth": np.array([1.0, 2]), "input": np.array([3.0, 4])}, 0.5)
    rows = list(csv.reader((tmp_path / "a.csv").read_text().splitlines()))
    assert rows == [["pixels", "micrometers", "truth", "input"], ["0", "0.0", "1.0", "3.0"], ["1", "0.5", "2.0", "4.0"]]
    with pytest.raises(DataError, match="exists"):
        write_profiles(tmp_path / "a.csv", {})

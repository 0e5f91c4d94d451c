import pytest
import torch

from isoscope.noise import deviation, noise_of, skewness_of, spread_of
from isoscope.saliency import smooth


def noisy(c0=0.02, c1=0.015, spread=0.0, seed=0):
    """Smooth random structures over most of [-1, 1] with shot and read noise, [24, 1, 64, 64]."""
    g = torch.Generator().manual_seed(seed)
    mean = (smooth(torch.randn(24, 1, 64, 64, generator=g), 4.0) * 9).tanh() * 0.8
    amplitude = (c0 + c1 * mean).sqrt() * (spread * torch.randn(24, 1, 1, 1, generator=g)).exp()
    return mean + amplitude * torch.randn(mean.shape, generator=g)


def test_noise_is_measured_without_a_clean_image():
    c0, c1 = noise_of(noisy())
    assert float(c0) == pytest.approx(0.02, rel=0.15)
    assert float(c1) == pytest.approx(0.015, rel=0.3)


def test_images_of_unequal_exposure_are_noticed():
    even, uneven = noisy(), noisy(spread=0.4)
    assert float(spread_of(even, *noise_of(even))) < 0.1
    assert float(spread_of(uneven, *noise_of(uneven))) == pytest.approx(0.4, rel=0.4)


@pytest.mark.parametrize("sigma", [0.01, 0.3])
def test_the_deviation_of_one_image_is_that_of_its_noise(sigma):
    images = noisy(sigma**2, 0.0)
    assert deviation(images).shape == (24,)
    assert float(deviation(images).mean()) == pytest.approx(sigma, rel=0.1)


def counted(photons, gain=0.02, seed=0):
    """Counts of so many expected photons, [48, 1, 128, 128], as values from about -1."""
    g = torch.Generator().manual_seed(seed)
    light = photons * (1 + 0.8 * (smooth(torch.randn(48, 1, 128, 128, generator=g), 6.0) * 12).tanh())
    return gain * torch.poisson(light, generator=g) - 1


@pytest.mark.parametrize("photons", [3.0, 20.0])
def test_few_photons_are_told_by_the_lopsidedness_of_their_noise(photons):
    images = counted(photons)
    c0, c1 = noise_of(images)
    assert float(c1) == pytest.approx(0.02, rel=0.1)
    assert float(c0 + c1 * -1) == pytest.approx(0, abs=0.1 * 0.02**2 * photons)
    # bins are taken by means of noisy values, which ties a little of the tail to the bin: 0.8 of what is true
    assert float(skewness_of(images, c1)) == pytest.approx(0.8, abs=0.15)


def test_gaussian_noise_is_even():
    images = noisy()
    assert float(skewness_of(images, noise_of(images)[1])) < 0.3


def test_darkness_that_is_cut_off_does_not_hide_the_noise_of_what_is_bright():
    """Most of a confocal stack is zeros, which have no noise: by relative error they alone would have decided."""
    g = torch.Generator().manual_seed(0)
    light = 100 * (smooth(torch.randn(24, 1, 128, 128, generator=g), 6.0) * 20 - 1.5).clamp_min(0).tanh()
    seen = (light + (2 * light).sqrt() * torch.randn(light.shape, generator=g)).round().clamp_min(0)
    assert float((seen == 0).float().mean()) > 0.8
    assert float(noise_of(seen)[1]) == pytest.approx(2.0, rel=0.5)

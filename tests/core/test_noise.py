import pytest
import torch

from isoscope.noise import deviation, noise_of, spread_of
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

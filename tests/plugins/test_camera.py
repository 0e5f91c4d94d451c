import numpy as np
import pytest
import torch

from isoscope.errors import RecipeError
from isoscope.saliency import smooth
from isoscope.testing import example_domain
from isoscope_networks.camera import camera, noise_of


def fields(seed, count=24):
    """Smooth random structures over most of [-1, 1], network values [count, 1, 64, 64]."""
    torch.manual_seed(seed)
    return (smooth(torch.randn(count, 1, 64, 64), 4.0) * 9).tanh() * 0.8


def noisy(clean, c0, c1, spread=0.0):
    mean = 0.7 * clean - 0.1
    amplitude = (c0 + c1 * mean).sqrt() * (spread * torch.randn(len(clean), 1, 1, 1)).exp()
    return mean + amplitude * torch.randn_like(mean)


def fitted(spread=0.0):
    """A camera fitted on clean fields and on noisy images of other fields."""
    network = camera(example_domain(1), example_domain(1))
    network.fit(fields(0), noisy(fields(1), 0.02, 0.015, spread))
    return network


def value(network, name):
    return float(network.get_parameter(name)[0])


def test_noise_is_measured_without_a_clean_image():
    c0, c1 = noise_of(noisy(fields(1), 0.02, 0.015))
    assert float(c0) == pytest.approx(0.02, rel=0.15)
    assert float(c1) == pytest.approx(0.015, rel=0.3)


def test_the_camera_is_recovered_from_unpaired_sets():
    network = fitted()
    assert value(network, "gain") == pytest.approx(0.7, rel=0.1)
    assert value(network, "offset") == pytest.approx(-0.1, abs=0.05)
    assert value(network, "spread") < 0.1


def test_images_of_unequal_exposure_are_noticed():
    assert value(fitted(spread=0.4), "spread") == pytest.approx(0.4, rel=0.4)


def test_its_noise_has_the_measured_variance():
    network = fitted()
    network.train()
    flat = torch.zeros(8, 1, 64, 64)
    expected = value(network, "c0") + value(network, "c1") * value(network, "offset")
    assert float(network(flat).var()) == pytest.approx(expected, rel=0.1)


def test_predictions_are_free_of_draws():
    network, b = fitted().eval(), fields(2)
    assert torch.equal(network(b), network(b))
    np.testing.assert_allclose(network(b), value(network, "gain") * b + value(network, "offset"), atol=1e-6)


@pytest.mark.parametrize("learn", [False, True])
def test_it_learns_only_when_asked(learn):
    network = camera(example_domain(1), example_domain(1), learn=learn)
    assert {p.requires_grad for p in network.parameters()} == {learn}
    if learn:
        network(fields(0)).square().mean().backward()
        assert all(p.grad is not None for p in network.parameters())


def test_it_keeps_the_number_of_channels():
    with pytest.raises(RecipeError, match=r"keeps the number of channels, got 1 -> 3"):
        camera(example_domain(1), example_domain(3))

import math

import pytest
import torch
from torch.nn import functional as F

from isoscope.domain import Domain
from isoscope.saliency import content, grey_threshold, hard_mask, smooth, soft_mask, threshold

OPERATORS = ["mean", "channel", "optical_density", "local_std", "gradient_energy"]


def domain(saliency="mean", channels=1, **words):
    limits = tuple((0.0, 100.0 * (c + 1)) for c in range(channels))
    return Domain(
        **({"name": "a", "channels": channels, "limits": limits, "saliency": saliency, "polarity": 1} | words)
    )


@pytest.fixture
def image():
    return torch.rand(2, 3, 16, 20, generator=torch.Generator().manual_seed(0)) * 2 - 1


def test_mean_and_channel(image):
    assert torch.equal(content(image, domain(channels=3)), image.mean(1, keepdim=True))
    assert torch.equal(content(image, domain("channel", 3, saliency_channel=2)), image[:, 2:])


def test_optical_density_of_white_is_none_and_of_black_is_finite():
    white, black = torch.full((1, 3, 4, 4), 0.9), torch.full((1, 3, 4, 4), -1.0)
    assert torch.allclose(content(white, domain("optical_density", 3)), torch.zeros(1, 1, 4, 4), atol=1e-6)
    assert torch.allclose(content(black, domain("optical_density", 3)), torch.full((1, 1, 4, 4), -math.log(0.01)))


def test_texture_operators_see_texture_and_not_brightness():
    flat, noisy = torch.full((1, 1, 32, 32), 0.5), torch.randn(1, 1, 32, 32) * 0.2
    for operator in ("local_std", "gradient_energy"):
        assert content(flat, domain(operator)).max() < 2e-3
        assert content(noisy, domain(operator)).mean() > 0.05
        assert torch.allclose(content(noisy + 0.3, domain(operator)), content(noisy, domain(operator)), atol=1e-4)


def test_gradient_energy_of_a_ramp_is_its_slope():
    ramp = (torch.arange(16.0) / 8).expand(1, 1, 16, 16)
    assert torch.allclose(content(ramp, domain("gradient_energy"))[..., 1:-1], torch.tensor(1 / 8), atol=1e-4)


@pytest.mark.parametrize("operator", OPERATORS)
def test_every_operator_gives_one_float32_map_with_gradients(operator, image):
    x = image.to(torch.bfloat16).requires_grad_()
    found = content(x, domain(operator, 3))
    assert (found.shape, found.dtype) == ((2, 1, 16, 20), torch.float32)
    found.sum().backward()
    assert torch.isfinite(x.grad).all()
    assert x.grad.abs().sum() > 0


@pytest.mark.parametrize("operator", OPERATORS)
def test_thresholds_there_and_back(operator):
    made = domain(operator, 3, threshold=42.0, saliency_channel=1)
    assert grey_threshold(threshold(made), made) == pytest.approx(42.0)


def test_a_pixel_at_the_threshold_is_half_content():
    made = domain(threshold=25.0)
    x = torch.full((1, 1, 2, 2), -0.9 + 1.8 * 0.25)
    assert torch.allclose(soft_mask(x, made, 10.0), torch.tensor(0.5), atol=1e-5)


@pytest.mark.parametrize("operator", OPERATORS)
@pytest.mark.parametrize("polarity", [1, -1])
def test_the_soft_mask_sharpens_into_the_hard_one(operator, polarity, image):
    made = domain(operator, 3, threshold=0.2, polarity=polarity)
    sure = (content(image, made) - threshold(made)).abs() > 1e-3
    assert torch.equal((soft_mask(image, made, 1e4) > 0.5)[sure], hard_mask(image, made)[sure])


def test_opposite_polarity_is_the_opposite_mask(image):
    bright, dark = domain(channels=3, threshold=90.0), domain(channels=3, threshold=90.0, polarity=-1)
    both = soft_mask(image, bright, 10.0) + soft_mask(image, dark, 10.0)
    assert torch.allclose(both, torch.ones_like(both))


def test_smoothing_keeps_the_mean_and_any_size(image):
    assert torch.allclose(smooth(torch.full((1, 2, 3, 5), 0.3), 1.5), torch.tensor(0.3))
    spot = F.pad(torch.ones(1, 1, 1, 1), (12, 12, 12, 12))
    assert float(smooth(spot, 1.5).sum()) == pytest.approx(1.0, abs=1e-5)
    assert smooth(image, 1.5).std() < image.std() / 2


def test_a_blur_is_made_in_float32_whatever_autocast_says(image):
    plain = smooth(image, 4.0)  # on some processors the same in bfloat16 never ends
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(smooth(image, 4.0), plain)
        assert smooth(image.bfloat16(), 4.0).dtype == torch.float32


def test_neighbouring_planes_have_maps_of_their_own(image):
    planes = domain("mean", 3).model_copy(update={"context": 1, "limits": ((0.0, 100.0),) * 3})
    assert torch.equal(content(image, planes), image)
    assert torch.equal(planes.by_plane(image), image.reshape(6, 1, 16, 20))
    two = torch.cat([image, image + 1], 1)  # two channels of three planes
    both = planes.model_copy(update={"channels": 6, "limits": ((0.0, 100.0),) * 3 + ((0.0, 50.0),) * 3})
    assert torch.allclose(content(two, both), image + 0.5)
    second = both.model_copy(update={"saliency": "channel", "saliency_channel": 1})
    assert torch.equal(content(two, second), image + 1)
    assert threshold(second) == threshold(domain("mean", 1, limits=((0.0, 50.0),)))

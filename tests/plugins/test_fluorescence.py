"""What a fluorescence microscope makes of a mask is measured on unpaired images."""

import numpy as np
import pytest
import torch

from isoscope.errors import RecipeError
from isoscope.intensity import Intensity
from isoscope.preparation.depth import depth_of
from isoscope.saliency import smooth
from isoscope.testing import check_generator, example_domain
from isoscope_networks.fluorescence import fluorescence

DEPTH = example_domain(1, limits=((0.0, 4.0),), dtype="uint8", threshold=0.5)
SEEN = example_domain(1, limits=((100.0, 1100.0),), dtype="uint16", threshold=350.0)
BACKGROUND, BRIGHTNESS, READ = 150.0, 500.0, 6.0


def masks(seed, count=8, side=96):
    """Depth of discs of radius 9 in many places, [count, 1, side, side]."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side]
    made = []
    for _ in range(count):
        labels = np.zeros((side, side), np.uint8)
        for n, (cy, cx) in enumerate(rng.uniform(0, side, (12, 2)), 1):
            labels[(y - cy) ** 2 + (x - cx) ** 2 <= 81] = n
        made.append(depth_of(labels, 4))
    return torch.from_numpy(np.stack(made))[:, None]


def photographed(depth, sigma):
    """Grey values of evenly bright objects."""
    light = BRIGHTNESS * (1 - (-depth).exp())
    return BACKGROUND + smooth(light, sigma) + READ * torch.randn(depth.shape)


def fitted(blur, **parameters):
    torch.manual_seed(0)
    network = fluorescence(DEPTH, SEEN, **parameters)
    clean, seen = masks(0), photographed(masks(1), blur)
    network.fit(Intensity(DEPTH.limits).normalise(clean), Intensity(SEEN.limits).normalise(seen))
    return network, {name: quantity.values[0] for name, quantity in network.describe().items()}


def test_it_conforms():
    check_generator(fluorescence)


@pytest.mark.parametrize("sigma", [1.0, 2.0])
def test_light_and_blur_are_recovered_from_unpaired_sets(sigma):
    found = fitted(sigma)[1]
    assert found["background"] == pytest.approx(BACKGROUND, abs=15)
    assert found["brightness"] == pytest.approx(BRIGHTNESS, rel=0.15)
    assert found["sigma"] == pytest.approx(sigma, abs=0.6)
    assert found["read_noise"] == pytest.approx(READ, rel=0.3)
    assert found["brightness_spread"] < 25


def test_what_it_makes_is_where_the_masks_are_and_varies_where_it_draws():
    network = fitted(1.0, sigma=1.0)[0]
    depth = masks(2)
    b = Intensity(DEPTH.limits).normalise(depth)
    plain = Intensity(SEEN.limits).grey_values(network.eval()(b))
    assert float(plain[depth == 0].median()) == pytest.approx(BACKGROUND, abs=20)
    assert float(plain[depth == 4].median()) == pytest.approx(BACKGROUND + BRIGHTNESS, rel=0.2)
    network.train()
    assert not torch.equal(network(b), network(b))


def test_images_without_objects_leave_it_finite():
    network = fluorescence(DEPTH, SEEN)
    network.fit(Intensity(DEPTH.limits).normalise(masks(0)), torch.full((2, 1, 64, 64), -0.8))
    assert torch.isfinite(network(Intensity(DEPTH.limits).normalise(masks(1)))).all()


def test_it_maps_one_channel_to_one():
    with pytest.raises(RecipeError, match="maps 1 channel to 1, got 1 -> 3"):
        fluorescence(DEPTH, example_domain(3))

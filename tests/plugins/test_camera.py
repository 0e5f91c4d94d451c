"""Generators whose form is physics: what they are made of is recovered from unpaired images, and stays physical."""

import math

import numpy as np
import pytest
import torch

from isoscope import kinds
from isoscope.errors import RecipeError
from isoscope.intensity import Intensity
from isoscope.saliency import smooth
from isoscope.testing import check_generator, example_domain
from isoscope_networks.camera import camera
from isoscope_networks.luminance import luminance
from isoscope_networks.psf import psf

CLEAN = example_domain(1, limits=((50.0, 1050.0),), dtype="uint16", pixel_size=(1.0, 0.1, 0.1))
NOISY = example_domain(1, limits=((90.0, 400.0),), dtype="uint16", pixel_size=(1.0, 0.1, 0.1))
GAIN, OFFSET, READ, SHOT = 0.25, 80.0, 4.0, 0.8


def fields(seed, count=24, sharp=4.0):
    """Smooth random structures, grey values from 130 to 970, [count, 1, 64, 64]."""
    noise = torch.randn(count, 1, 64, 64, generator=torch.Generator().manual_seed(seed))
    return 550 + 420 * (smooth(noise, sharp) * 2.2 * sharp).tanh()


def photographed(clean, spread=0.0, seed=9):
    """What a camera of known gain, offset and noise makes of grey values."""
    g = torch.Generator().manual_seed(seed)
    mean = GAIN * clean + OFFSET
    variance = READ**2 + SHOT * (mean - NOISY.limits[0][0])
    exposure = (spread * torch.randn(len(clean), 1, 1, 1, generator=g)).exp()
    return mean + exposure * variance.sqrt() * torch.randn(mean.shape, generator=g)


def fitted(network, clean, noisy):
    network.fit(Intensity(CLEAN.limits).normalise(clean), Intensity(NOISY.limits).normalise(noisy))
    return {name: quantity.values[0] for name, quantity in network.describe().items()}


def measured(spread=0.0):
    network = camera(CLEAN, NOISY)
    return network, fitted(network, fields(0), photographed(fields(1), spread))


def test_the_camera_is_recovered_from_unpaired_sets_in_grey_values():
    found = measured()[1]
    assert found["gain"] == pytest.approx(GAIN, rel=0.1)
    assert found["offset"] == pytest.approx(OFFSET, abs=10)
    assert found["read_noise"] == pytest.approx(READ, rel=0.5)
    assert found["shot_noise"] == pytest.approx(SHOT, rel=0.3)
    assert found["spread"] < 10


def sparse(seed):
    """The same structures where a clean set has few of them."""
    return (2 * fields(seed) - 970).clamp_min(130)


def test_the_dark_end_is_right_where_one_set_has_more_content_than_the_other():
    full, few = fields(1), sparse(0)
    assert few.mean() < 0.7 * full.mean()
    found = fitted(camera(CLEAN, NOISY), few, photographed(full))
    assert found["gain"] == pytest.approx(GAIN, rel=0.15)
    assert found["offset"] == pytest.approx(OFFSET, abs=10)


@pytest.mark.parametrize("declared", [{"gain": GAIN}, {"offset": OFFSET}, {"gain": GAIN, "offset": OFFSET}])
@pytest.mark.parametrize("make", [camera, psf])
def test_what_is_declared_stays_and_the_rest_is_measured_by_it(make, declared):
    found = fitted(make(CLEAN, NOISY, **declared), fields(0), photographed(fields(1)))
    for name, value in declared.items():
        assert found[name] == pytest.approx(value, rel=1e-4)
    assert found["gain"] == pytest.approx(GAIN, rel=0.1)
    assert found["offset"] == pytest.approx(OFFSET, abs=10)


def test_an_offset_brighter_than_the_images_is_refused():
    with pytest.raises(RecipeError, match=r"got offset 5000.*expected less than"):
        fitted(camera(CLEAN, NOISY, offset=5000.0), fields(0), photographed(fields(1)))


def test_units_are_those_of_the_noisy_images():
    units = {name: q.unit for name, q in camera(CLEAN, NOISY).describe().items()}
    assert units["offset"] == units["read_noise"] == "grey values"
    assert units["shot_noise"] == "variance per grey value"


def test_images_of_unequal_exposure_are_noticed():
    assert measured(spread=0.4)[1]["spread"] == pytest.approx(40, rel=0.4)


def test_its_noise_has_the_measured_variance():
    network = measured()[0].train()
    middle = Intensity(CLEAN.limits).normalise(torch.full((64, 1, 64, 64), 550.0))
    made = Intensity(NOISY.limits).grey_values(network(middle).detach())
    variance = READ**2 + SHOT * (GAIN * 550 + OFFSET - NOISY.limits[0][0])
    assert float(made.var()) == pytest.approx(variance, rel=0.15)


def counted(clean, per_photon, seed=9):
    """What a camera that counts photons makes of grey values, full at the upper limit."""
    g = torch.Generator().manual_seed(seed)
    return OFFSET + per_photon * torch.poisson(GAIN * clean / per_photon, generator=g)


@pytest.mark.parametrize("per_photon", [10.0, 40.0])
def test_noise_of_few_photons_is_as_lopsided_as_theirs(per_photon):
    network = camera(CLEAN, NOISY)
    found = fitted(network, fields(0, 96), counted(fields(1, 96), per_photon))
    assert found["skewness"] == pytest.approx(1, abs=0.35)
    assert found["shot_noise"] == pytest.approx(per_photon, rel=0.15)
    level = Intensity(CLEAN.limits).normalise(torch.full((32, 1, 64, 64), 200.0))
    network.get_buffer("highest")[:] = math.inf
    made = Intensity(NOISY.limits).grey_values(network.train()(level).detach()).flatten()
    expected = (per_photon / (GAIN * 200)) ** 0.5
    assert float(((made - made.mean()) / made.std()).pow(3).mean()) == pytest.approx(expected, rel=0.35)


def test_nothing_leaves_the_range_of_the_noisy_images():
    network, full = camera(CLEAN, NOISY), 200.0
    fitted(network, fields(0), photographed(fields(1)).clamp(120, full))
    made = Intensity(NOISY.limits).grey_values(network.train()(Intensity(CLEAN.limits).normalise(fields(2))).detach())
    assert float(made.max()) == pytest.approx(full, rel=1e-4)
    assert float(made.min()) >= 120 - 1e-2


def test_what_it_says_is_what_it_does():
    network, found = measured()
    made = network.eval()(Intensity(CLEAN.limits).normalise(torch.full((1, 1, 4, 4), 300.0)))
    grey = Intensity(NOISY.limits).grey_values(made.detach())
    assert float(grey.mean()) == pytest.approx(found["gain"] * 300 + found["offset"], rel=1e-4)


def test_predictions_are_free_of_draws():
    network, b = measured()[0].eval(), fields(2) / 600 - 1
    assert torch.equal(network(b), network(b))
    assert not torch.equal(network(b), network.train()(b))


def test_given_noise_stays_where_it_is():
    network, b, z = camera(CLEAN, NOISY).eval(), fields(2, 3) / 600 - 1, torch.randn(3, 2, 64, 64)
    part = (..., slice(8, 40), slice(20, 44))
    assert torch.equal(network(b, z)[part], network(b[part], z[part]))


@pytest.mark.parametrize("make", [camera, psf, lambda b, a, **k: psf(b, a, sigma=1.0, **k)])
@pytest.mark.parametrize("learn", [False, True])
def test_it_learns_only_when_asked(make, learn):
    network = make(CLEAN, NOISY, learn=learn)
    assert {p.requires_grad for p in network.parameters()} == {learn}
    if learn:
        check_generator(lambda b, a: make(b, a, learn=True), inputs=CLEAN, outputs=NOISY)


@pytest.mark.parametrize("name", ["camera", "psf"])
def test_they_keep_the_number_of_channels(name):
    with pytest.raises(RecipeError, match=rf"'{name}' keeps the number of channels, got 1 -> 3"):
        kinds.generators[name](example_domain(1), example_domain(3))


@pytest.mark.parametrize("sigma", [1.0, 2.5])
def test_blur_and_camera_are_recovered_from_unpaired_sets(sigma):
    clean, others = fields(0, 64, 1.5), fields(1, 64, 1.5)
    found = fitted(psf(CLEAN, NOISY), clean, photographed(smooth(others, sigma)))
    assert found["sigma"] == pytest.approx(sigma, rel=0.15)
    assert found["sigma_physical"] == pytest.approx(found["sigma"] * 0.1)
    assert found["gain"] == pytest.approx(GAIN, rel=0.15)
    assert found["offset"] == pytest.approx(OFFSET, abs=20)
    assert found["shot_noise"] == pytest.approx(SHOT, rel=0.4)


def test_sigma_in_micrometers_needs_a_pixel_size():
    bare = NOISY.model_copy(update={"pixel_size": None})
    assert "sigma_physical" not in psf(CLEAN, bare).describe()
    assert psf(CLEAN, NOISY).describe()["sigma_physical"].unit == "micrometers"


def test_a_declared_sigma_is_taken_at_its_word():
    network = psf(CLEAN, NOISY, sigma=1.3)
    assert fitted(network, fields(0), photographed(fields(1)))["sigma"] == pytest.approx(1.3)
    point = torch.full((1, 1, 41, 41), -0.9)
    point[..., 20, 20] = 0.9
    spread = network.eval()(point)[0, 0].detach()
    spread = (spread - spread.min()) / (spread - spread.min()).sum()
    x = torch.arange(41.0) - 20
    assert float((spread.sum(0) * x**2).sum()) == pytest.approx(1.3**2, rel=0.02)


def test_a_sigma_beyond_the_largest_is_refused():
    with pytest.raises(RecipeError, match="got sigma 8; expected"):
        psf(CLEAN, NOISY, sigma=8.0)


def trained(make_method, name, steps=3, **parameters):
    """A c2GAN with such a way back after a few steps at a rate far too high, with what its parameters were before."""
    target = example_domain(3) if name == "luminance" else example_domain()
    method = make_method(
        example_domain(), target, None, 32, rate=1.0, backward={"name": name, "learn": True, **parameters}
    )
    before = {k: v.detach().clone() for k, v in method.backward_net.named_parameters()}
    for step in range(steps):
        a, b = (torch.rand(2, d.channels, 32, 32) * 1.8 - 0.9 for d in (example_domain(), target))
        method.step(a, b, step / steps)
    return method, before


@pytest.mark.parametrize("name", ["camera", "psf", "luminance"])
def test_c2gan_moves_every_parameter_and_leaves_it_physical(name, make_method):
    method, before = trained(make_method, name)
    after = dict(method.backward_net.named_parameters())
    assert before
    assert all(not torch.equal(before[k], after[k]) for k in before)
    found = method.backward_net.describe()
    assert all(math.isfinite(v) for q in found.values() for v in q.values)
    positive = [q for k, q in found.items() if k != "offset"]
    assert all(v > 0 for q in positive for v in q.values)
    if name == "psf":
        assert found["sigma"].values[0] <= 6
    if name == "luminance":
        assert sum(found["weights"].values) == pytest.approx(1)


def colours(seed, count=8):
    """Tissue-like colours: two stains in varying amounts, grey values [count, 3, 32, 32]."""
    g = torch.Generator().manual_seed(seed)
    amounts = torch.rand(count, 2, 32, 32, generator=g) * torch.tensor([1.2, 0.8])[:, None, None]
    stains = torch.tensor([[0.65, 0.70, 0.29], [0.07, 0.99, 0.11]])
    return 255 * torch.exp(-torch.einsum("nshw,sc->nchw", amounts, stains))


def test_learnable_weights_begin_where_the_grey_values_are_those_of_the_other_set():
    weights = torch.tensor([0.2, 0.5, 0.3])
    colour, grey = example_domain(3), example_domain(1)
    network = luminance(colour, grey, learn=True)
    greys = (colours(1) * weights[:, None, None]).sum(1, keepdim=True)
    network.fit(Intensity(colour.limits).normalise(colours(0)), Intensity(grey.limits).normalise(greys))
    np.testing.assert_allclose(network.describe()["weights"].values, weights, atol=0.05)


def test_fixed_weights_are_not_measured():
    network = luminance(example_domain(3), example_domain(1))
    network.fit(torch.rand(1, 3, 32, 32), torch.rand(1, 1, 32, 32))
    assert network.describe()["weights"].values == pytest.approx((0.299, 0.587, 0.114))
    assert not list(network.parameters())


@pytest.mark.parametrize("weights", [(0.5, 0.5, 0.0), (0.9, 0.9, 0.9)])
def test_weights_that_cannot_be_learned_from_are_refused(weights):
    with pytest.raises(RecipeError, match="expected positive ones that sum to 1"):
        luminance(example_domain(3), example_domain(1), weights=weights, learn=True)

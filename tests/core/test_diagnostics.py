import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from isoscope.domain import Domain
from isoscope.saliency import smooth
from isoscope.watching.diagnostics import Agreement, agreement, kappa, rank_correlation

SIGNS = [(1, 1), (1, -1), (-1, 1), (-1, -1)]


def domain(polarity, channels=1):
    return Domain(name="x", channels=channels, limits=((-1.0, 1.0),) * channels, polarity=polarity, threshold=0.0)


@pytest.fixture(scope="module")
def content():
    """Half of the area is content, at 1; the rest lies at -1."""
    noise = torch.randn(4, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    field = smooth(noise, 4.0)
    return torch.tanh(12 * (field - field.median()) / field.std())


@pytest.mark.parametrize(("p_a", "p_b"), SIGNS)
def test_all_polarities_tell_a_true_from_an_inverted_map(content, p_a, p_b):
    a, b = p_a * 0.5 * content, p_b * 0.7 * content
    true, inverted = (agreement(a, sign * b, domain(p_a), domain(p_b)) for sign in (1, -1))
    assert min(true.rank, true.kappa) > 0.95
    assert max(inverted.rank, inverted.kappa) < -0.95
    assert (true.inverted, inverted.inverted) == (False, True)
    assert (true.doubtful, inverted.doubtful) == (False, True)


def test_unrelated_content_is_doubtful_and_not_inverted_by_one_number_alone(content):
    found = agreement(content, content.roll(2, 0).flip(-1), domain(1), domain(1))
    assert abs(found.kappa) < 0.3
    assert Agreement(-0.1, 0.1).inverted is False
    assert Agreement(0.1, -0.1).inverted is False
    assert Agreement(-0.1, -0.1).inverted is True


def test_noise_of_the_input_is_not_held_to_be_content(content):
    noisy = content + torch.randn(content.shape, generator=torch.Generator().manual_seed(1))
    found = agreement(noisy, content, domain(1), domain(1))
    assert min(found.rank, found.kappa) > 0.85


def test_channels_and_grids_may_differ(content):
    colours = content.expand(-1, 3, -1, -1)[:, :, ::2, ::2]
    found = agreement(content, colours, domain(1), domain(1, 3))
    assert min(found.rank, found.kappa) > 0.85


def test_constant_images_have_nothing_to_say():
    flat = torch.zeros(2, 1, 16, 16)
    assert agreement(flat, flat, domain(1), domain(1)) == Agreement(0.0, 0.0)


def test_ranks_are_those_of_scipy_with_ties():
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 5, 200), rng.integers(0, 5, 200)
    y[:100] = x[:100]
    assert rank_correlation(x, y) == pytest.approx(spearmanr(x, y).statistic, abs=1e-12)
    assert np.isnan(rank_correlation(x, np.zeros(200)))


@pytest.mark.parametrize("area", [0.2, 0.5])
def test_kappa_of_unrelated_masks_is_nothing_at_any_area(area):
    one, other = np.random.default_rng(0).random((2, 100_000)) < area
    assert abs(kappa(one, other)) < 0.01
    assert kappa(one, one) == pytest.approx(1.0)
    assert kappa(one, ~one) < -0.4

"""Every loss conforms, and is the formula it says."""

import math

import pytest
import torch

from isoscope import kinds
from isoscope.cycle import Cycle
from isoscope.errors import RecipeError
from isoscope.saliency import hard_mask, smooth, soft_mask
from isoscope.testing import check_loss, example_domain


@pytest.mark.parametrize("name", kinds.losses)
def test_every_loss_conforms(name):
    check_loss(kinds.losses[name])


@pytest.mark.parametrize("slope", [1.0, 100.0])
def test_saliency_of_any_sensible_slope_conforms(slope):
    check_loss(lambda: kinds.losses["saliency"](slope=slope))


def hard():
    def loss(cycle):
        a, b = hard_mask(cycle.real_a, cycle.source), hard_mask(cycle.fake_b, cycle.target)
        return (a.float() - b.float()).abs().mean()

    return loss


def hidden_hard():
    """Attached to the graph, so that `requires_grad` is true; its gradient is zero all the same."""
    return lambda cycle: hard()(cycle) + 0.0 * cycle.fake_b.sum()


def saturated():
    return lambda cycle: soft_mask(cycle.fake_b, cycle.target, 1e6).mean()


def per_image():
    return lambda cycle: (cycle.fake_b - cycle.rec_b).abs().mean((1, 2, 3))


def infinite():
    return lambda cycle: cycle.fake_b.mean() / 0.0


def weighty(*, weight: float = 1.0):
    return lambda cycle: weight * cycle.fake_b.mean()


def exploding():
    """The root of zero: its value is 0, its slope is not a number."""
    return lambda cycle: (cycle.fake_b - cycle.fake_b.detach()).square().sum().sqrt() + 0.1 * cycle.fake_b.mean()


class Reversed:
    """A least-squares game in which both sides play for the other's goal."""

    def __call__(self, cycle):
        return sum(s.square().mean() + s.mean() for s in cycle.scores.values())

    def discriminator(self, real, fake):
        return real.square().mean() + (fake - 1).square().mean()


class Mapped(Reversed):
    def __call__(self, cycle):
        return sum((s - 1).square().mean() for s in cycle.scores.values())

    def discriminator(self, real, fake):
        return (real - 1).square() + fake.square()


class Swapped(Reversed):
    def __call__(self, cycle):
        return sum((s - 1).square().mean() for s in cycle.scores.values())


@pytest.mark.parametrize(
    ("spoilt", "said"),
    [
        (hard, "no gradient"),
        (hidden_hard, "zero"),
        (saturated, "zero"),
        (per_image, "scalar"),
        (infinite, "finite"),
        (exploding, "NaN or infinite gradient"),
        (Mapped, "expected a scalar"),
        (weighty, "a parameter weight, which every term"),
        (Reversed, "fall as the scores"),
        (Swapped, "lower where real"),
    ],
)
def test_conformance_tells_losses_that_break_their_contract(spoilt, said):
    with pytest.raises(AssertionError, match=said):
        check_loss(spoilt)


@pytest.fixture
def scored(images, cycle_of):
    """scored(a=score, b=score): a cycle whose fakes score this."""

    def make(**scores):
        one = example_domain()
        cycle = cycle_of(*(images() for _ in range(4)), one, one)
        cycle.scores = {side: torch.full((2, 1, 3, 3), value) for side, value in scores.items()}
        return cycle

    return make


def test_least_squares_play_towards_the_label(scored):
    loss = kinds.losses["lsgan"](label=0.9)
    assert loss(scored(a=0.9, b=0.9)).item() == 0
    assert loss(scored(a=0.4, b=0.0)).item() == pytest.approx(0.25 + 0.81)
    assert loss.discriminator(torch.tensor(0.4), torch.tensor(0.2)).item() == pytest.approx(0.5 * (0.25 + 0.04))


def test_cross_entropy_is_the_formula_of_the_paper(scored):
    loss = kinds.losses["bce"]()
    assert loss(scored(b=0.3)).item() == pytest.approx(-math.log(1 / (1 + math.exp(-0.3))))
    want = -math.log(1 / (1 + math.exp(-0.3))) - math.log(1 - 1 / (1 + math.exp(0.8)))
    assert loss.discriminator(torch.tensor(0.3), torch.tensor(-0.8)).item() == pytest.approx(want)


def test_hinge_stops_caring_beyond_the_margin(scored):
    loss = kinds.losses["hinge"]()
    assert loss(scored(a=2.0, b=-0.5)).item() == pytest.approx(-1.5)
    assert loss.discriminator(torch.tensor([1.5, 0.5]), torch.tensor([-3.0, 0.0])).item() == pytest.approx(0.75)


@pytest.mark.parametrize("name", ["lsgan", "bce", "hinge"])
def test_adversarial_terms_are_zero_where_no_discriminator_exists(name, scored):
    assert kinds.losses[name]()(scored()).item() == 0


@pytest.mark.parametrize("name", ["cycle", "saliency", "identity"])
def test_content_terms_are_means_so_that_weights_hold_for_any_patch_and_batch(name, images):
    one, loss = example_domain(), kinds.losses[name]()

    def value(a, b):
        return loss(Cycle(a, b, lambda x: x * 0.5, lambda x: x * -0.7, source=one, target=one)).item()

    a, b = images(), images()
    twice, wide = (lambda x: torch.cat([x, x])), (lambda x: torch.cat([x, x], dim=3))
    for enlarge in (twice, wide):
        assert value(enlarge(a), enlarge(b)) == pytest.approx(value(a, b), rel=1e-5)


def test_cycle_is_the_mean_absolute_error_of_both_ways(images):
    one = example_domain()
    cycle = Cycle(images(), images(), lambda x: x + 0.3, lambda x: x - 0.1, source=one, target=one)
    assert kinds.losses["cycle"]()(cycle).item() == pytest.approx(0.4, abs=1e-5)


def cycle_error(real, rec, domain, **operators):
    """The cycle term of side b alone, where a is recovered exactly."""
    cycle = Cycle(real, real, None, None, source=domain, target=domain)
    cycle.rec_a, cycle.rec_b = real, rec
    return kinds.losses["cycle"](**operators)(cycle).item()


def test_what_an_operator_removes_does_not_count_in_the_cycle(images):
    one, real = example_domain(), images()
    checks = torch.ones(2, 1, 32, 32)
    checks[..., ::2, ::2] = checks[..., 1::2, 1::2] = -1
    rec = real + 0.3 * checks
    assert cycle_error(real, rec, one) == pytest.approx(0.3, rel=1e-4)
    assert cycle_error(real, rec, one, decimation_b=2) == pytest.approx(0, abs=1e-6)
    assert cycle_error(real, rec, one, blur_b=2.0) < 0.01
    assert cycle_error(real, rec, one, decimation_a=2) == pytest.approx(0.3, rel=1e-4)


def test_a_shift_of_all_pixels_counts_after_every_operator(images):
    colour, real = example_domain(3), images(3)
    seen = {"decimation_b": 4, "blur_b": 1.5, "luminance_b": True}
    assert cycle_error(real, real + 0.2, colour, **seen) == pytest.approx(0.2, rel=1e-4)


def test_luminance_in_the_cycle_is_that_of_grey_values(images):
    limits = ((0.0, 100.0), (0.0, 200.0), (50.0, 250.0))
    colour, real = example_domain(3, limits=limits), images(3)
    grey = torch.tensor([10.0, 0.0, -10.0 * 0.299 / 0.114])  # grey values that leave luminance as it is
    moved = grey * 1.8 / torch.tensor([100.0, 200.0, 200.0])
    rec = real + moved[:, None, None]
    assert cycle_error(real, rec, colour) > 0.1
    assert cycle_error(real, rec, colour, luminance_b=True) == pytest.approx(0, abs=1e-6)


def test_luminance_of_anything_but_rgb_is_refused(images):
    with pytest.raises(RecipeError, match="luminance for 1 channels"):
        cycle_error(images(), images(), example_domain(), luminance_b=True)


@pytest.mark.parametrize("changes", [{"decimation_a": 2, "blur_b": 1.0}, {"luminance_b": True, "decimation_b": 3}])
def test_operators_let_gradients_through(changes):
    check_loss(lambda: kinds.losses["cycle"](**changes), source=example_domain(3), target=example_domain(3))


def test_identity_compares_each_generator_on_its_own_output_domain(images):
    one = example_domain()
    cycle = Cycle(images(), images(), lambda x: x + 0.3, lambda x: x - 0.1, source=one, target=one)
    assert kinds.losses["identity"]()(cycle).item() == pytest.approx(0.4, abs=1e-5)


def test_identity_refuses_domains_of_unequal_channels(images):
    cycle = Cycle(images(1), images(3), None, None, source=example_domain(1), target=example_domain(3))
    with pytest.raises(RecipeError, match="equal channels"):
        kinds.losses["identity"]()(cycle)


def returned(back):
    """A cycle whose G(F(b)) is what `back` makes of b."""
    torch.manual_seed(0)
    b = torch.randn(4, 1, 64, 64)
    grey = example_domain()
    return Cycle(b, b, lambda x: back(x), lambda x: x, source=grey, target=grey)


@pytest.mark.parametrize(
    ("gain", "expected"), [(1.0, 0.0), (0.8, 0.0), (0.5, math.log(0.6 / 0.25)), (2.0, math.log(4 / 1.7))]
)
def test_spectrum_is_the_distance_to_the_allowed_power(gain, expected):
    assert kinds.losses["spectrum"]()(returned(lambda x: gain * x)).item() == pytest.approx(expected, abs=1e-4)


def test_spectrum_asks_for_the_detail_that_smoothing_takes():
    term = kinds.losses["spectrum"]()
    assert term(returned(lambda x: smooth(x, 1.5))) > 0.5
    assert term(returned(lambda x: smooth(x, 0.3))) < 0.01, "beyond half of Nyquist nothing is asked"


def test_spectrum_does_not_care_where_things_are():
    assert kinds.losses["spectrum"]()(returned(lambda x: x.roll(7, 2).flip(3))).item() < 0.2


def test_spectrum_refuses_bounds_that_forbid_equality():
    with pytest.raises(RecipeError, match="high"):
        kinds.losses["spectrum"](high=0.9)


def test_cycle_can_ask_for_either_side_alone():
    torch.manual_seed(0)
    a, b, grey = torch.randn(2, 1, 8, 8), torch.randn(2, 1, 8, 8), example_domain()

    def value(**parameters):
        cycle = Cycle(a, b, lambda x: 2 * x, lambda x: x, source=grey, target=grey)
        return kinds.losses["cycle"](**parameters)(cycle).item(), cycle

    both, only_b = value()[0], value(weight_a=0.0)
    assert only_b[0] == pytest.approx(b.abs().mean().item(), rel=1e-6)
    assert "fake_b" not in vars(only_b[1]), "G(a) costs time and is not asked for"
    assert both == pytest.approx(only_b[0] + value(weight_b=0.0)[0], rel=1e-6)
    assert value(weight_a=0.5)[0] == pytest.approx(both - 0.5 * a.abs().mean().item(), rel=1e-6)
    with pytest.raises(RecipeError, match="weight_a"):
        kinds.losses["cycle"](weight_a=0.0, weight_b=0.0)


@pytest.mark.parametrize(("error", "best"), [("absolute", 0.0), ("squared", 0.25)])
def test_the_best_answer_is_the_median_or_the_mean(error, best):
    """Of three like pixels one is 0.75 and two are 0: what constant has the least loss?"""
    truth, grey = torch.tensor([0.0, 0.0, 0.75]).expand(1, 1, 3, 3), example_domain()

    def value(answer):
        cycle = Cycle(truth, truth, lambda x: torch.full_like(x, answer), lambda x: x, source=grey, target=grey)
        return kinds.losses["cycle"](weight_a=0.0, error_b=error)(cycle).item()

    assert min(torch.linspace(-0.5, 1, 31).tolist(), key=value) == pytest.approx(best, abs=0.01)

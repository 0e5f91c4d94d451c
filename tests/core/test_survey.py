import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from isoscope.errors import DataError, RecipeError
from isoscope.intensity import Intensity
from isoscope.recipe import DomainRecipe
from isoscope.survey import polarity_of, survey
from isoscope.volume import ArrayVolume, Box

BRIGHT = DomainRecipe(polarity="bright")


def grey(array, axes="YX"):
    return [ArrayVolume(np.asarray(array), axes)]


def pixels(volume):
    return volume.read(Box.whole(volume.header.shape))


def inverted(volumes):
    return [ArrayVolume(255 - pixels(v)) for v in volumes]


def test_what_a_domain_says_of_itself(source):
    domain = survey(source, DomainRecipe(), "source")
    assert (domain.name, domain.channels, domain.dtype, domain.depth, domain.rgb) == ("source", 1, "uint8", 1, False)
    (low, high), cut = domain.limits[0], domain.threshold
    assert 0 <= low < 20 < cut < 150 < high <= 255
    assert 0.05 < domain.foreground < 0.5


def test_polarity_follows_the_content(source):
    assert survey(source, DomainRecipe(), "source").polarity == 1
    dark = survey(inverted(source), DomainRecipe(), "source")
    assert dark.polarity == -1
    assert dark.foreground < 0.5


def test_twice_the_same(source):
    assert survey(source, BRIGHT, "source") == survey(source, BRIGHT, "source")


def test_what_is_declared_is_taken_as_given(source):
    declared = DomainRecipe(limits=((0, 200),), threshold=90.0, polarity="dark")
    domain = survey(source, declared, "source", strict=True)
    assert (domain.limits, domain.threshold, domain.polarity) == (((0.0, 200.0),), 90.0, -1)


@pytest.mark.parametrize("threshold", [64.05226686265735, 0.1, 33.3, 1e-3, 0.0])
@pytest.mark.parametrize("limits", [((10.0, 211.0),), ((0.1, 184.7),)])
def test_a_declared_threshold_comes_back_to_the_bit(source, threshold, limits):
    declared = DomainRecipe(limits=limits, threshold=threshold, polarity="bright")
    assert survey(source, declared, "source").threshold == threshold


def test_the_threshold_separates_content_in_grey_values(source, blobs):
    scaled = [ArrayVolume(pixels(v).astype(np.uint16) * 100 + 1000) for v in source]
    one, other = survey(source, BRIGHT, "a"), survey(scaled, BRIGHT, "a")
    assert other.threshold == pytest.approx(one.threshold * 100 + 1000, rel=0.02)
    assert other.foreground == pytest.approx(one.foreground, abs=0.01)


def test_an_undetermined_polarity_is_reported_or_refused():
    even = grey(np.random.default_rng(0).normal(100, 10, (64, 64)).astype(np.float32))
    assert survey(even, DomainRecipe(), "target").polarity == 0
    with pytest.raises(RecipeError, match=r"--set target\.polarity=bright or =dark$"):
        survey(even, DomainRecipe(), "target", strict=True)


@pytest.mark.parametrize("turned", [False, True])
def test_automatic_polarity_refuses_where_half_is_content(turned):
    """Protocol 5A: at half foreground the complement is as good an image, and a guess would be right half the time."""
    rng = np.random.default_rng(0)
    field = gaussian_filter(rng.standard_normal((256, 256)), 4.0, mode="wrap")
    mask = 1 / (1 + np.exp(-12 * (field - np.median(field)) / field.std()))
    image = 0.25 + 0.45 * (1 - mask if turned else mask) + rng.normal(0, 0.06, mask.shape)
    domain = survey(grey(image.astype(np.float32)), DomainRecipe(), "source")
    assert domain.polarity == 0
    assert domain.foreground == pytest.approx(0.5, abs=0.05)
    with pytest.raises(RecipeError, match=r"^source: cannot tell whether .*--set source\.polarity=bright or =dark$"):
        survey(grey(image.astype(np.float32)), DomainRecipe(), "source", strict=True)


@pytest.mark.parametrize("sign", [1, -1])
def test_polarity_needs_tail_and_texture_to_agree(sign):
    rng = np.random.default_rng(1)
    background, content = rng.normal(0, 1, 9000), rng.normal(20, 5, 1000)
    assert polarity_of(sign * np.concatenate([background, content]), sign * 9.0) == sign
    flat = np.concatenate([rng.normal(0, 5, 9000), rng.normal(20, 1, 1000)])
    assert polarity_of(sign * flat, sign * 12.0) == 0
    assert polarity_of(np.full(10, 3.0), 3.0) == 0


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_numbers_are_refused(bad):
    image = np.random.default_rng(0).random((32, 32), np.float32)
    image[3, 4] = bad
    with pytest.raises(DataError, match="NaN or infinite"):
        survey(grey(image), BRIGHT, "source")


def test_a_constant_channel_is_refused_by_number():
    image = np.random.default_rng(0).random((2, 32, 32), np.float32)
    image[1] = 7
    with pytest.raises(DataError, match=r"^source: channel 1 is constant \(7\)"):
        survey(grey(image, "CYX"), BRIGHT, "source")


def test_a_nearly_empty_image_falls_back_to_its_extremes():
    image = np.zeros((64, 64), np.uint8)
    image[5, 5] = 200
    assert survey(grey(image), BRIGHT, "source").limits == ((0.0, 200.0),)


@pytest.mark.parametrize("other", [np.ones((40, 40), np.uint16), np.ones((3, 40, 40), np.uint8)])
def test_images_of_two_kinds_are_refused(source, other):
    mixed = [*source, ArrayVolume(other, "YX" if other.ndim == 2 else "CYX")]
    with pytest.raises(DataError, match="give images of one kind"):
        survey(mixed, BRIGHT, "source")


def test_stacks_of_two_depths_are_refused_where_planes_are_channels(blobs):
    stacks = [blobs(0, planes=3), blobs(1, planes=4)]
    assert survey(stacks, BRIGHT, "source").channels == 1
    with pytest.raises(DataError, match=r"^source: .* 4 planes, .* 3;"):
        survey(stacks, BRIGHT, "source", "stack")


def test_limits_need_one_entry_per_channel(source):
    with pytest.raises(RecipeError, match=r"^source\.limits has 2 entries; expected one per channel, 1$"):
        survey(source, DomainRecipe(limits=((0, 1), (0, 1))), "source")


def test_a_saliency_channel_that_does_not_exist_is_refused(source):
    with pytest.raises(RecipeError, match=r"^source\.saliency_channel is 3; expected one of the 1 channels, from 0$"):
        survey(source, DomainRecipe(saliency="channel", saliency_channel=3), "source")


def test_colour_as_grey_has_one_channel(blobs):
    colour = [blobs(seed, channels=3, rgb=True) for seed in range(2)]
    plain, grey_ = survey(colour, BRIGHT, "target"), survey(colour, DomainRecipe(grey=True), "target")
    assert (plain.channels, plain.rgb, len(plain.limits)) == (3, True, 3)
    assert (grey_.channels, grey_.rgb, len(grey_.limits)) == (1, False, 1)


def test_planes_of_a_stack_are_channels_with_limits_of_their_own(blobs):
    domain = survey([blobs(0, planes=5)], BRIGHT, "source", "stack")
    assert (domain.channels, domain.depth, len(domain.limits)) == (5, 5, 5)


def test_limits_cover_the_whole_set_not_one_image():
    ramp = np.tile(np.arange(64, dtype=np.uint16), (64, 1))
    domain = survey([*grey(ramp), *grey(ramp + 1000)], BRIGHT, "source")
    assert domain.limits[0][0] < 64
    assert domain.limits[0][1] > 1000
    low, high = Intensity(domain.limits).threshold(0.0), Intensity(domain.limits).threshold(1063.0)
    assert (low, high) == (pytest.approx(-0.9, abs=0.02), pytest.approx(0.9, abs=0.02))

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from isoscope import baselines, metrics
from isoscope.baselines import offers
from isoscope.errors import DataError
from isoscope.volume import ArrayVolume, Box, Header

RNG = np.random.default_rng


def volume(array, axes="YX", name="image", rgb=False):
    shape = ArrayVolume(array, axes).header.shape
    return ArrayVolume(array, axes, Header(name, shape, array.dtype, axes, rgb=rgb))


def pixels(given):
    return given.read(Box.whole(given.header.shape))


def scene(seed=0, size=(64, 64)):
    """Bright spots on a dark background, grey values 20 to 220."""
    spots = gaussian_filter((RNG(seed).random(size) < 0.01).astype(float), 2.0)
    return 20 + 200 * spots / spots.max()


def noisy(clean, sigma=20, seed=1):
    return clean + RNG(seed).normal(0, sigma, clean.shape)


def error(made, truth):
    return float(np.abs(pixels(made)[0, 0, 0] - truth).mean())


def tissue(seed, strengths=(1.0, 0.6), size=(96, 96)):
    """Two stains in varying amounts on white, uint8 RGB [Y, X, 3]."""
    amounts = gaussian_filter(RNG(seed).random((*size, 2)), (3, 3, 0))
    amounts = (amounts - amounts.min()) / np.ptp(amounts) * strengths
    stains = np.array([[0.65, 0.70, 0.29], [0.07, 0.99, 0.11]])
    return np.rint(255 * np.exp(-amounts @ stains)).astype(np.uint8)


def colour(seed, **more):
    return volume(tissue(seed, **more), "YXC", f"tissue{seed}", rgb=True)


FILTERS = {
    "Gaussian": lambda v: baselines.gaussian(v, 1.5),
    "non-local means": baselines.non_local_means,
    "Richardson-Lucy": lambda v: baselines.richardson_lucy(v, 1.0, 3),
}


@pytest.mark.parametrize("name", FILTERS)
def test_filters_keep_geometry_and_read_any_box_alike(name):
    given = volume(RNG(0).integers(0, 4000, (2, 3, 2, 21, 34)).astype(np.uint16), "TCZYX")
    (made,) = FILTERS[name]([given])
    assert made.header.shape == given.header.shape
    assert made.header.dtype == np.float32
    whole = pixels(made)
    box = Box((1, 1, 0, 3, 10), (2, 3, 2, 20, 31))
    np.testing.assert_array_equal(made.read(box), whole[box.slices])
    np.testing.assert_array_equal(pixels(FILTERS[name]([given])[0]), whole)


@pytest.mark.parametrize("name", ["Gaussian", "non-local means"])
def test_filters_remove_noise(name):
    clean = scene()
    (made,) = FILTERS[name]([volume(noisy(clean))])
    assert error(made, clean) < 0.6 * error(volume(noisy(clean)), clean)


@pytest.mark.parametrize("name", FILTERS)
@pytest.mark.parametrize("size", [(1, 1), (2, 3), (5, 40)])
def test_filters_take_images_of_any_size_and_constant_ones(name, size):
    for array in (np.zeros(size), np.full(size, 7.0), RNG(0).random(size)):
        made = pixels(FILTERS[name]([volume(array)])[0])
        assert np.isfinite(made).all()


def test_deconvolution_sharpens_and_keeps_the_scale():
    clean = scene()
    blurred = gaussian_filter(clean, 1.5)
    (made,) = baselines.richardson_lucy([volume(blurred)], 1.5, 20, black=20.0)
    assert error(made, clean) < 0.6 * error(volume(blurred), clean)
    assert pixels(made).mean() == pytest.approx(clean.mean(), rel=0.02)


def test_the_edge_is_not_taken_for_darkness():
    made = pixels(baselines.richardson_lucy([volume(np.full((30, 30), 100.0))], 2.0, 10)[0])
    np.testing.assert_allclose(made, 100, rtol=0.01)


def test_only_one_plane_is_computed_at_a_time(monkeypatch):
    seen = []

    def counted(plane, sigma):
        seen.append(plane.shape)
        return plane

    monkeypatch.setattr("scipy.ndimage.gaussian_filter", counted)
    (made,) = baselines.gaussian([volume(np.zeros((5, 16, 16), np.uint8), "ZYX")])
    made.read(Box((0, 0, 2, 0, 0), (1, 1, 3, 4, 4)))
    made.read(Box((0, 0, 2, 8, 8), (1, 1, 3, 16, 16)))
    assert seen == [(1, 16, 16)]


# --- tables


def test_matched_histograms_are_those_of_the_target_set():
    source, target = volume(noisy(scene(0))), volume(1000 - 3 * noisy(scene(1), seed=2))
    (made,) = baselines.matched_histograms([source], [source], [target])
    for q in (0.1, 0.5, 0.9):
        assert np.quantile(pixels(made), q) == pytest.approx(np.quantile(pixels(target), q), abs=1)


def test_matching_is_by_set_so_that_equal_grey_values_stay_equal():
    source = [volume(np.full((20, 20), v, np.uint8)) for v in (10, 20, 30)]
    target = [volume(np.full((20, 20), v, np.uint8)) for v in (100, 150, 200)]
    made = [pixels(v) for v in baselines.matched_histograms([*source, source[1]], source, target)]
    assert [float(m.mean()) for m in made] == pytest.approx([100, 150, 200, 150], abs=3)
    assert all(np.ptp(m) == 0 for m in made)


def test_grey_is_matched_to_each_colour():
    (made,) = baselines.matched_histograms([colour(0)], [colour(0)], [colour(1)], grey=True)
    assert made.header.shape[1] == 3
    assert made.header.rgb
    np.testing.assert_allclose(pixels(made).mean((0, 2, 3, 4)), pixels(colour(1)).mean((0, 2, 3, 4)), atol=2)


def test_the_luminance_table_gives_each_level_the_mean_colour_of_the_target():
    pink = np.zeros((4, 4, 3), np.uint8) + np.array([200, 100, 150], np.uint8)
    dark = np.zeros((4, 4, 3), np.uint8) + np.array([60, 20, 90], np.uint8)
    target = [volume(image, "YXC", rgb=True) for image in (pink, dark)]
    level = float(np.array([0.299, 0.587, 0.114]) @ pink[0, 0])
    (made,) = baselines.luminance_table([volume(np.full((2, 2), round(level), np.uint8))], target)
    np.testing.assert_allclose(pixels(made)[0, :, 0, 0, 0], [200, 100, 150])


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_a_table_of_any_type_colours_grey_tissue(dtype):
    scale = 1 if dtype == "uint8" else 100
    both = [volume(tissue(s, (1.0, 0.0)).astype(dtype) * scale, "YXC", rgb=True) for s in (0, 1)]
    (made,) = baselines.luminance_table([both[0]], [both[1]], grey=True)
    assert np.abs(pixels(made) - pixels(both[0])).mean() < 3 * scale


def test_a_tint_moves_grey_to_the_mean_colour():
    target = colour(1)
    (made,) = baselines.mean_tint([target], [target], grey=True)
    np.testing.assert_allclose(pixels(made).mean((0, 2, 3, 4)), pixels(target).mean((0, 2, 3, 4)), atol=0.5)


def test_stains_come_closer_to_the_target():
    pale, strong = colour(0, strengths=(0.6, 0.4)), [colour(s, strengths=(1.4, 1.0)) for s in (1, 2, 3)]
    before = abs(pixels(pale).mean() - pixels(strong[0]).mean())
    for method in ("reinhard", "macenko"):
        (made,) = baselines.stained_like([pale], strong, method)
        assert abs(pixels(made).mean() - pixels(strong[0]).mean()) < 0.5 * before


# --- tuning and offers


def test_the_best_candidate_on_the_pairs_is_chosen():
    clean = [scene(s) for s in range(3)]
    source = [volume(noisy(c, seed=s)) for s, c in enumerate(clean)]
    target = [volume(3 * c + 7) for c in clean]  # another scale: the fit is affine
    best = baselines.tuned(baselines.gaussian, [0.3, 1.5, 12.0], source, target)
    assert best == 1.5


def test_tuning_needs_pairs():
    one = [volume(scene())]
    with pytest.raises(DataError, match="got 1 and 2 images"):
        baselines.tuned(baselines.gaussian, [1.0], one, one * 2)
    with pytest.raises(DataError, match="expected equal ones"):
        baselines.tuned(baselines.gaussian, [1.0], one, [volume(scene(size=(64, 60)))])


GREY = [volume(scene(s).astype(np.uint8), name=f"g{s}") for s in range(2)]
COLOUR = [colour(s) for s in range(2)]
STACK = [volume(RNG(0).random((13, 40, 40)), "CYX")]


@pytest.mark.parametrize(
    ("source", "target", "grey", "names"),
    [
        (GREY, GREY, False, "input, Gaussian, non-local means, Richardson-Lucy, histogram matching"),
        (GREY, COLOUR, False, "input, histogram matching, luminance table"),
        (COLOUR, COLOUR, True, "input, histogram matching, luminance table"),
        (COLOUR, COLOUR, False, "input, Gaussian, non-local means, Richardson-Lucy, histogram matching, "
         "Reinhard, Macenko"),
        (STACK, COLOUR, False, ""),
    ],
)  # fmt: skip
def test_what_is_offered_fits_the_channels(source, target, grey, names):
    found = offers(source, target, grey=grey)
    assert ", ".join(found) == names
    for settle in found.values():
        (made,) = settle().apply(source[:1])
        assert made.header.shape[1] == target[0].header.shape[1]
        assert np.isfinite(pixels(made)).all()


def textured(seed, stack):
    """Labels in spots, and a stack that is rough where they are."""
    rng, (y, x) = RNG(seed), np.mgrid[:64, :64]
    centres = rng.uniform(8, 56, (2, 2))
    labels = 100 * sum(np.exp(-((y - a) ** 2 + (x - b) ** 2) / 128) for a, b in centres)
    planes = np.stack([50 + labels * rng.normal(0, 0.2, labels.shape) for _ in range(3)])
    return volume(planes.astype(np.float32), "ZYX") if stack else volume(labels.astype(np.float32))


def test_stacks_read_as_channels_have_a_table_of_texture_that_needs_no_pairs():
    stacks, labels = [textured(n, True) for n in range(3)], [textured(n + 3, False) for n in range(3)]
    found = offers(stacks, labels, planes="stack")
    assert list(found) == ["texture table"]
    made = found["texture table"]().apply([textured(9, True)])[0]
    truth = textured(9, False)
    assert made.header.shape == truth.header.shape == (1, 1, 1, 64, 64)
    values, wanted = (v.read(Box.whole(v.header.shape)).ravel() for v in (made, truth))
    assert np.corrcoef(values, wanted)[0, 1] > 0.8
    box = Box((0, 0, 0, 5, 7), (1, 1, 1, 20, 30))
    assert np.array_equal(made.read(box).ravel(), values.reshape(64, 64)[5:20, 7:30].ravel())


def test_with_pairs_there_is_the_best_linear_map_of_the_planes():
    rng = RNG(1)
    stacks = [volume(rng.random((4, 40, 40)).astype(np.float32), "ZYX") for _ in range(3)]
    weights = np.array([[1.0, -2.0, 0.5, 3.0], [0.0, 1.0, 1.0, 1.0]])

    def labelled(stack):
        planes = stack.read(Box.whole(stack.header.shape))[0, 0]
        return volume((np.tensordot(weights, planes, 1) + 7).astype(np.float32), "CYX")

    labels = [labelled(s) for s in stacks]
    found = offers(stacks[:1], labels[1:2], (stacks[:2], labels[:2]), planes="stack")
    assert list(found) == ["texture table", "linear map"]
    made = found["linear map"]().apply(stacks[2:])[0]
    whole = Box.whole(made.header.shape)
    np.testing.assert_allclose(made.read(whole), labels[2].read(whole), atol=1e-4)


def test_a_grey_model_is_compared_with_the_grey_input_not_with_its_colours():
    (made,) = offers(COLOUR, COLOUR, grey=True)["input"]().apply(COLOUR[:1])
    assert metrics.chroma_rmse(pixels(made)[0], np.repeat(pixels(made)[0][:1], 3, 0)) == 0


def test_where_parameters_come_from_is_said():
    clean = [volume(scene(s), name=f"c{s}") for s in range(2)]
    source = [volume(noisy(scene(s), seed=s), name=f"n{s}") for s in range(2)]
    default, best = (offers(source, clean, pairs)["Gaussian"]() for pairs in (None, (source, clean)))
    assert (default.parameters, default.note) == ({"sigma": 1.0}, "default, without pairs to tune on")
    assert best.note == "tuned on 2 pairs"
    assert best.parameters["sigma"] >= 1.0
    assert "sigma by the two sets' spectra" in offers(source, clean)["Richardson-Lucy"]().note

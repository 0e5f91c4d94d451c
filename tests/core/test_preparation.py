import os
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from isoscope import model as models
from isoscope import training
from isoscope.errors import DataError, RecipeError
from isoscope.frames import Frames
from isoscope.inference import Predictor, plan
from isoscope.overrides import merge, set_
from isoscope.preparation import Background, Preparation, Stain, staining
from isoscope.preparation.prepared import PreparedVolume, prepared
from isoscope.preparation.settling import measured
from isoscope.preparation.stain import measure
from isoscope.proposal import propose
from isoscope.recipe import DomainRecipe, Recipe, parse, resolved
from isoscope.run import Run
from isoscope.survey import survey
from isoscope.volume import ArrayVolume, Box, Header

BRIGHT = DomainRecipe(polarity="bright")


def pixels(volume):
    return volume.read(Box.whole(volume.header.shape))


def shifted(volumes, by):
    return [ArrayVolume(pixels(v).astype(np.uint16) + np.uint16(by)) for v in volumes]


def prepare(side, **how):
    return {side: {"prepare": how}}


# ---- nothing, by default


def test_by_default_the_very_same_volumes_are_read(source):
    assert DomainRecipe().prepare == Preparation()
    assert all(a is b for a, b in zip(source, prepared(source, Preparation()), strict=True))


def test_the_yaml_of_a_recipe_shows_what_there_is():
    written = yaml.safe_load(Recipe().to_yaml())
    nothing = {"offset": None, "background": None, "labels": None, "stain": None, "scale": None, "sides": False}
    assert written["source"]["prepare"] == nothing
    assert parse(written) == Recipe()


def test_a_recipe_without_the_section_is_the_one_that_asks_for_nothing():
    assert parse({"source": {"grey": True}}).source.prepare == Preparation()


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ("source.prepare.ofset=3", r"unknown key 'source\.prepare\.ofset'; did you mean 'offset'\?$"),
        (
            "source.prepare.background.sigm=3",
            r"unknown key 'source\.prepare\.background\.sigm'; did you mean 'sigma'\?$",
        ),
        ("source.prepare.background.sigma=0", r"source\.prepare\.background\.sigma = 0 cannot stand: "),
        ("source.prepare.offset=dark", r"source\.prepare\.offset = 'dark' cannot stand: .*number of grey values, auto"),
        ("source.prepare.offset=.nan", r"source\.prepare\.offset = nan cannot stand: "),
        ("source.prepare.offset=true", r"source\.prepare\.offset = True cannot stand: "),
        ("target.prepare.stain=vahadane", r"target\.prepare\.stain\.name = 'vahadane' cannot stand: "),
    ],
)
def test_a_wrong_key_is_refused_by_name(item, message):
    with pytest.raises(RecipeError, match=message) as caught:
        parse(set_([item]))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ("target.prepare.background.sigma=5", r"^target\.prepare\.background cannot be undone"),
        ("source.prepare.stain=reinhard", r"^got source\.prepare\.stain; expected .* target"),
    ],
)
def test_what_cannot_be_undone_or_known_is_refused(item, message):
    with pytest.raises(RecipeError, match=message):
        resolved(parse(set_([item])))


# ---- offset


def test_an_offset_given_on_the_command_line_reaches_the_recipe():
    assert parse(set_(["source.prepare.offset=100"])).source.prepare.offset == 100
    assert parse(set_(["source.prepare.offset=auto"])).source.prepare.offset == "auto"


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "uint32", "float32", "float64"])
def test_an_offset_is_subtracted_without_clipping(dtype):
    values = np.arange(96).reshape(8, 12).astype(dtype)
    read = pixels(PreparedVolume(ArrayVolume(values, "YX"), Preparation(offset=30)))
    assert read.dtype == np.float32
    assert np.array_equal(read[0, 0, 0], np.arange(96).reshape(8, 12) - 30.0)


def test_large_integers_are_not_rounded_before_the_offset_is_subtracted():
    values = np.uint32(2**31) + np.arange(20, dtype=np.uint32).reshape(4, 5)
    read = pixels(PreparedVolume(ArrayVolume(values, "YX"), Preparation(offset=2.0**31)))
    assert np.array_equal(read.ravel(), np.arange(20))


def test_the_survey_counts_from_the_offset(source):
    plain, less = survey(source, BRIGHT, "source"), survey(shifted(source, 500), offset_of(500), "source")
    assert less.dtype == "uint16"
    for mine, other in zip(less.limits[0], plain.limits[0], strict=True):
        assert mine == pytest.approx(other, abs=1e-3)
    assert (less.threshold, less.foreground) == (pytest.approx(plain.threshold, abs=0.1), plain.foreground)


def offset_of(value):
    return DomainRecipe(polarity="bright", prepare=Preparation(offset=value))


def test_an_automatic_offset_is_a_low_percentile_of_the_set(source):
    auto = measured(shifted(source, 500), Preparation(offset="auto")).offset
    values = np.concatenate([pixels(v).ravel() for v in shifted(source, 500)])
    assert auto == pytest.approx(np.percentile(values, 0.1))
    assert measured(shifted(source, 500), Preparation(offset="auto")).offset == auto


def test_an_automatic_offset_is_written_into_the_recipe_and_stays(source, target, tiny):
    user = tiny(**prepare("source", offset="auto"), target={"prepare": {"offset": 7}})
    made = propose(shifted(source, 500), target, task="denoise", preset="cpu", user=user).recipe
    assert 450 < made.source.prepare.offset < 560
    assert made.target.prepare.offset == 7
    # the recipe alone gives the same run, whatever images a second survey would find
    again = propose(source, target, task=None, user=yaml.safe_load(made.to_yaml())).recipe
    assert again == made


def test_a_run_of_an_unsettled_recipe_records_the_number(source, target, proposed, tmp_path):
    recipe = proposed().replaced(source={"prepare": {"offset": "auto"}}, training={"steps": 1})
    folder = training.train(recipe, source, target, tmp_path / "run")
    number = models.load(folder).recipe.source.prepare.offset
    assert isinstance(number, float)
    assert yaml.safe_load((folder / "recipe.yaml").read_text())["source"]["prepare"]["offset"] == number


def test_training_sees_the_same_patches_with_an_offset_as_without(source, target, proposed, tmp_path):
    plain = Run(proposed(), source, target, tmp_path)
    recipe = proposed().replaced(source={"prepare": {"offset": 500}})
    less = Run(recipe, shifted(source, 500), target, tmp_path)
    assert np.array_equal(plain.samplers[0](3), less.samplers[0](3))


def test_the_offsets_of_both_sides_leave_and_come_back(source, target, untrained):
    """The same network on shifted images gives the same output, shifted by what was the target's offset."""
    floats = {"output": {"dtype": "float32"}}
    plain = untrained(source, target, **floats)
    keys = merge(prepare("source", offset=500), prepare("target", offset=90))
    limits = {s: {"limits": getattr(plain.recipe, s).limits, "threshold": 60.0} for s in ("source", "target")}
    moved = untrained(shifted(source, 500), shifted(target, 90), **merge(merge(floats, keys), limits))
    image = pixels(source[0])[0, 0, 0].astype(np.float32)
    moved.network.load_state_dict(plain.network.state_dict())
    one, other = Predictor(plain).predict(image), Predictor(moved).predict(image + 500)
    assert other == pytest.approx(one + 90, abs=1e-2)
    tiled = Predictor(moved).predict(image + 500, tile=8)
    assert np.abs(tiled - other).max() < 1e-3 * np.ptp(other)


# ---- background


@given(
    size=st.tuples(st.integers(1, 60), st.integers(1, 60)),
    sigma=st.floats(0.5, 12),
    corner=st.tuples(st.integers(0, 59), st.integers(0, 59)),
    offset=st.sampled_from([None, 40.0]),
)
@settings(max_examples=40, deadline=None)
def test_any_box_of_a_plane_has_the_pixels_of_the_whole(size, sigma, corner, offset):
    image = np.random.default_rng(0).uniform(0, 255, (2, *size)).astype(np.float32)
    volume = PreparedVolume(ArrayVolume(image, "ZYX"), Preparation(offset=offset, background=Background(sigma=sigma)))
    y, x = (min(c, n - 1) for c, n in zip(corner, size, strict=True))
    box = Box((0, 0, 1, y, x), (1, 1, 2, min(size[0], y + 9), min(size[1], x + 7)))
    assert volume.read(box) == pytest.approx(pixels(volume)[box.slices], abs=1e-4)


def test_slow_background_goes_and_what_is_small_stays():
    y, x = np.mgrid[:128, :128]
    slope, spot = 2.0 * x + y, 100 * np.exp(-((y - 64) ** 2 + (x - 64) ** 2) / 8)
    how = Preparation(background=Background(sigma=12))
    read = pixels(PreparedVolume(ArrayVolume(slope + spot, "YX"), how))[0, 0, 0]
    inner = read[40:-40, 40:-40]
    assert np.abs(inner[0]).max() < 2
    assert inner.max() == pytest.approx(100, abs=5)


def test_the_tile_size_never_changes_the_picture_with_background_subtracted(source, target, untrained):
    keys = merge(prepare("source", background={"sigma": 6}), {"output": {"dtype": "float32"}})
    predictor = Predictor(untrained(source, target, **keys))
    image = np.random.default_rng(1).uniform(0, 255, (70, 53)).astype(np.float32)
    whole = predictor.predict(image, tile=80)
    for tile in (8, 16, 33):
        assert np.abs(predictor.predict(image, tile=tile) - whole).max() < 1e-3 * np.ptp(whole)


def test_a_subtracted_background_is_not_predicted_into(source, target, untrained):
    back = untrained(source, target, direction="b2a", **prepare("source", background={"sigma": 6}))
    with pytest.raises(DataError, match=r"^the model's source had its background subtracted, .* --direction;"):
        plan(back, target[0])


def test_values_that_are_not_numbers_are_still_refused():
    image = np.random.default_rng(0).random((32, 32), np.float32)
    image[3, 4] = np.inf
    for how in (Preparation(offset=3), Preparation(background=Background(sigma=3))):
        with pytest.raises(DataError, match="NaN or infinite"):
            Frames(PreparedVolume(ArrayVolume(image, "YX"), how)).read(0, slice(0, 8), slice(0, 8))


# ---- stain

METHODS = ["reinhard", "macenko"]
DATA = Path(os.environ.get("ISOSCOPE_TEST_DATA", Path(__file__).parents[3] / "shared" / "data"))
HEMATOXYLIN, EOSIN = np.array([0.65, 0.70, 0.29]), np.array([0.07, 0.99, 0.11])


def tissue(seed=0, dye=(HEMATOXYLIN, EOSIN), strength=(1.0, 1.0), size=96, dtype="uint8"):
    """Nuclei in haematoxylin on eosin and some glass, as Beer and Lambert see them; `dye` and `strength` restain."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size]
    nuclei = sum(
        np.exp(-((y - cy) ** 2 + (x - cx) ** 2) / 30) for cy, cx in rng.uniform(0, size, (14, 2))
    )  # fmt: skip
    ground = np.where(x < size * 0.85, 0.5 + 0.3 * rng.random((size, size)), 0.0)
    amounts = np.stack([1.6 * np.clip(nuclei, 0, 1) + 0.15 * (ground > 0), ground])
    density = np.einsum("kyx,kc->cyx", amounts * np.reshape(strength, (2, 1, 1)), np.stack(dye))
    white = np.iinfo(dtype).max
    return np.rint(white * np.exp(-density)).astype(dtype)


def restained(rgb):
    """The same tissue from another laboratory: each colour absorbs differently, and all of them more."""
    density = -np.log((rgb.astype(float) + 1) / 256) @ np.array([[1.15, 0.1, 0.05], [0.05, 0.85, 0.1], [0.0, 0.1, 1.2]])
    return np.clip(np.rint(256 * np.exp(-1.15 * density) - 1), 0, 255).astype(np.uint8)


def colour(array, name="slide"):
    header = Header(name, (1, 3, 1, *array.shape[1:]), array.dtype, "CYX", rgb=True)
    return ArrayVolume(array, "CYX", header)


def monuseg(size=400):
    from skimage.io import imread

    home = DATA / "he_monuseg" / "dev_train"
    if not home.is_dir():
        pytest.skip(f"no MoNuSeg tiles at {home}; set ISOSCOPE_TEST_DATA")
    return np.moveaxis(imread(sorted(home.glob("*.tif"))[0])[:size, :size, :3], -1, 0)


@pytest.fixture(params=["synthetic", "MoNuSeg"])
def pair(request):
    """One image in two stains."""
    one = tissue() if request.param == "synthetic" else monuseg()
    return [colour(one, "one"), colour(np.moveaxis(restained(np.moveaxis(one, 0, -1)), -1, 0), "other")]


def unified(volumes, method):
    how = measured(volumes, Preparation(stain=method))
    return [pixels(v) for v in prepared(volumes, how)], how


def apart(one, other):
    return float(np.abs(one.astype(float) - other.astype(float)).mean())


@pytest.mark.parametrize("method", METHODS)
def test_two_stains_of_one_image_come_together(pair, method):
    (one, other), _ = unified(pair, method)
    before, after = apart(*map(pixels, pair)), apart(one, other)
    assert before > 10
    assert after < 0.35 * before


@pytest.mark.parametrize("method", METHODS)
def test_the_median_image_keeps_its_stain_and_its_numbers_are_recorded(method):
    set_ = [colour(tissue(s, strength=(a, a)), f"s{s}") for s, a in enumerate((0.7, 1.0, 1.5))]
    after, how = unified(set_, method)
    assert how.stain.image == "s1"
    assert np.abs(after[1] - pixels(set_[1])).max() < 0.5
    assert [len(row) for row in how.stain.reference] == ([3, 3] if method == "reinhard" else [3, 3, 2])


@pytest.mark.parametrize("method", METHODS)
def test_measured_twice_the_same_and_by_numbers_alone(pair, method):
    (one, other), how = unified(pair, method)
    (again, _), same = unified(pair, method)
    assert same == how
    assert np.array_equal(one, again)
    read_back = parse({"target": {"prepare": Preparation.model_validate_json(how.model_dump_json()).model_dump()}})
    assert measured([pair[1]], read_back.target.prepare) == how
    assert np.array_equal(pixels(prepared([pair[1]], how)[0]), other)


@pytest.mark.parametrize("method", METHODS)
def test_a_patch_has_the_stain_of_its_whole_image(pair, method):
    how = measured(pair, Preparation(stain=method))
    volume = prepared(pair, how)[1]
    box = Box((0, 0, 0, 11, 20), (1, 3, 1, 43, 52))
    assert volume.read(box) == pytest.approx(pixels(volume)[box.slices], abs=1e-3)
    green = Box((0, 1, 0, 11, 20), (1, 2, 1, 43, 52))
    assert np.array_equal(volume.read(green), volume.read(box)[:, 1:2])


def test_macenko_finds_the_dyes_of_a_synthetic_slide():
    h, e, most = measure(np.moveaxis(tissue(), 0, -1).reshape(-1, 3) / 255, "macenko")
    assert np.dot(h, HEMATOXYLIN / np.linalg.norm(HEMATOXYLIN)) > 0.99
    assert np.dot(e, EOSIN / np.linalg.norm(EOSIN)) > 0.98
    assert min(most) > 0.5


def test_large_images_are_sampled_by_a_seed(monkeypatch):
    monkeypatch.setattr(staining, "_WHOLE", 96 * 96 - 1)
    monkeypatch.setattr(staining, "_SIDE", 24)
    volume = colour(tissue())
    some = measured([volume], Preparation(stain="macenko"))
    assert some == measured([volume], Preparation(stain="macenko"))
    monkeypatch.undo()
    every = measured([volume], Preparation(stain="macenko"))
    assert np.hstack(some.stain.reference) == pytest.approx(np.hstack(every.stain.reference), abs=0.2)


@pytest.mark.parametrize("method", METHODS)
def test_sixteen_bits_are_as_good_as_eight(method):
    eight = [colour(tissue(s, strength=(a, 1))) for s, a in enumerate((0.8, 1.2))]
    sixteen = [colour(pixels(v)[0, :, 0].astype(np.uint16) * 257) for v in eight]
    for one, other in zip(unified(eight, method)[0], unified(sixteen, method)[0], strict=True):
        assert other / 257 == pytest.approx(one, abs=1e-2)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("value", [255, 250, 128, 0])
def test_an_empty_image_among_others_stays_as_it_is(method, value, caplog):
    empty = colour(np.full((3, 64, 64), value, np.uint8), "empty")
    after, how = unified([colour(tissue()), empty], method)
    assert how.stain.image == "slide"
    assert np.allclose(after[1], value, atol=1e-3)
    assert "empty has too little stain to measure; it is used as it is" in caplog.text


@pytest.mark.parametrize("method", METHODS)
def test_a_set_without_stain_is_refused(method):
    with pytest.raises(
        DataError, match=r"^none of the 1 images has enough stain .*; leave out target\.prepare\.stain$"
    ):
        measured([colour(np.full((3, 64, 64), 255, np.uint8))], Preparation(stain=method))


@pytest.mark.parametrize("array", [np.zeros((2, 8, 8), np.uint8), np.zeros((3, 8, 8), np.float32)])
def test_what_is_not_rgb_is_refused(array):
    with pytest.raises(DataError, match=r"expected RGB of uint8 or uint16 .*; leave out target\.prepare\.stain, "):
        measured([ArrayVolume(array, "CYX")], Preparation(stain="reinhard"))


@pytest.mark.parametrize("rows", [((1, 2, 3),), ((1, 2, 3), (1, 2)), ((1, 2, 3), (1, 2, 3), (1, 2))])
def test_numbers_of_another_shape_are_refused(rows):
    with pytest.raises(RecipeError, match=r"target\.prepare\.stain\.reference = .* cannot stand: "):
        parse({"target": {"prepare": {"stain": {"name": "reinhard", "reference": rows}}}})


def test_another_stain_over_a_settled_one_drops_its_numbers():
    settled = {"stain": {"name": "reinhard", "image": "a", "reference": ((1, 2, 3), (1, 2, 3))}}
    merged = parse(merge({"target": {"prepare": settled}}, set_(["target.prepare.stain=macenko"])))
    assert merged.target.prepare.stain == Stain(name="macenko")


def test_a_run_learns_from_one_stain_and_keeps_its_numbers(blobs, tiny, tmp_path):
    slides = [colour(tissue(s, strength=(a, 1)), f"s{s}") for s, a in enumerate((0.7, 1.0, 1.4))]
    user = tiny(**prepare("target", stain="macenko"), training={"steps": 1})
    made = propose([blobs(0)], slides, task="coloration", preset="cpu", user=user)
    assert made.recipe.target.prepare.stain.image == "s1"
    assert made.target.dtype == "uint8"
    folder = training.train(made.recipe, [blobs(0)], slides, tmp_path / "run")
    assert models.load(folder).recipe.target.prepare == made.recipe.target.prepare
    assert Predictor(models.load(folder)).predict(pixels(blobs(1))[0, 0, 0]).dtype == np.uint8
    with pytest.raises(DataError, match=r"stain unified for training, .* --direction;"):
        plan(models.load(folder, "b2a"), slides[0])

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
from isoscope.preparation import Background, Preparation
from isoscope.preparation.prepared import PreparedVolume, prepared
from isoscope.preparation.settling import measured
from isoscope.proposal import propose
from isoscope.recipe import DomainRecipe, Recipe, parse, resolved
from isoscope.run import Run
from isoscope.survey import survey
from isoscope.volume import ArrayVolume, Box

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
    assert written["source"]["prepare"] == {"offset": None, "background": None, "stain": None}
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

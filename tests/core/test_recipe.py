import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from isoscope.errors import PluginError, RecipeError
from isoscope.overrides import merge, read, set_
from isoscope.recipe import Recipe, parse, resolved

nested = st.recursive(
    st.integers(), lambda inner: st.dictionaries(st.sampled_from(["a", "b", "name"]), inner, max_size=3), max_leaves=8
).filter(lambda value: isinstance(value, dict))


@given(nested)
@settings(max_examples=20, deadline=None)
def test_laying_a_mapping_over_itself_or_nothing_changes_nothing(values):
    assert merge(values, values) == merge(values, {}) == merge({}, values) == values


def test_merge_leaves_its_arguments_alone():
    base, over = {"a": {"b": 1}}, {"a": {"c": 2}}
    assert merge(base, over) == {"a": {"b": 1, "c": 2}}
    assert (base, over) == ({"a": {"b": 1}}, {"a": {"c": 2}})


@pytest.mark.parametrize(
    ("over", "expected"),
    [
        ({"width": 4}, {"name": "unet", "width": 4, "depth": 3}),
        ({"name": "unet", "width": 4}, {"name": "unet", "width": 4, "depth": 3}),
        ({"name": "resnet"}, {"name": "resnet"}),
        ("resnet", {"name": "resnet"}),
    ],
)
def test_a_component_of_another_name_takes_no_parameters_over(over, expected):
    base = {"net": {"name": "unet", "width": 16, "depth": 3}}
    assert merge(base, {"net": over}) == {"net": expected}


def test_overrides_are_yaml_and_the_last_one_wins():
    given = ["training.steps=5", "training.seed=1", "training.steps=7", "method.betas=[0.5, 0.9]", "task=denoise"]
    assert set_(given) == {"training": {"steps": 7, "seed": 1}, "method": {"betas": [0.5, 0.9]}, "task": "denoise"}


@pytest.mark.parametrize("item", ["training.steps", "=3", "a=[1"])
def test_an_override_that_is_none_is_refused(item):
    with pytest.raises(RecipeError, match=r"^got --set"):
        set_([item])


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"trainign": {}}, r"^mine: unknown key 'trainign'; did you mean 'training'\?$"),
        ({"training": {"step": 3}}, r"^mine: unknown key 'training\.step'; did you mean 'steps'\?$"),
        ({"training": {"steps": 0}}, r"^mine: training\.steps = 0 cannot stand: "),
        ({"training": 5}, r"^mine: training = 5 cannot stand: "),
        ({"losses": {"cycle": {"weight": -1}}}, r"^mine: losses\.cycle\.weight = -1 cannot stand: "),
        ({"source": {"polarity": "light"}}, r"^mine: source\.polarity = 'light' cannot stand: "),
        ({"version": 2}, r"^mine: version = 2 cannot stand: "),
    ],
)
def test_a_wrong_key_is_refused_by_name(values, message):
    with pytest.raises(RecipeError, match=message) as caught:
        parse(values, "mine")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "values",
    [
        {"source": {"limits": [[5, 5]]}},
        {"target": {"limits": [[5, 4]]}},
        {"source": {"percentiles": [60, 40]}},
        {"source": {"percentiles": [-1, 99]}},
        {"source": {"percentiles": [1, 101]}},
    ],
)
def test_limits_that_enclose_nothing_are_refused(values):
    with pytest.raises(RecipeError, match=r"(limits|percentiles) = .* cannot stand: "):
        parse(values)


def test_an_empty_section_means_the_defaults():
    assert parse({"training": None, "losses": None}) == Recipe()


def test_resolving_spells_everything_out_and_twice_changes_nothing(proposed):
    recipe = resolved(parse({"losses": {"sharp": {"use": "saliency"}}}))
    term = recipe.losses["sharp"].model_dump()
    assert (term["use"], term["slope"], term["weight"]) == ("saliency", 10.0, 1.0)
    assert recipe.method.parameters["forward"]["blocks"] == 6
    assert resolved(recipe) == recipe
    assert resolved(proposed()) == proposed()


@pytest.mark.parametrize(
    ("values", "error", "message"),
    [
        ({"task": "denoize"}, RecipeError, r"no task is called 'denoize'; did you mean 'denoise'\?"),
        ({"losses": {"cicle": {}}}, PluginError, r"no loss is called 'cicle'; did you mean 'cycle'\?"),
        ({"losses": {"lsgan": {"lable": 1}}}, RecipeError, r"losses 'lsgan': unknown key 'lable'; did you mean"),
        ({"method": {"forward": {"name": "unet", "depth": 9}}}, RecipeError, "generators 'unet': depth = 9 cannot"),
    ],
)
def test_unknown_plugins_and_parameters_are_refused(values, error, message):
    values = {**values, "method": {"name": "c2gan", **values.get("method", {})}}
    with pytest.raises(error, match=message):
        resolved(parse(values))


def test_yaml_and_json_round_trips(proposed, tmp_path):
    recipe = proposed()
    path = tmp_path / "recipe.yaml"
    path.write_text(recipe.to_yaml())
    assert resolved(parse(read(path))) == recipe
    assert resolved(Recipe.model_validate_json(recipe.model_dump_json())) == recipe
    assert list(yaml.safe_load(recipe.to_yaml())) == list(Recipe.model_fields)


def test_a_recipe_is_frozen(proposed):
    with pytest.raises(ValueError, match="frozen"):
        proposed().task = "other"


@pytest.mark.parametrize("text", ["a: [", "- 1\n- 2\n", "", "\x00"])
def test_a_file_that_holds_no_recipe_is_refused_in_one_line(text, tmp_path):
    path = tmp_path / "recipe.yaml"
    path.write_text(text)
    with pytest.raises(RecipeError, match=r"recipe\.yaml") as caught:
        read(path)
    assert "\n" not in str(caught.value)


def test_a_missing_recipe_says_how_to_get_one(tmp_path):
    with pytest.raises(RecipeError, match="isoscope init TASK"):
        read(tmp_path / "none.yaml")


@pytest.mark.parametrize(
    "keys",
    [{"output": {"dtype": "uint99"}}, {"source": {"threshold": float("inf")}}, {"training": {"ram_gib": float("nan")}}],
)
def test_what_would_fail_after_training_is_refused_before(keys):
    with pytest.raises(RecipeError, match="cannot stand"):
        parse({"task": "denoise", **keys})


@pytest.mark.parametrize(
    "given",
    [
        ["method.forward=residual", "method.forward.width=8"],
        ["method.forward.width=8", "method.forward=residual"],
        ["method.forward.name=residual", "method.forward.width=8"],
        ["method.forward={name: residual, width: 8}"],
    ],
)
def test_a_component_and_its_parameters_may_be_said_in_any_way(given):
    said = set_(given)
    assert said == {"method": {"forward": {"name": "residual", "width": 8}}}
    preset = {"method": {"forward": {"name": "unet", "width": 16, "depth": 2}}}
    assert merge(preset, said)["method"]["forward"] == {"name": "residual", "width": 8}


def test_a_plain_name_in_a_file_keeps_it_when_parameters_are_added():
    assert merge({"forward": "unet"}, {"forward": {"width": 8}}) == {"forward": {"name": "unet", "width": 8}}

import numpy as np
import pytest

from isoscope import kinds
from isoscope.errors import DataError, PluginError, RecipeError
from isoscope.parameters import Component
from isoscope.proposal import propose
from isoscope.recipe import Recipe
from isoscope.volume import ArrayVolume


def propose_denoise(source, target, preset="cpu", **user):
    return propose(source, target, task="denoise", preset=preset, user=user).recipe


@pytest.fixture
def colour(blobs):
    return [blobs(seed, channels=3, rgb=True) for seed in range(2)]


def test_the_preset_is_the_ground(source, target):
    recipe = propose_denoise(source, target)
    assert (recipe.preset, recipe.task) == ("cpu", "denoise")
    unet = {"name": "unet", "width": 16, "depth": 2, "norm": "none", "noise": 0, "head": "elu"}
    assert recipe.method.parameters["forward"] == unet
    assert recipe.training.steps == 6000


def test_the_task_lies_over_the_preset(blobs, colour):
    recipe = propose([blobs(0)], colour, task="coloration", preset="cpu").recipe
    assert recipe.method.parameters["backward"]["name"] == "luminance"
    forward = recipe.method.parameters["forward"]
    assert (forward["name"], forward["inner"]["name"], forward["inner"]["width"]) == ("tint", "unet", 16)
    assert (recipe.source.polarity, recipe.target.polarity) == ("dark", "dark")


@pytest.fixture
def lacking():
    """A task that proposes a loss and a generator that nobody has."""

    def lowlight(source, target, /):
        return Recipe(method={"name": "c2gan", "forward": "unet", "backward": "sensor"}, losses={"edges": {}})

    kinds.tasks.add("lowlight", lowlight)
    yield {"task": "lowlight", "preset": "cpu"}
    kinds.tasks.remove("lowlight")


@pytest.mark.parametrize(
    ("user", "missing"),
    [
        ({}, "generators plug-in 'sensor'"),
        ({"method": {"name": "c2gan", "backward": {"name": "unet"}}}, "losses plug-in 'edges'"),
    ],
)
def test_a_task_whose_proposal_is_not_installed_is_named(lacking, source, target, user, missing):
    with pytest.raises(PluginError) as caught:
        propose(source, target, user=user, **lacking)
    assert str(caught.value) == (
        f"tasks plug-in 'lowlight' of this process 0 proposes {missing}, not installed; ask the authors of this "
        f"process what brings it: of what it declares, all is installed"
    )


def test_what_is_missing_is_no_matter_where_the_user_says_otherwise(lacking, source, target):
    user = {"method": {"backward": {"name": "unet"}}, "losses": {"edges": {"use": "cycle"}}}
    assert propose(source, target, user=user, **lacking).recipe.losses["edges"].use == "cycle"
    assert "edges" not in propose(source, target, **{**lacking, "preset": "paper"}).recipe.losses
    with pytest.raises(PluginError, match=r"^no loss is called 'mine'"):  # not the task's fault
        propose(source, target, user={**user, "losses": {**user["losses"], "mine": {}}}, **lacking)


def test_what_the_tasks_distribution_declares_is_what_to_install(lacking, source, target, monkeypatch):
    monkeypatch.setattr("isoscope.provenance.absent", lambda distribution: ["acme-sensor"])
    with pytest.raises(PluginError, match=r"; install what this process needs: acme-sensor$"):
        propose(source, target, **lacking)


@pytest.mark.parametrize("preset", ["paper", "released", "utom"])
def test_a_published_preset_wins_over_the_task(blobs, colour, preset):
    recipe = propose([blobs(0)], colour, task="coloration", preset=preset).recipe
    parameters = recipe.method.parameters
    assert parameters["backward"]["name"] == parameters["forward"]["name"] != "luminance"
    assert recipe.target.polarity == "dark", "what the preset leaves open stays the task's"


@pytest.mark.parametrize(("preset", "name"), [("cpu", "unet"), ("default", "resnet"), ("supervised", None)])
def test_a_task_may_say_a_parameter_of_whatever_generator_there_is(source, target, preset, name):
    forward = propose_denoise(source, target, preset).method.parameters["forward"]
    assert forward["head"] == "elu"
    assert forward["name"] == name or name is None


@pytest.mark.parametrize(("preset", "side"), [("released", 128), ("utom", 256), ("cpu", 32), ("supervised", 32)])
def test_a_published_preset_keeps_its_patch(blobs, preset, side):
    colour = [blobs(1, (300, 300), channels=3, rgb=True)]
    made = propose([blobs(0, (300, 300))], colour, task="coloration", preset=preset).recipe
    assert made.training.patch == side
    assert (made.training.passes is None) == (preset != "cpu")


def test_the_user_wins_over_all(blobs, colour):
    user = {
        "source": {"polarity": "bright"},
        "training": {"steps": 7},
        "losses": {"cycle": {"weight": 3}},
        "method": {"backward": {"name": "luminance"}, "forward": {"width": 4}},
    }
    recipe = propose([blobs(0)], colour, task="coloration", preset="released", user=user).recipe
    assert (recipe.source.polarity, recipe.target.polarity) == ("bright", "dark")
    assert (recipe.training.steps, recipe.losses["cycle"].weight, recipe.losses["lsgan"].weight) == (7, 3, 1)
    assert recipe.method.parameters["backward"]["name"] == "luminance"
    assert recipe.method.parameters["forward"]["width"] == 4


def test_task_and_preset_may_come_from_the_users_keys(source, target):
    recipe = propose(source, target, user={"task": "denoise", "preset": "utom"}).recipe
    assert (recipe.task, recipe.preset) == ("denoise", "utom")
    assert propose(source, target, task="superres", preset="cpu", user={"task": "denoise"}).recipe.task == "superres"


def test_auto_is_written_down_as_what_it_was(source, target):
    assert propose_denoise(source, target, preset="auto").preset in ("cpu", "default")


@pytest.mark.parametrize(("side", "patch"), [(200, 64), (40, 40), (47, 40), (24, 24)])
def test_the_patch_shrinks_with_small_images(blobs, target, side, patch):
    large = [blobs(1, (256, 256))]
    assert propose_denoise([blobs(0, (side, 256))], large).training.patch == patch
    assert propose_denoise(large, [blobs(0, (256, side))]).training.patch == patch


def test_residual_blocks_follow_the_patch(blobs):
    large, small = [blobs(0, (200, 200))], [blobs(0, (100, 100))]
    released = propose_denoise(large, large, "released", training={"patch": 136}).method.parameters
    assert released["forward"]["blocks"] == 9
    assert propose_denoise(small, small, "released").method.parameters["forward"]["blocks"] == 6


def test_images_too_small_to_learn_from_are_refused(blobs, target):
    with pytest.raises(DataError, match=r"^speck is 15 x 40 px; expected at least 24 x 24"):
        propose_denoise([blobs(0, (15, 40), name="speck")], target)


def test_constant_images_are_refused_in_one_line(target):
    with pytest.raises(DataError, match=r"^source: channel 0 is constant \(7\)") as caught:
        propose_denoise([ArrayVolume(np.full((40, 40), 7, np.uint8), "YX")], target)
    assert "\n" not in str(caught.value)


def test_nan_is_refused_in_one_line(source):
    image = np.random.default_rng(0).random((40, 40), np.float32)
    image[:, 7] = np.nan
    with pytest.raises(DataError, match="array holds NaN or infinite values; expected finite") as caught:
        propose_denoise(source, [ArrayVolume(image, "YX")])
    assert "\n" not in str(caught.value)


def test_an_undetermined_polarity_is_refused_and_can_be_declared(source):
    even = [ArrayVolume(np.random.default_rng(0).normal(100, 9, (40, 40)).astype(np.float32), "YX")]
    with pytest.raises(RecipeError, match=r"^target: cannot tell .* --set target\.polarity=bright or =dark$"):
        propose(source, even, task="denoise", user={"target": {"polarity": "auto"}})
    declared = propose(source, even, task="denoise", user={"target": {"polarity": "dark"}}).recipe
    assert declared.target.polarity == "dark"


@pytest.mark.parametrize("preset", ["cpu", "default", "paper", "released", "utom"])
def test_a_settled_recipe_repeats_identically(source, target, preset):
    once = propose_denoise(source, target, preset)
    again = propose(source, target, user=once.model_dump(mode="json"))
    assert again.recipe == once
    third = propose(source, target, user=again.recipe.model_dump(mode="json"))
    assert (third.recipe, third.source, third.target) == (once, again.source, again.target)


def test_the_domains_are_those_of_the_recipe(source, target):
    made = propose(source, target, task="denoise", preset="cpu")
    assert made.source.limits == made.recipe.source.limits
    assert made.target.threshold == made.recipe.target.threshold
    assert made.source.polarity == 1


@pytest.mark.parametrize(
    ("words", "error", "message"),
    [
        ({}, RecipeError, "^no task given; expected --task with one of .*denoise"),
        ({"task": "denoize"}, PluginError, r"^no task is called 'denoize'; did you mean 'denoise'\?$"),
        ({"task": "denoise", "preset": "papre"}, RecipeError, r"did you mean 'paper'\?$"),
        ({"task": "denoise", "user": {"training": 5}}, RecipeError, "training = 5 cannot stand"),
        ({"task": "denoise", "user": {"training": {"patch": "big"}}}, RecipeError, "patch = 'big' cannot stand"),
        (
            {"task": "denoise", "preset": "paper", "user": {"training": {"patch": "2"}}},
            RecipeError,
            "patch = '2' cannot",
        ),
        ({"task": "denoise", "user": {"method": {"rat": 1}}}, RecipeError, r"did you mean 'rate'\?$"),
        ({"task": "denoise", "user": {"source": {"percentils": 1}}}, RecipeError, r"did you mean 'percentiles'\?$"),
    ],
)
def test_what_cannot_be_done_is_refused_in_one_line(source, target, words, error, message):
    with pytest.raises(error, match=message) as caught:
        propose(source, target, **words)
    assert "\n" not in str(caught.value)


def test_stacks_to_planes_are_read_as_channels(blobs):
    recipe = propose([blobs(0, planes=13)], [blobs(1, channels=3)], task="labeling", preset="cpu").recipe
    assert recipe.output.planes == "stack"
    assert (len(recipe.source.limits), len(recipe.target.limits)) == (13, 3)


def test_custom_needs_no_task_plugin(source, target):
    recipe = propose(source, target, task="custom", preset="cpu", user={"target": {"polarity": "bright"}}).recipe
    assert (recipe.task, recipe.source.polarity) == ("custom", "bright")


@pytest.mark.parametrize("preset", ["cpu", "default", "paper"])
def test_a_task_may_name_a_generator_by_a_plain_string(source, target, preset):
    kinds.tasks.add("terse", lambda a, b, /: Recipe(method=Component(name="c2gan", forward="unet")))
    try:
        made = propose(source, target, task="terse", preset=preset, user={"training": {"patch": 32}}).recipe
    finally:
        kinds.tasks.remove("terse")
    forward = made.method.parameters["forward"]
    assert forward["name"] == ("resnet" if preset == "paper" else "unet")

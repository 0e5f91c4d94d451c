"""Every task proposes a recipe that stands, and refuses in one line what it cannot do."""

import pytest

from isoscope import kinds
from isoscope.errors import DataError
from isoscope.recipe import Recipe
from isoscope.testing import check_task, example_domain

GREY, COLOUR, STACK = example_domain(1), example_domain(3), example_domain(1, depth=13)


@pytest.mark.parametrize("name", kinds.tasks)
def test_every_task_conforms(name, factory):
    check_task(factory("tasks", name))


def fickle(source, target):
    fickle.calls += 1
    return Recipe(training={"seed": fickle.calls})


fickle.calls = 0


def inventive(source, target):
    return Recipe(losses={"nonexistent": {}})


def mistaken(source, target):
    return Recipe(method={"name": "c2gan", "pooll": 3})


@pytest.mark.parametrize("spoilt", [fickle, inventive, mistaken, lambda s, t: {"task": "x"}])
def test_conformance_tells_tasks_that_break_their_contract(spoilt):
    with pytest.raises(AssertionError) as caught:
        check_task(spoilt)
    assert "\n" not in str(caught.value)


def local(source, target):
    """Stands over `cpu` alone, whose generator has a depth."""
    return Recipe(method={"name": "c2gan", "forward": {"depth": 3}})


def usual(source, target):
    """Every preset gives `lsgan` a label, which `hinge` does not take."""
    return Recipe(losses={"lsgan": {"use": "hinge"}})


@pytest.mark.parametrize(
    ("spoilt", "said"),
    [
        (local, "with preset default: generators 'resnet': unknown key 'depth'"),
        (usual, "with preset cpu: losses 'hinge': unknown key 'label'"),
    ],
)
def test_conformance_says_with_which_preset_a_proposal_fails(spoilt, said):
    with pytest.raises(AssertionError, match=f"^task proposes what cannot stand {said}"):
        check_task(spoilt)


def test_conformance_tries_every_preset_of_c2gan(monkeypatch):
    seen = []
    monkeypatch.setattr("isoscope.testing.tasks._check_over", lambda name, keys, recipe: seen.append(name))
    check_task(lambda s, t: Recipe(), source=GREY, target=GREY)
    assert seen == ["cpu", "default", "paper", "released", "utom", "cyclegan"]


@pytest.mark.parametrize("name", ["denoise", "superres"])
def test_restoration_refuses_unequal_channels(name):
    with pytest.raises(DataError, match="equal channels, got 1 and 3"):
        kinds.tasks[name](GREY, COLOUR)


@pytest.mark.parametrize(("name", "backward"), [("denoise", "camera"), ("superres", "psf")])
def test_restoration_goes_back_by_physics(name, backward):
    recipe = kinds.tasks[name](GREY, GREY)
    assert recipe.method.parameters["backward"] == {"name": backward}
    blurs = [term.component(label).parameters.get("blur_a", 0) for label, term in recipe.losses.items()]
    assert max(blurs) > 0, "the noisy side is compared without its noise"


def test_coloration_goes_back_by_luminance():
    recipe = kinds.tasks["coloration"](GREY, COLOUR)
    assert recipe.method.parameters["backward"]["name"] == "luminance"
    assert not recipe.source.grey
    assert (recipe.source.polarity, recipe.target.polarity) == ("dark", "dark")


def test_coloration_turns_colour_sources_grey():
    assert kinds.tasks["coloration"](COLOUR, COLOUR).source.grey


@pytest.mark.parametrize(("source", "target"), [(GREY, GREY), (example_domain(2), COLOUR)])
def test_coloration_refuses_what_has_no_colour_to_learn(source, target):
    with pytest.raises(DataError):
        kinds.tasks["coloration"](source, target)


@pytest.mark.parametrize(("source", "planes"), [(STACK, "stack"), (GREY, "xy")])
def test_labeling_reads_a_stack_with_its_planes_as_channels(source, planes):
    recipe = kinds.tasks["labeling"](source, COLOUR)
    assert recipe.output.planes == planes
    assert recipe.source.saliency == "local_std"


def test_labeling_begins_where_content_is_with_outputs_that_cannot_saturate():
    recipe = kinds.tasks["labeling"](STACK, COLOUR)
    assert recipe.losses["ranked"].schedule == "exp", "texture finds cells and not what they are: it has to fade"
    assert {recipe.method.parameters[side]["head"] for side in ("forward", "backward")} == {"linear"}


def test_segment_reads_labels_as_depth_and_goes_back_by_fluorescence():
    recipe = kinds.tasks["segment"](GREY, GREY)
    assert recipe.target.prepare.labels is not None
    assert recipe.method.parameters["backward"] == {"name": "fluorescence"}
    assert recipe.output.dtype == "float32", "depth between whole pixels would be lost"


@pytest.mark.parametrize("source", [COLOUR, example_domain(1, polarity=-1), example_domain(1, polarity=0)])
def test_segment_assumes_no_light_where_objects_are_not_bright(source):
    recipe = kinds.tasks["segment"](source, GREY)
    assert "backward" not in recipe.method.parameters
    assert not recipe.losses


def test_segment_refuses_labels_in_colour():
    with pytest.raises(DataError, match="one channel, got 3; choose it with --target-channels"):
        kinds.tasks["segment"](GREY, COLOUR)

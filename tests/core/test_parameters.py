from typing import TYPE_CHECKING, Annotated, Literal

import pytest
from pydantic import Field

from isoscope.errors import PluginError, RecipeError
from isoscope.kinds import generators
from isoscope.parameters import Component, Kind, build, resolve, schema
from isoscope.registry import Registry

if TYPE_CHECKING:
    from decimal import Decimal


def blur(domain, /, *, radius: Annotated[float, Field(gt=0)] = 1.5, mode: Literal["box", "disc"] = "box"):
    return domain, radius, mode


def chain(*, first: Annotated[Component, Kind("generators")] = Component(name="unet"), strength: float = 1.0):
    return first, strength


@pytest.fixture
def losses():
    made = Registry("losses")
    made.add("blur", blur)
    made.add("chain", chain)
    return made


def test_only_keyword_arguments_are_the_users():
    assert set(schema(blur).model_fields) == {"radius", "mode"}


def test_build_passes_the_cores_arguments_and_the_users(losses):
    assert build(losses, Component(name="blur", radius=2), "domain") == ("domain", 2.0, "box")


def test_resolve_spells_out_defaults_at_every_depth(losses):
    made = resolve(losses, Component(name="chain", first={"name": "unet", "width": 4})).model_dump()
    assert made == {
        "name": "chain",
        "first": {"name": "unet", "width": 4, "depth": 2, "norm": "instance", "noise": 0, "head": "tanh"},
        "strength": 1.0,
    }


def test_resolving_twice_changes_nothing():
    once = resolve(generators, Component(name="resnet", width=8))
    assert resolve(generators, once) == once


def test_a_component_may_be_a_bare_name():
    assert Component.model_validate("unet") == Component(name="unet")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"radios": 2}, r"^losses 'blur': unknown key 'radios'; did you mean 'radius'\?$"),
        ({"radius": -1}, r"^losses 'blur': radius = -1 cannot stand: input should be greater than 0$"),
        ({"mode": "star"}, r"^losses 'blur': mode = 'star' cannot stand: input should be 'box' or 'disc'$"),
    ],
)
def test_a_wrong_parameter_is_refused_by_name(losses, given, message):
    for use in (resolve, build):
        with pytest.raises(RecipeError, match=message):
            use(losses, Component(name="blur", **given))


def test_a_wrong_parameter_of_a_nested_component_is_refused(losses):
    with pytest.raises(RecipeError, match=r"^generators 'unet': unknown key 'widht'; did you mean 'width'\?$"):
        resolve(losses, Component(name="chain", first={"name": "unet", "widht": 4}))


def test_a_missing_parameter_is_asked_for(losses):
    def needy(*, speed: float):
        return speed

    losses.add("needy", needy)
    with pytest.raises(RecipeError, match=r"^losses 'needy': 'speed' is missing; set it$"):
        resolve(losses, Component(name="needy"))


def test_annotations_as_text_are_understood():
    def late(*, size: "Annotated[int, Field(ge=1)]" = 3):
        return size

    assert schema(late)().size == 3


def bare(*, speed=1.0):
    return speed


def swallows(**anything):
    return anything


def unresolvable(*, price: "Decimal"):
    return price


@pytest.mark.parametrize(
    ("factory", "message"),
    [
        (bare, "bare: parameter 'speed' has no annotation"),
        (swallows, r"swallows takes \*\*anything; expected named keyword-only parameters"),
        (unresolvable, "unresolvable: .*'price'.*Decimal"),
    ],
)
def test_a_factory_whose_parameters_cannot_be_validated_is_a_plugin_error(factory, message):
    with pytest.raises(PluginError, match=message):
        schema(factory)

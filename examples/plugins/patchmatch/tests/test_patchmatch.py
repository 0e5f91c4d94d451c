import pytest
from example_patchmatch import patchmatch
from torch import nn

from isoscope import kinds
from isoscope.errors import RecipeError
from isoscope.parameters import Component
from isoscope.recipe import Term
from isoscope.testing import check_loss, check_method, example_domain


def test_it_is_found_and_generators_can_learn_from_it():
    check_loss(kinds.losses["patchmatch"])


def test_its_projection_is_optimised_and_saved():
    network = Component.model_validate({"name": "resnet", "width": 2, "blocks": 1})

    def method(*core):
        return kinds.methods["c2gan"](*core, forward=network, backward=network)

    check_method(method, losses={"patchmatch": Term(), "cycle": Term()})


def test_a_generator_without_features_is_refused():
    with pytest.raises(RecipeError, match="a generator with features"):
        patchmatch().meet({"a2b": nn.Conv2d(1, 1, 1)}, example_domain(), example_domain())

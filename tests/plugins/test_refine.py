"""A refined image begins as the one that was read, in grey values, and learns what differs."""

import numpy as np
import pytest
import torch

from isoscope import kinds
from isoscope.errors import RecipeError
from isoscope.intensity import Intensity
from isoscope.proposal import propose
from isoscope.testing import check_generator, example_domain
from isoscope.volume import ArrayVolume, Header

A = example_domain(1, limits=((100.0, 900.0),), dtype="uint16")
B = example_domain(1, limits=((50.0, 1050.0),), dtype="uint16")


def refine(a=A, b=B, **changes):
    return kinds.generators["refine"](a, b, **changes)


def silenced(network):
    """Its correction switched off."""
    with torch.no_grad():
        network.inner.head.weight.zero_()
        network.inner.head.bias.zero_()
    return network


def test_without_a_correction_grey_values_stay_though_limits_differ():
    grey = torch.rand(2, 1, 32, 32) * 1000
    made = silenced(refine())(Intensity(A.limits).normalise(grey))
    assert torch.allclose(Intensity(B.limits).grey_values(made), grey, atol=1e-2)


def test_it_begins_near_what_it_reads():
    grey = torch.rand(2, 1, 32, 32) * 1000
    made = Intensity(B.limits).grey_values(refine().eval()(Intensity(A.limits).normalise(grey)))
    assert (made - grey).abs().mean() < 0.2 * 1000


def test_it_leaves_what_is_beyond_the_limits_of_the_target_where_it_is():
    """A tanh would cut the brightest grains off."""
    made = silenced(refine())(Intensity(A.limits).normalise(torch.full((1, 1, 32, 32), 2000.0)))
    assert Intensity(B.limits).grey_values(made).mean().item() == pytest.approx(2000, rel=1e-4)


@pytest.mark.parametrize("channels", [1, 2])
def test_it_conforms(channels):
    domain = example_domain(channels)
    check_generator(kinds.generators["refine"], inputs=domain, outputs=domain)


def test_other_channels_are_refused():
    with pytest.raises(RecipeError, match="got 1 -> 3"):
        refine(A, example_domain(3))


@pytest.mark.parametrize(("preset", "inner"), [("cpu", "unet"), ("default", "resnet")])
def test_axial_refines_by_the_network_of_the_preset(preset, inner):
    values = np.random.default_rng(0).integers(0, 255, (20, 64, 64)).astype(np.uint8)
    header = Header("stack", (1, 1, *values.shape), values.dtype, "ZYX", (2.0, 0.5, 0.5))
    volumes = [ArrayVolume(values, "ZYX", header)]
    user = {"target": {"polarity": "bright"}}
    forward = propose(volumes, volumes, task="axial", preset=preset, user=user).recipe.method.parameters["forward"]
    assert (forward["name"], forward["inner"]["name"]) == ("refine", inner)

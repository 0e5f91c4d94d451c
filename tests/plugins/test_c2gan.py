"""The c2GAN method: who steps, on what, and what stays still meanwhile."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from isoscope.errors import RecipeError
from isoscope.proposal import propose
from isoscope.recipe import Term
from isoscope.testing import check_method, example_domain
from isoscope.volume import ArrayVolume

COLOUR = example_domain(3)


@pytest.fixture
def parts(component):
    return {"forward": component("resnet"), "backward": component("resnet"), "discriminator": component("patchgan")}


def test_c2gan_conforms(factory, parts):
    check_method(factory("methods", "c2gan", **parts))


@pytest.mark.parametrize(("source", "target"), [(1, 3), (13, 3)])
def test_c2gan_conforms_for_unequal_channels(source, target, factory, parts):
    check_method(factory("methods", "c2gan", **parts), source=example_domain(source), target=example_domain(target))


def test_c2gan_conforms_with_a_full_pool_and_saliency(factory, parts):
    losses = {"bce": Term(), "saliency": Term(), "cycle": Term()}
    check_method(factory("methods", "c2gan", **parts, pool=1), losses=losses)


class Broken(nn.Module):
    """A method that moves one generator, to be spoilt."""

    directions = ("a2b",)
    pairing = "matched"

    def __init__(self, source, target, terms, patch):
        super().__init__()
        self.net = nn.Conv2d(source.channels, target.channels, 1)
        self.adam = torch.optim.Adam(self.parameters(), fused=True)

    def optimisers(self):
        return {"net": self.adam}

    def generator(self, direction):
        return self.net

    def step(self, real_a, real_b, u):
        loss = (self.net(real_a) - real_b).abs().mean()
        self.adam.zero_grad()
        loss.backward()
        self.adam.step()
        return {"l1": loss.detach()}


class Attached(Broken):
    def step(self, real_a, real_b, u):
        super().step(real_a, real_b, u)
        return {"l1": self.net(real_a).mean()}


class Still(Broken):
    def step(self, real_a, real_b, u):
        return {"l1": real_a.mean()}


class Unheld(Broken):
    def __init__(self, *core):
        super().__init__(*core)
        self.extra = nn.Parameter(torch.zeros(1))


class Renewed(Broken):
    def optimisers(self):
        return {"net": torch.optim.Adam(self.parameters())}


class Counting(Broken):
    """Its steps depend on a counter that is not saved."""

    steps = 0

    def step(self, real_a, real_b, u):
        self.steps += 1
        self.adam.param_groups[0]["lr"] = 1e-3 / self.steps
        return super().step(real_a, real_b, u)


class Twice(Broken):
    def __init__(self, *core):
        super().__init__(*core)
        self.sgd = torch.optim.SGD(self.parameters())

    def optimisers(self):
        return {"net": self.adam, "more": self.sgd}


class Nowhere(Broken):
    directions = ("up",)


class Loose(Broken):
    pairing = "loosely"


class Halving(Broken):
    def generator(self, direction):
        return nn.Sequential(self.net, nn.AvgPool2d(2))


@pytest.mark.parametrize(
    ("spoilt", "said"),
    [
        (Attached, "detached"),
        (Still, "left generator"),
        (Unheld, "extra"),
        (Renewed, "same"),
        (Counting, "resumed"),
        (Twice, "two optimisers"),
        (Nowhere, "expected some of"),
        (Loose, "how batches match"),
        (Halving, "returned shape"),
    ],
)
def test_conformance_tells_methods_that_break_their_contract(spoilt, said):
    check_method(Broken)
    with pytest.raises(AssertionError, match=said):
        check_method(spoilt)


def test_a_fixed_backward_generator_needs_and_gets_no_discriminator(make_method, images):
    method = make_method(example_domain(1), COLOUR, backward={"name": "luminance"})
    assert list(method.discriminators) == ["b"]
    parts = method.step(images(1), images(3), 0.0)
    assert all(v.isfinite() for v in parts.values())
    assert [p for p in method.generator("b2a").parameters() if p.requires_grad] == []


def test_without_an_adversarial_term_nothing_judges(make_method, images):
    method = make_method(losses={"cycle": {}})
    assert list(method.optimisers()) == ["generators"]
    assert set(method.step(images(), images(), 0.0)) == {"cycle"}


def test_discriminators_give_generators_gradients_but_get_none_of_theirs(make_method, images):
    method = make_method(losses={"lsgan": {}})
    judges = copy.deepcopy(method.discriminators.state_dict())
    seen = []
    method.optimisers()["generators"].register_step_post_hook(
        lambda *_: seen.append([p.grad for p in method.discriminators.parameters()])
    )
    method.step(images(), images(), 0.0)
    assert all(g is None for g in seen[0])
    assert any(not torch.equal(v, judges[k]) for k, v in method.discriminators.state_dict().items())


def test_the_discriminators_step_leaves_the_generators_alone(make_method, images):
    method = make_method()
    after = {}
    method.optimisers()["generators"].register_step_post_hook(
        lambda *_: after.update(copy.deepcopy(method.forward_net.state_dict()))
    )
    method.step(images(), images(), 0.0)
    assert all(torch.equal(v, after[k]) for k, v in method.forward_net.state_dict().items())


def test_noise_enters_only_on_the_way_into_the_second_generator(make_method, images, passes):
    method = make_method(losses={"cycle": {}}, noise=0.5)
    forward, backward = passes(method.forward_net), passes(method.backward_net)
    a, b = images(), images()
    method.step(a, b, 0.0)
    assert torch.equal(forward[0][0], a)
    second = next(x for x, _ in backward if not torch.equal(x, b))
    assert (second - forward[0][1]).std().item() == pytest.approx(0.5, rel=0.1)


def test_a_term_of_weight_zero_is_not_computed(make_method, images):
    method = make_method(losses={"lsgan": {}, "identity": {"weight": 0.0}})
    assert "identity" not in method.step(images(), images(), 0.0)


@pytest.mark.parametrize(
    ("patch", "changes", "said"),
    [
        (30, {}, "patch=30 does not fit the generators; expected a multiple of 4.*set training.patch=28"),
        (
            40,
            {"forward": {"name": "unet", "width": 2, "depth": 5}},
            "multiple of 32, at least 64; set training.patch=64",
        ),
        (16, {}, "patch=16 is too small for discriminator PatchGAN"),
        (24, {"discriminator": {"name": "patchgan94", "width": 2}}, "patch=24 is too small"),
    ],
)
def test_a_patch_that_the_networks_cannot_use_is_refused_before_training(patch, changes, said, make_method):
    with pytest.raises(RecipeError, match=said):
        make_method(patch=patch, **changes)


@pytest.mark.parametrize("name", ["cpu", "default", "released", "paper", "utom"])
@pytest.mark.parametrize("side", [64, 100, 200])
def test_a_preset_proposes_a_patch_that_its_networks_can_use(name, side):
    volume = ArrayVolume(np.random.default_rng(0).integers(0, 255, (side, side), np.uint8), "YX")
    recipe = propose([volume], [volume], task="denoise", preset=name).recipe
    deepest = recipe.method.parameters["forward"].get("depth", 2)
    assert recipe.training.patch % 2**deepest == 0
    assert 2 * 2**deepest <= recipe.training.patch <= side

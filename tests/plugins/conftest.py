"""Small networks, images and models that the tests of plug-ins share."""

from functools import partial

import numpy as np
import pytest
import torch

from isoscope import kinds
from isoscope.cycle import Cycle
from isoscope.dependency import halo
from isoscope.domain import Domain
from isoscope.model import Model
from isoscope.normalisation import calibrate, layers
from isoscope.parameters import Component, build
from isoscope.recipe import Recipe, Term, parse, resolved
from isoscope.saliency import smooth
from isoscope.terms import Terms
from isoscope.testing import example_domain
from isoscope.training import train
from isoscope.volume import ArrayVolume

SMALL = {
    "resnet": {"width": 4, "blocks": 1},
    "unet": {"width": 4},
    "patchgan": {"width": 4},
    "patchgan94": {"width": 4},
}
"""Parameters that keep our own networks small; a third party's are built with their defaults."""

LOSSES = {"lsgan": {}, "cycle": {"weight": 10.0}, "saliency": {"weight": 5.0, "schedule": "exp"}}


@pytest.fixture(scope="package", autouse=True)
def one_thread():
    """Tiny networks lose more by waiting for a second thread than they gain."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def small_component(name, **changes):
    return Component.model_validate({"name": name, **SMALL.get(name, {}), **changes})


@pytest.fixture(scope="session")
def component():
    """component(name, **parameters): a small plug-in."""
    return small_component


@pytest.fixture(scope="session")
def factory():
    """factory(kind, name, **parameters): a plug-in's factory, kept small."""

    def make(kind, name, **changes):
        return partial(kinds.REGISTRIES[kind][name], **{**SMALL.get(name, {}), **changes})

    return make


@pytest.fixture(scope="session")
def small_method():
    """The parameters of a small c2gan, as a recipe writes them."""
    resnet = small_component("resnet").model_dump()
    return {
        "name": "c2gan",
        "forward": resnet,
        "backward": resnet,
        "discriminator": small_component("patchgan").model_dump(),
    }


@pytest.fixture
def make_method(small_method):
    """make_method(source, target, losses, patch, **parameters): a small c2GAN."""

    def make(source=None, target=None, losses=None, patch=32, **changes):
        terms = Terms({k: Term.model_validate(v) for k, v in (LOSSES if losses is None else losses).items()})
        chosen = Component.model_validate({**small_method, **changes})
        return build(
            kinds.methods, chosen, source or example_domain(), target or example_domain(), terms, (patch, patch)
        )

    return make


@pytest.fixture
def images():
    """images(channels, count, side): network values, uniform."""
    return lambda channels=1, count=2, side=32: torch.rand(count, channels, side, side) * 1.8 - 0.9


@pytest.fixture
def passes():
    """passes(network) -> a list that fills with (input, output) of each of its calls, detached copies."""

    def watch(network):
        seen = []

        def note(_, x, y):
            seen.append((x[0].detach().clone(), y.detach().clone()))

        network.register_forward_hook(note)
        return seen

    return watch


@pytest.fixture
def cycle_of():
    """cycle_of(real_a, fake_b, real_b, fake_a, source, target): a step whose fakes are given."""

    def make(real_a, fake_b, real_b, fake_a, source, target):
        return Cycle(real_a, real_b, lambda _: fake_b, lambda _: fake_a, source=source, target=target)

    return make


def smooth_field(seed, side=64, share=0.5):
    """Content of a true pair (protocol 5A): a Gaussian random field, sigma 4 px, cut softly to `share` of the area."""
    f = smooth(torch.randn(1, 1, side, side, generator=torch.Generator().manual_seed(seed)), 4.0)
    f = (f - f.mean()) / f.std()
    return torch.sigmoid(12 * (f - f.flatten().quantile(1 - share)))


@pytest.fixture(scope="session")
def field():
    """field(seed, side, share) -> content in (0, 1), [1, 1, side, side]."""
    return smooth_field


@pytest.fixture(scope="session")
def true_pair():
    """true_pair(seed, reverse_a, reverse_b): grey values in [0, 1] of A and B with the same content (protocol 5A)."""

    def make(seed, reverse_a=False, reverse_b=False, side=64):
        m = smooth_field(seed, side)
        noise = 0.06 * torch.randn(m.shape, generator=torch.Generator().manual_seed(seed + 1))
        a, b = 0.25 + 0.45 * smooth(m, 2.0), 0.15 + 0.7 * m
        return (0.95 - a if reverse_a else a) + noise, 1 - b if reverse_b else b

    return make


@pytest.fixture(scope="session")
def small_recipe(small_method):
    """small_recipe(**training): a resolved recipe that trains in a second."""

    def make(**training):
        values = {
            "source": {"polarity": "bright"},
            "target": {"polarity": "bright"},
            "method": small_method,
            "losses": LOSSES,
            "training": {"steps": 6, "batch": 1, "patch": 32, "calibration": 2, "precision": "float32", **training},
        }
        return resolved(parse(values))

    return make


@pytest.fixture(scope="session")
def volumes(true_pair):
    """Unpaired 8-bit volumes of A and B, one each."""
    a, b = true_pair(0)[0], true_pair(100)[1]
    return [[ArrayVolume((255 * v[0, 0]).clamp(0, 255).numpy().astype(np.uint8), "YX")] for v in (a, b)]


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory, small_recipe, volumes):
    """A finished run of six steps."""
    return train(small_recipe(), *volumes, tmp_path_factory.mktemp("runs") / "run")


@pytest.fixture(scope="session")
def model_of():
    """model_of(network, inputs, outputs): a model around a network, as loaded from disk."""

    def make(network, inputs: Domain | None = None, outputs: Domain | None = None) -> Model:
        reads, writes = (d or example_domain(dtype="float32") for d in (inputs, outputs))
        stride = int(network.stride)
        network = network.eval().requires_grad_(False)
        reach = halo(network, reads.channels, stride)
        return Model(Recipe(), "a2b", reads, writes, network, stride, reach, "0" * 64)

    return make


@pytest.fixture(scope="session")
def frozen_model(model_of):
    """A small residual network whose statistics are frozen at those of one sample."""
    torch.manual_seed(0)
    network = kinds.generators["resnet"](example_domain(), example_domain(), width=4, blocks=1)
    for layer in layers(network):
        torch.nn.init.normal_(layer.weight, 1.0, 0.3)
    calibrate(network, [torch.rand(4, 1, 64, 64) * 1.8 - 0.9])
    return model_of(network)


@pytest.fixture
def grey_image():
    """grey_image(height, width, seed): float32 grey values between 20 and 235."""

    def make(height, width, seed=0):
        return np.random.default_rng(seed).uniform(20, 235, (height, width)).astype(np.float32)

    return make


@pytest.fixture
def added():
    """added(registry, name, factory): a plug-in registered for this test only."""
    kept = []

    def add(registry, name, target):
        registry.add(name, target)
        kept.append((registry, name))
        return name

    yield add
    for registry, name in kept:
        registry.remove(name)

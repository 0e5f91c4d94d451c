"""Small images, recipes and models that the tests of the core share."""

from pathlib import Path

import numpy as np
import pytest
import torch

from isoscope import kinds, model, training
from isoscope.normalisation import calibrate
from isoscope.overrides import merge
from isoscope.parameters import build
from isoscope.proposal import propose
from isoscope.terms import Terms
from isoscope.volume import ArrayVolume, Header

UNET = {"name": "unet", "width": 2, "depth": 1}


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def blobs():
    """Bright round spots on a dark background, as a volume; `planes` gives a z-stack, `channels` a CYX image."""

    def make(seed=0, size=(40, 40), dtype="uint8", noise=3.0, planes=0, channels=0, name="blobs", rgb=False):
        rng = np.random.default_rng(seed)
        y, x = np.mgrid[: size[0], : size[1]]
        image = np.full((max(planes, channels, 1), *size), 20.0)
        for _ in range(6):
            cy, cx = rng.uniform(0, size[0]), rng.uniform(0, size[1])
            image += 150 * np.exp(-((y - cy) ** 2 + (x - cx) ** 2) / 18)
        values = np.clip(image + rng.normal(0, noise, image.shape), 0, 255).astype(dtype)
        axes = "ZYX" if planes else "CYX" if channels else "YX"
        volume = ArrayVolume(values if planes or channels else values[0], axes)
        header = Header(name, volume.header.shape, volume.header.dtype, axes, rgb=rgb)
        return ArrayVolume(values if planes or channels else values[0], axes, header)

    return make


@pytest.fixture(scope="session")
def source(blobs):
    return [blobs(seed, noise=12.0, name=f"noisy{seed}") for seed in range(2)]


@pytest.fixture(scope="session")
def target(blobs):
    return [blobs(seed + 10, name=f"clean{seed}") for seed in range(2)]


@pytest.fixture(scope="session")
def tiny():
    """Recipe keys of a run that takes a second: `tiny(training={"steps": 3})`."""

    def keys(norm="none", **more):
        unet = {**UNET, "norm": norm}
        base = {
            "method": {"name": "c2gan", "forward": unet, "backward": unet, "discriminator": {"width": 2}, "pool": 2},
            "training": {"steps": 12, "batch": 2, "patch": 32, "checkpoint_every": 4, "calibration": 2},
        }
        return merge(base, more)

    return keys


@pytest.fixture(scope="session")
def proposed(source, target, tiny):
    """A resolved denoising recipe, tiny but for the keys given."""

    def make(norm="none", **more):
        return propose(source, target, task="denoise", preset="cpu", user=tiny(norm, **more)).recipe

    return make


@pytest.fixture(scope="session")
def trained(tmp_path_factory, proposed, source, target) -> Path:
    """The folder of a finished run; not to be written into."""
    folder = tmp_path_factory.mktemp("trained") / "run"
    return training.train(proposed(training={"steps": 2}), source, target, folder)


@pytest.fixture(scope="session")
def untrained(tmp_path_factory, tiny):
    """A saved and loaded model with random weights, scaled so that its output has contrast."""

    def lively(network, patches):
        with torch.no_grad():
            calibrate(network, [patches])
            if hasattr(network, "head"):
                network.head.weight.mul_(0.5 / network(patches).std())
        return network

    def make(source, target, /, *, task="denoise", norm="none", direction="a2b", **more):
        user = merge(tiny(norm), more)
        made = propose(source, target, task=task, preset="cpu", user=user)
        torch.manual_seed(0)
        patch = (32, 32)
        method = build(kinds.methods, made.recipe.method, made.source, made.target, Terms(made.recipe.losses), patch)
        channels = {"a2b": made.source.channels, "b2a": made.target.channels}
        networks = {d: lively(method.generator(d), torch.rand(2, n, *patch) * 2 - 1) for d, n in channels.items()}
        folder = tmp_path_factory.mktemp("model")
        model.save(folder, made.recipe, made.source, made.target, networks)
        return model.load(folder, direction)

    return make

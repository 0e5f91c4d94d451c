"""What every generator must do."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from isoscope.dependency import depth_halo, halo
from isoscope.domain import Domain
from isoscope.normalisation import calibrate
from isoscope.quantity import Quantity, described
from isoscope.testing.examples import accepted, for_generators, require, seed, silent, whole_number
from isoscope.tiling import padded_size

__all__ = ["check_generator"]

Factory = Callable[..., nn.Module]


def _images(domain: Domain, height: int, width: int) -> Tensor:
    return torch.rand(2, domain.channels, height, width) * 1.8 - 0.9


def _output(network: nn.Module, x: Tensor) -> Tensor:
    try:
        y: Tensor = network(x)
    except Exception as error:
        cause = str(error).splitlines()[0]
        raise AssertionError(
            f"generator fails on {tuple(x.shape)} ({cause}); any multiple of its stride comes"
        ) from error
    return y


def _check_shapes(network: nn.Module, inputs: Domain, outputs: Domain, stride: int) -> None:
    """Protects images of any size: predictions must fit where their input was, channel counts as declared."""
    least = padded_size(1, stride)
    for height, width in ((least, least), (least + stride, least + 3 * stride)):
        y = _output(network, _images(inputs, height, width))
        want = (2, outputs.channels, height, width)
        require(tuple(y.shape) == want, f"generator returned shape {tuple(y.shape)}; expected {want}")
        require(bool(y.isfinite().all()), f"generator returned NaN or infinity for {height} x {width} px")


@torch.no_grad()
def _check_planes(network: nn.Module, inputs: Domain, outputs: Domain) -> None:
    """Protects volumes: a volumetric network is given blocks of more planes than it was trained with."""
    side = padded_size(32, whole_number(network, "stride"))
    for planes in (inputs.planes + 1, inputs.planes + 4):
        y = _output(network, torch.rand(1, inputs.plane.channels * planes, side, side))
        want = (1, outputs.plane.channels * planes, side, side)
        got = f"volumetric generator returned shape {tuple(y.shape)} for {planes} planes"
        require(tuple(y.shape) == want, f"{got}; expected {want}")
    maps = sum(int(getattr(network, name, 0)) for name in ("pixel_noise", "image_noise"))
    require(not maps, "generator is volumetric and takes noise maps; expected one of both")
    reach = depth_halo(network, inputs.plane.channels)
    require(reach is not None, "volumetric generator looks at all planes; declare volumetric = False, or bound it")


def _check_gradients(network: nn.Module, inputs: Domain, stride: int) -> None:
    """Protects learning: a parameter without gradient never moves, an input without gradient cuts the cycle."""
    x = _images(inputs, padded_size(32, stride), padded_size(32, stride)).requires_grad_()
    dead = silent(copy.deepcopy(network).train(), x)
    require(not dead, f"no gradient reaches generator parameters {', '.join(dead)}; use them, or freeze them")
    _output(network, x).square().sum().backward()  # type: ignore[no-untyped-call]
    passed = x.grad is not None and bool(x.grad.any())
    require(passed, "no gradient passes through the generator to its input; cycle consistency needs one")


def _check_determinism(network: nn.Module, x: Tensor) -> None:
    """Protects promises about tiles and resuming: a prediction is a function of model and image."""
    same = torch.equal(_output(network, x), _output(network, x))
    require(same, "generator in eval() gives two answers for one image; switch dropout and noise off there")


def _check_precision(network: nn.Module, x: Tensor) -> None:
    """Protects `training.precision`: what computes in bfloat16 under autocast may be rounded, and no more than that."""
    with torch.autocast("cpu", torch.bfloat16):
        rough = _output(network, x)
    plain = _output(network, x)
    sound = rough.shape == plain.shape and bool((rough.float() - plain.float()).abs().mean() <= 0.1 * plain.std() + 0.1)
    require(sound, "generator answers otherwise under bfloat16 autocast; compute sums and exponents in float32")


def _check_device(network: nn.Module, x: Tensor) -> None:
    """Protects GPUs, where there is one: what is no parameter or buffer stays behind when a network moves there."""
    for name in ("cuda", "mps"):
        if getattr(torch, name).is_available():
            y = _output(copy.deepcopy(network).to(name), x.to(name))
            require(y.device.type == name, f"generator returned a tensor on {y.device} for images on {name}")


def _check_saved(network: nn.Module, twin: nn.Module, x: Tensor) -> None:
    """Protects saved models: they hold `state_dict` and nothing else."""
    from safetensors.torch import load, save

    held = {k: v.detach().clone().contiguous() for k, v in network.state_dict().items()}
    twin.load_state_dict(load(save(held)))
    same = torch.equal(_output(network, x), _output(twin, x))
    require(same, "a generator loaded from state_dict answers differently; register all its state as buffers")


def _check_stride(network: nn.Module, inputs: Domain, stride: int) -> None:
    """Protects tiles: they start at multiples of `stride`, where a shifted input must give a shifted output."""
    reach = halo(network, inputs.channels, stride)
    if reach is None:  # it looks at its whole input, so there is no interior to compare
        return
    side = max(2 * reach + 3 * stride, padded_size(1, stride) + stride)
    x = _images(inputs, side, side)[:1]
    whole = _output(network, x)[..., stride + reach : side - reach, stride + reach : side - reach]
    part = _output(network, x[..., stride:, stride:])[..., reach : side - stride - reach, reach : side - stride - reach]
    error, span = float((whole - part).abs().max()), float(whole.max() - whole.min())
    require(error <= 1e-3 * span, f"shifting the input by stride {stride} changes the output; declare the total stride")


def _check_noise(network: nn.Module, x: Tensor) -> None:
    """Protects synthetic pairs: noise comes from outside, position by position, and its absence is its mean."""
    maps = sum(int(getattr(network, name, 0)) for name in ("pixel_noise", "image_noise"))
    if not maps:
        return
    z = torch.randn(len(x), maps, *x.shape[2:])
    plain, made = _output(network, x), network(x, z)
    require(torch.equal(network(x, z), made), "generator in eval() gives two answers for one image and one noise z")
    typical = torch.allclose(network(x, 0 * z), plain) or _is_mean(network, x, maps, plain)
    require(typical, "generator in eval() without z differs from one with z = 0, and from its mean over z")
    require(not torch.equal(made, plain), "generator declares noise, but z changes nothing; use it, or declare 0")


@torch.no_grad()
def _is_mean(network: nn.Module, x: Tensor, maps: int, plain: Tensor) -> bool:
    """Lopsided noise has a mean that is not what z = 0 makes."""
    drawn = torch.stack([network(x, torch.randn(len(x), maps, *x.shape[2:])) for _ in range(16)])
    return float((drawn - plain).mean().abs()) <= 0.05 * float((drawn - plain).std())


def _check_description(network: nn.Module, twin: nn.Module) -> None:
    """Protects what is printed and stored: numbers with units, and those of the weights that are in force."""
    found, again = described(network), described(twin)
    for name, quantity in found.items():
        sound = isinstance(quantity, Quantity) and bool(quantity.values) and bool(quantity.unit)
        require(sound, f"describe() returned {quantity!r} for {name!r}; expected a Quantity with values and a unit")
        finite = all(math.isfinite(v) for v in quantity.values)
        require(finite, f"describe() returned {quantity.values} for {name!r}; expected finite numbers")
    require(found == again, "a generator loaded from state_dict describes itself otherwise; describe its own state")


@torch.random.fork_rng(devices=[])
def check_generator(factory: Factory, *, inputs: Domain | None = None, outputs: Domain | None = None) -> None:
    """Check that a generator can be trained, saved, and run in tiles on images of any size.

    Protects from: outputs of another size or channel count, networks tied to the training size, parameters that no
    gradient reaches, random predictions, outputs that fall apart in bfloat16 or on a GPU, noise that cannot be given,
    state that is not saved, parameters without units, and a wrong `stride`, which shows as seams.

    Args:
        factory: `(inputs, outputs, /, *, ...) -> nn.Module`.
        inputs: a domain it reads; none: it is tried with 1 -> 1, 1 -> 3, 3 -> 1 and 13 -> 3 channels and with a plane
            between two neighbours, and must accept one of these pairs.
        outputs: a domain it then writes.
    """
    seed(0)
    made = accepted(factory, for_generators(inputs, outputs), "generator")
    for a, b, network in made:
        _check_shapes(network, a, b, whole_number(network, "stride"))
        if getattr(network, "volumetric", False):
            _check_planes(network.eval(), a, b)
    a, b, network = made[0]
    stride = whole_number(network, "stride")
    _check_gradients(network, a, stride)
    x = _images(a, padded_size(32, stride), padded_size(32, stride))
    calibrate(network.eval(), [x])
    with torch.no_grad():
        _check_determinism(network, x)
        _check_precision(network, x)
        _check_device(network, x)
        _check_stride(network, a, stride)
        _check_noise(network, x)
        twin = factory(a, b).eval()
        _check_saved(network, twin, x)
        _check_description(network, twin)

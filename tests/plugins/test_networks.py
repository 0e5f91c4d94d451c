"""Every generator and discriminator conforms; networks look exactly as far as they say."""

from functools import partial

import pytest
import torch
from torch import nn

from isoscope import kinds
from isoscope.dependency import halo
from isoscope.errors import RecipeError
from isoscope.normalisation import layers
from isoscope.quantity import Quantity
from isoscope.testing import check_discriminator, check_generator, example_domain


@pytest.mark.parametrize("name", kinds.generators)
def test_every_generator_conforms(name, factory):
    check_generator(factory("generators", name))


@pytest.mark.parametrize("name", kinds.discriminators)
def test_every_discriminator_conforms(name, factory):
    check_discriminator(factory("discriminators", name))


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("resnet", {"upsample": "transposed"}),
        ("resnet", {"upsample": "nearest", "norm": "none", "blocks": 0}),
        ("unet", {"norm": "none", "width": 2, "depth": 5}),
        ("unet", {"noise": 2}),
        ("resnet", {"noise": 1}),
        ("unet", {"head": "linear"}),
        ("resnet", {"head": "linear"}),
        ("unet", {"head": "elu"}),
    ],
)
def test_options_of_generators_conform(name, changes, factory):
    one = example_domain()
    check_generator(factory("generators", name, **changes), inputs=one, outputs=one)


@pytest.mark.parametrize(("head", "returns"), [("tanh", False), ("linear", True)])
def test_a_linear_head_comes_back_from_where_a_tanh_is_lost(head, returns, factory):
    torch.manual_seed(0)
    one = example_domain()
    net = factory("generators", "unet", head=head)(one, one)
    with torch.no_grad():
        net.head.bias.fill_(-30.0)  # as after a step too far towards a dark ground
    x, optimiser, errors = torch.rand(1, one.channels, 32, 32), torch.optim.Adam(net.parameters(), 0.5), []
    for _ in range(50):
        error = (net(x) - x).abs().mean()
        errors.append(error.item())
        optimiser.zero_grad()
        error.backward()
        optimiser.step()
    assert (errors[-1] < errors[0] / 2) == returns


@pytest.mark.parametrize("name", ["unet", "resnet"])
@pytest.mark.parametrize(("head", "low", "high"), [("tanh", -1, 1), ("elu", -1, 30), ("linear", -30, 30)])
def test_an_elu_head_has_a_floor_and_no_ceiling(name, head, low, high, factory):
    one = example_domain()
    net = factory("generators", name, head=head)(one, one)
    net.head.register_forward_hook(lambda _module, _inputs, made: torch.where(made > made.mean(), 30.0, -30.0))
    with torch.no_grad():
        made = net(torch.rand(1, one.channels, 32, 32))
    assert (made.min().item(), made.max().item()) == pytest.approx((low, high))


def test_discriminators_without_norm_conform(factory):
    check_discriminator(factory("discriminators", "patchgan", norm="none"), inputs=example_domain())


class Plain(nn.Module):
    """A generator that does what it says, to be spoilt."""

    stride = 1

    def __init__(self, inputs, outputs):
        super().__init__()
        self.body = nn.Conv2d(inputs.channels, outputs.channels, 3, padding=1)

    def forward(self, x):
        return self.body(x)


class Silent(Plain):
    def __init__(self, inputs, outputs):
        super().__init__(inputs, outputs)
        self.idle = nn.Parameter(torch.zeros(3))


class Detached(Plain):
    def forward(self, x):
        return self.body(x.detach())


class Random(Plain):
    def forward(self, x):
        return self.body(x) + 0.1 * torch.randn_like(x[:, :1])


class Forgetful(Plain):
    def __init__(self, inputs, outputs):
        super().__init__(inputs, outputs)
        self.offset = torch.randn(1)

    def forward(self, x):
        return self.body(x) + self.offset


class Cropping(Plain):
    def forward(self, x):
        return self.body(x)[..., 1:-1, 1:-1]


class Sized(Plain):
    def __init__(self, inputs, outputs):
        super().__init__(inputs, outputs)
        self.place = nn.Parameter(torch.randn(16, 16))

    def forward(self, x):
        return self.body(x) + self.place


class Blocky(Plain):
    """Says stride 1, but pairs pixels."""

    def forward(self, x):
        y = nn.functional.max_pool2d(self.body(x), 2, ceil_mode=True)
        return nn.functional.interpolate(y, scale_factor=2)[..., : x.shape[-2], : x.shape[-1]]


class Unsaid(Plain):
    stride = None


class Noisy(Plain):
    pixel_noise = 1

    def forward(self, x, z=None):
        return self.body(x) + (0 if z is None else z)


class Deaf(Noisy):
    def forward(self, x, z=None):
        return self.body(x)


class Biased(Noisy):
    def forward(self, x, z=None):
        return self.body(x) + (0 if z is None else z + 1)


class Restless(Noisy):
    def forward(self, x, z=None):
        return self.body(x) + (0 if z is None else z * torch.rand(1))


class Undefined(Plain):
    def forward(self, x):
        return self.body(x) / 0


class Rounding(Plain):
    """Adds a large number and takes it away: in bfloat16 little is left."""

    def forward(self, x):
        y = self.body(x)
        return (y.to(torch.get_autocast_dtype("cpu")) + 4096 - 4096) if torch.is_autocast_enabled("cpu") else y


class Endless(Plain):
    def describe(self):
        return {"gain": Quantity((float("inf"),), "grey values")}


class Choosy(Plain):
    def __init__(self, inputs, outputs):
        raise RecipeError("got 1 -> 1; expected the impossible")


class Wordy(Plain):
    def describe(self):
        return {"gain": Quantity(tuple(self.body.bias.tolist()), "grey values")}


class Unitless(Plain):
    def describe(self):
        return {"gain": Quantity((1.0,), "")}


class Elsewhere(Plain):
    def describe(self):
        return {"gain": Quantity((float(id(self)),), "grey values")}


@pytest.mark.parametrize(
    ("spoilt", "said"),
    [
        (Plain, None),
        (Silent, "idle"),
        (Detached, "input"),
        (Random, "two answers"),
        (Forgetful, "state_dict"),
        (Cropping, "shape"),
        (Sized, "fails on"),
        (Blocky, "stride"),
        (Unsaid, "stride"),
        (Noisy, None),
        (Deaf, "z changes nothing"),
        (Biased, "differs from one with z = 0"),
        (Wordy, None),
        (Unitless, "a unit"),
        (Elsewhere, "describes itself otherwise"),
        (Endless, "finite numbers"),
        (Restless, "one image and one noise z"),
        (Undefined, "NaN or infinity"),
        (Rounding, "bfloat16"),
        (Choosy, "refuses every pair"),
    ],
)
def test_conformance_tells_generators_that_break_their_contract(spoilt, said):
    if said is None:
        return check_generator(spoilt)
    with pytest.raises(AssertionError, match=said) as caught:
        check_generator(spoilt)
    assert "\n" not in str(caught.value)
    return None


class Judge(nn.Module):
    field = 3

    def __init__(self, inputs):
        super().__init__()
        self.body = nn.Conv2d(inputs.channels, 1, 3, padding=1)

    def forward(self, x):
        return self.body(x)


class Boastful(Judge):
    field = 5


class Squashed(Judge):
    def forward(self, x):
        return self.body(x).sigmoid()


class Vector(Judge):
    def forward(self, x):
        return self.body(x).mean((2, 3))


class Lost(Judge):
    def forward(self, x):
        return self.body(x).log() - torch.inf


class Idle(Judge):
    def __init__(self, inputs):
        super().__init__(inputs)
        self.idle = nn.Parameter(torch.zeros(3))


@pytest.mark.parametrize(
    ("spoilt", "said"),
    [(Boastful, "field"), (Squashed, "sigmoid"), (Vector, "shape"), (Lost, "NaN"), (Idle, "parameters idle")],
)
def test_conformance_tells_discriminators_that_break_their_contract(spoilt, said):
    check_discriminator(Judge)
    with pytest.raises(AssertionError, match=said):
        check_discriminator(spoilt)


RADII = {"bilinear": (50, 66, 90), "nearest": (47, 63, 87), "transposed": (44, 60, 84)}
"""Pixels on either side that the paper's generator sees with 4, 6 and 9 blocks, norm aside (method.md 3)."""


def poisoned_outputs(network, side, clean):
    """Which columns of the output are spoilt by NaN in all input columns outside `clean`."""
    x = torch.full((1, 1, 32, side), torch.nan)
    x[..., clean] = 0.5
    with torch.no_grad():
        return network(x).isnan().any(1).any(1)[0]


@pytest.mark.parametrize("norm", ["instance", "none"])
@pytest.mark.parametrize("upsample", RADII)
@pytest.mark.parametrize("index", [0, 1, 2])
def test_halo_of_the_residual_network_is_sufficient_and_tight(upsample, index, norm, factory):
    one = example_domain()
    network = factory("generators", "resnet", width=2, blocks=(4, 6, 9)[index], upsample=upsample, norm=norm)(one, one)
    for layer in layers(network.eval()):
        layer.mode = "frozen"
    reach = halo(network, 1, 4)
    assert reach == -(-RADII[upsample][index] // 4) * 4
    core = slice(reach + 8, reach + 40)
    side = 2 * reach + 48
    spoilt = partial(poisoned_outputs, network, side)
    assert not spoilt(slice(core.start - reach, core.stop + reach))[core].any()
    assert spoilt(slice(core.start - reach + 4, core.stop + reach))[core].any()


@pytest.mark.parametrize("name", ["resnet", "unet"])
def test_a_tile_with_its_halo_equals_the_whole_image(name, factory):
    one = example_domain()
    network = factory("generators", name, norm="none")(one, one).eval().double()
    reach = halo(network, 1, network.stride)
    x = torch.rand(1, 1, 32, 2 * reach + 48, dtype=torch.float64)
    core = slice(reach + 8, reach + 40)
    with torch.no_grad():
        whole = network(x)
        tile = network(x[..., core.start - reach : core.stop + reach])[..., reach:-reach]
        short = network(x[..., core.start - 8 : core.stop + 8])[..., 8:-8]
    torch.testing.assert_close(tile, whole[..., core], rtol=0, atol=1e-12)
    assert (short - whole[..., core]).abs().max() > 1e-9


def test_halo_ignores_how_our_norms_are_set_but_not_foreign_ones(factory):
    one = example_domain()
    network = factory("generators", "resnet")(one, one)
    assert halo(network, 1, 4) is not None
    assert all(layer.mode == "instance" for layer in layers(network))
    assert halo(nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.InstanceNorm2d(2)), 1, 1) is None


@pytest.mark.parametrize("norm", ["instance", "none"])
@pytest.mark.parametrize("blocks", [1, 9])
def test_an_untrained_residual_network_starts_where_tanh_has_a_slope(norm, blocks, images):
    one = example_domain()
    network = kinds.generators["resnet"](one, one, width=16, blocks=blocks, norm=norm)
    with torch.no_grad():
        y = network(images(side=32))
    assert (y.abs() > 0.99).float().mean() < 0.01
    assert y.std() > 0.01


@pytest.mark.parametrize("name", ["resnet", "unet"])
def test_generators_offer_features_with_gradients(name, factory, images):
    one = example_domain()
    maps = factory("generators", name)(one, one).features(images())
    assert len(maps) > 1
    assert all(m.ndim == 4 and m.requires_grad for m in maps)


@pytest.mark.parametrize("name", ["resnet", "unet"])
def test_a_noise_channel_gives_many_answers_in_training_and_one_in_prediction(name, factory, images):
    one, x = example_domain(), images()
    network = factory("generators", name, noise=1, norm="none")(one, one)
    assert not torch.equal(network(x), network(x))
    assert not torch.equal(network.features(x)[0], network.features(x)[0])
    network.eval()
    assert torch.equal(network(x), network(x))
    assert torch.equal(network(x), network(x, torch.zeros_like(x)))


@pytest.mark.parametrize("name", ["resnet", "unet"])
def test_without_a_noise_channel_nothing_changes(name, factory, images):
    one, x = example_domain(), images()
    network = factory("generators", name)(one, one)
    assert network.pixel_noise == 0
    assert torch.equal(network(x), network(x))


def test_luminance_is_the_weighted_sum_in_grey_values():
    colour, grey = example_domain(3), example_domain(1, limits=((10.0, 200.0),))
    network = kinds.generators["luminance"](colour, grey)
    red = torch.tensor([255.0, 0.0, 0.0]).reshape(1, 3, 1, 1) * (1.8 / 255) - 0.9
    assert (network(red).item() + 0.9) / 1.8 * 190 + 10 == pytest.approx(0.299 * 255, abs=1e-3)


@pytest.mark.parametrize("channels", [(1, 1), (3, 3), (1, 3)])
def test_luminance_refuses_other_channels(channels):
    with pytest.raises(RecipeError, match="maps 3 channels to 1"):
        kinds.generators["luminance"](*map(example_domain, channels))

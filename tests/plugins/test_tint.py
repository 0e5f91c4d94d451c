"""A tint keeps the luminance it reads, begins with the table of B, and can be told from tiles by nothing."""

import numpy as np
import pytest
import torch

from isoscope import baselines, kinds
from isoscope.errors import RecipeError
from isoscope.frames import REC601
from isoscope.intensity import Intensity
from isoscope.testing import check_generator, example_domain
from isoscope.volume import ArrayVolume, Box

GREY, COLOUR = example_domain(1), example_domain(3, limits=((10.0, 250.0), (0.0, 240.0), (20.0, 255.0)))


def made(**changes):
    torch.manual_seed(0)
    return kinds.generators["tint"](GREY, COLOUR, **changes)


def colours(n=8, side=64):
    """Patches whose hue goes with their luminance, in grey values."""
    grey = torch.linspace(20, 235, n * side * side).reshape(n, 1, side, side)
    return torch.cat([0.9 * grey + 20, 0.8 * grey + 5, grey], 1)


def test_tints_with_limits_of_their_own_conform():
    check_generator(kinds.generators["tint"], inputs=GREY, outputs=COLOUR)


def test_the_luminance_is_that_of_the_input_whatever_the_network_says():
    network = made().eval()
    for p in network.inner.parameters():
        torch.nn.init.normal_(p, 0, 0.3)
    x = torch.rand(2, 1, 32, 32) * 1.8 - 0.9
    with torch.no_grad():
        rgb = Intensity(COLOUR.limits).grey_values(network(x))
    luminance = (rgb * torch.tensor(REC601)[:, None, None]).sum(1, keepdim=True)
    torch.testing.assert_close(luminance, Intensity(GREY.limits).grey_values(x), atol=1e-3, rtol=0)
    assert (rgb - luminance).abs().max() > 5, "the network had something to say"


def test_it_begins_with_the_table_that_is_its_baseline():
    rgb, network = colours(), made().eval()
    grey = (rgb * torch.tensor(REC601)[:, None, None]).sum(1, keepdim=True)
    network.fit(Intensity(GREY.limits).normalise(grey), Intensity(COLOUR.limits).normalise(rgb))
    network.inner = torch.nn.Sequential(torch.nn.ConstantPad3d((0, 0, 0, 0, 0, 2), 0.0), Nothing())
    with torch.no_grad():
        ours = Intensity(COLOUR.limits).grey_values(network(Intensity(GREY.limits).normalise(grey)))
    volumes = [ArrayVolume(v.numpy(), "YX") for v in grey[:, 0]]
    target = [ArrayVolume(v.numpy().astype(np.float32), "CYX") for v in rgb]
    table = baselines.luminance_table(volumes, target)
    theirs = np.stack([v.read(Box.whole(v.header.shape))[0, :, 0] for v in table])
    assert np.abs(ours.numpy() - theirs).max() < 2


class Nothing(torch.nn.Module):
    def forward(self, x):
        return 0 * x


@pytest.mark.parametrize("channels", [(1, 1), (3, 3), (3, 1)])
def test_other_channels_are_refused(channels):
    with pytest.raises(RecipeError, match="1 channel to 3"):
        kinds.generators["tint"](*map(example_domain, channels))

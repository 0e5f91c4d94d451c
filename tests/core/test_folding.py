import pytest
import torch
from torch import nn

from isoscope.folding import folded
from isoscope.normalisation import InstanceNorm, layers


def lively(network):
    """Statistics and gains that make a wrong folding visible."""
    torch.manual_seed(0)
    for layer in layers(network):
        nn.init.normal_(layer.weight, 1.0, 0.5)
        nn.init.normal_(layer.bias, 0.0, 0.5)
        layer.mean.normal_()
        layer.variance.uniform_(0.2, 3.0)
        layer.freeze()
    return network.eval().requires_grad_(False)


def stack(*modules):
    network = nn.Sequential(*modules)
    network.stride = 4
    return lively(network)


NETWORKS = {
    "convolution": lambda: stack(nn.Conv2d(2, 6, 3, padding=1, bias=False), InstanceNorm(6), nn.ReLU()),
    "with bias": lambda: stack(nn.Conv2d(2, 6, 3, padding=1), InstanceNorm(6)),
    "reflecting": lambda: stack(nn.Conv2d(2, 6, 3, padding=1, padding_mode="reflect", bias=False), InstanceNorm(6)),
    "transposed": lambda: stack(nn.ConvTranspose2d(2, 6, 3, 2, 1, output_padding=1, bias=False), InstanceNorm(6)),
    "grouped": lambda: stack(nn.Conv2d(2, 6, 3, padding=1, groups=2), InstanceNorm(6)),
    "grouped and transposed": lambda: stack(nn.ConvTranspose2d(2, 6, 2, 2, groups=2), InstanceNorm(6)),
    "nested": lambda: stack(nn.Sequential(nn.Conv2d(2, 4, 1), InstanceNorm(4)), nn.Conv2d(4, 3, 1), InstanceNorm(3)),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_a_folded_network_is_the_same_function(name):
    network = NETWORKS[name]()
    made, x = folded(network, 2), torch.randn(2, 2, 24, 20)
    assert not list(layers(made))
    assert torch.allclose(made(x), network(x), atol=1e-4)
    assert list(layers(network)), "the network itself stays as it was"


def test_what_follows_no_convolution_stays():
    network = stack(nn.Conv2d(2, 4, 3, padding=1), nn.ReLU(), InstanceNorm(4))
    assert len(list(layers(folded(network, 2)))) == 1


def test_statistics_that_are_not_frozen_stay():
    network = stack(nn.Conv2d(2, 4, 3, padding=1), InstanceNorm(4))
    network[1].mode = "instance"
    assert len(list(layers(folded(network, 2)))) == 1


class Twice(nn.Module):
    """One convolution, once normalised and once not: folding would change the other use."""

    stride = 1

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(2, 2, 3, padding=1), InstanceNorm(2))

    def forward(self, x):
        return self.body(x) + self.body[0](x)


def test_a_network_that_folding_would_change_is_left_alone(caplog):
    network = lively(Twice())
    assert folded(network, 2) is network
    assert "cannot be folded" in caplog.text

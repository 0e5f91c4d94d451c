import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from isoscope import model as models
from isoscope.fields import Field, measured, use
from isoscope.inference import Predictor
from isoscope.normalisation import InstanceNorm, layers

RESNET = {"method": {"forward": {"name": "resnet", "width": 2, "blocks": 1}}, "norm": "instance"}


def by_hand(values, size, y, x):
    """Bilinear interpolation between the centres of cells, one pixel at a time."""
    ny, nx = values.shape[:2]
    gy = min(max((y + 0.5) * ny / size[0] - 0.5, 0), ny - 1)
    gx = min(max((x + 0.5) * nx / size[1] - 0.5, 0), nx - 1)
    y0, x0 = min(int(gy), max(ny - 2, 0)), min(int(gx), max(nx - 2, 0))
    y1, x1 = min(y0 + 1, ny - 1), min(x0 + 1, nx - 1)
    top = values[y0, x0] + (values[y0, x1] - values[y0, x0]) * (gx - x0)
    bottom = values[y1, x0] + (values[y1, x1] - values[y1, x0]) * (gx - x0)
    return top + (bottom - top) * (gy - y0)


def field(cells, size, channels=3):
    torch.manual_seed(1)
    return Field(torch.rand(*cells, 2, channels) + 0.5, size)


@given(cells=st.tuples(st.integers(1, 4), st.integers(1, 4)), size=st.tuples(st.integers(1, 40), st.integers(1, 40)))
@settings(max_examples=30, deadline=None)
def test_every_pixel_has_the_statistics_of_where_it_lies(cells, size):
    found, norm = field(cells, size), InstanceNorm(3)
    torch.nn.init.constant_(norm.weight, 2.0)
    torch.nn.init.constant_(norm.bias, -1.0)
    x = torch.randn(1, 3, *size)
    made = found.normalised(x, norm, (0, 0, *size)).detach()
    for y, at in {(0, 0), (size[0] - 1, size[1] - 1), (size[0] // 2, size[1] // 3)}:
        mean, inverse = by_hand(found.values, size, y, at)
        assert torch.allclose(made[0, :, y, at], (x[0, :, y, at] - mean) * inverse * 2 - 1, atol=1e-5)


@given(top=st.integers(0, 30), left=st.integers(0, 30), height=st.integers(1, 90), scale=st.sampled_from([1, 2, 4]))
@settings(max_examples=40, deadline=None)
def test_a_pixel_has_the_same_statistics_in_every_tile(top, left, height, scale):
    """Bit for bit, on every level of a network that halves its maps."""
    found, norm, size = field((3, 5), (512, 640)), InstanceNorm(3), (512, 640)
    x = torch.randn(1, 3, size[0] // scale, size[1] // scale)
    whole = found.normalised(x, norm, (0, 0, *size))
    part = x[:, :, top : top + height, left:]
    window = (top * scale, left * scale, part.shape[2] * scale, part.shape[3] * scale)
    assert torch.equal(found.normalised(part, norm, window), whole[:, :, top : top + height, left:])


def test_the_same_statistics_everywhere_are_frozen_ones():
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Conv2d(1, 3, 3, padding=1), InstanceNorm(3))
    patch = torch.randn(1, 1, 16, 16)
    network[1].mode = "instance"
    own = network(patch)
    fields = measured(network, [patch] * 6, (2, 3), (40, 50))
    use(network, fields, [(0, 0, 16, 16), (8, 8, 16, 16)])
    made = network(torch.cat([patch, patch]))
    assert torch.allclose(made, torch.cat([own, own]), atol=1e-5)


@pytest.fixture(scope="module")
def folder(source, target, untrained):
    """A saved model with instance normalisation."""
    return untrained(source, target, **RESNET, output={"dtype": "float32"}).home


def uneven(size=(200, 260)):
    rng = np.random.default_rng(0)
    ramp = np.linspace(0.1, 1.0, size[1])
    return (rng.uniform(0, 255, size) * ramp).astype(np.float32)


def worst(predictor, image):
    whole = predictor.predict(image, tile=512)
    return max(np.abs(predictor.predict(image, tile=t) - whole).max() for t in (16, 48, 64)) / np.ptp(whole)


def test_dense_statistics_never_show_a_tile_and_follow_the_image(folder):
    dense, image = Predictor(models.load(folder, normalisation="dense")), uneven()
    assert worst(dense, image) < 1e-5
    frozen = Predictor(models.load(folder)).predict(image)
    assert np.abs(dense.predict(image) - frozen).max() > 0.05 * np.ptp(frozen)


def test_statistics_of_each_tile_show_it_and_say_so(folder, caplog):
    tile, image = Predictor(models.load(folder, normalisation="tile")), uneven()
    assert worst(tile, image) > 1e-2
    assert "normalised by its own statistics" in caplog.text
    caplog.clear()
    tile.predict(image, tile=512)
    assert not caplog.text, "one tile is the whole image, as in training"


def test_dense_statistics_of_every_plane_are_its_own(folder):
    dense, planes = Predictor(models.load(folder, normalisation="dense")), np.stack([uneven(), uneven()[:, ::-1]])
    both = dense.predict(planes)
    assert np.array_equal(both[1], dense.predict(planes[1]))


def test_a_small_plane_is_one_cell(folder):
    dense = Predictor(models.load(folder, normalisation="dense"))
    assert np.isfinite(dense.predict(uneven((1, 7)))).all()


def test_frozen_statistics_are_folded_and_others_are_not(folder):
    assert not list(layers(models.load(folder).network))
    assert {layer.mode for layer in layers(models.load(folder, normalisation="dense").network)} == {"instance"}

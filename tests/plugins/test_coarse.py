"""Sources of larger pixels: what a camera on them would have recorded is measured, and outputs are on the fine grid."""

import numpy as np
import pytest
import torch

from isoscope import kinds
from isoscope.errors import DataError
from isoscope.intensity import Intensity
from isoscope.preparation.resampling import ResampledVolume
from isoscope.quantity import plain_ratio
from isoscope.saliency import smooth
from isoscope.testing import check_generator, example_domain
from isoscope.volume import ArrayVolume, Box
from isoscope_networks.psf import psf
from isoscope_networks.recording import Recording

GREY = example_domain(1, limits=((0.0, 1000.0),), dtype="uint16", pixel_size=(1.0, 0.1, 0.1))


def fields(seed, count=24, sharp=2.0, side=64):
    noise = torch.randn(count, 1, side, side, generator=torch.Generator().manual_seed(seed))
    return 550 + 420 * (smooth(noise, sharp) * 2.2 * sharp).tanh()


def recorded(images, sigma, step, read, seed=3):
    """Blurred, averaged over squares of `step` pixels, made noisy, and read as `prepare.scale` does."""
    rng = np.random.default_rng(seed)
    coarse = torch.nn.functional.avg_pool2d(smooth(images, sigma), step).numpy()
    coarse = coarse + rng.normal(0, read, coarse.shape)
    planes = ArrayVolume(coarse.transpose(1, 0, 2, 3)[None].astype(np.float32))
    fine = ResampledVolume(planes, (1.0, float(step), float(step)))
    return torch.from_numpy(fine.read(Box.whole(fine.header.shape))[0].transpose(1, 0, 2, 3))


def fitted(clean, seen, **how):
    network = psf(GREY, GREY, **how)
    network.fit(*(Intensity(GREY.limits).normalise(x) for x in (clean, seen)))
    return {name: quantity.values[0] for name, quantity in network.describe().items()}


@pytest.mark.parametrize("step", [2, 3])
def test_blur_and_noise_of_larger_pixels_are_recovered(step):
    found = fitted(fields(0, side=96), recorded(fields(1, side=96), 2.0, step, 25.0), step=(step, step))
    # averaging over squares blurs too
    assert found["sigma"] == pytest.approx((2.0**2 + (step**2 - 1) / 12) ** 0.5, rel=0.15)
    assert found["read_noise"] == pytest.approx(25.0, rel=0.35)
    assert found["gain"] == pytest.approx(1.0, rel=0.1)


def test_without_larger_pixels_it_is_what_it_was():
    clean, seen = fields(0), smooth(fields(1), 2.0)
    assert fitted(clean, seen) == fitted(clean, seen, step=(1.0, 1.0))


@pytest.mark.parametrize("steps", [{-2: 4.0}, {-2: 2.0, -1: 2.0}, {-2: 1.5, -1: 25 / 12}])
def test_a_recording_of_what_is_straight_comes_back(steps):
    recording = Recording(steps)
    y, x = torch.meshgrid(torch.arange(40.0), torch.arange(48.0), indexing="ij")
    ramp = (3 * y + 2 * x)[None, None]
    torch.manual_seed(0)
    for drawn in (False, True):
        phases = recording.phases(drawn)
        back = recording.back(recording.record(ramp, phases), tuple(ramp.shape), phases)
        assert back.shape == ramp.shape
        assert (back - ramp)[..., 8:-8, 8:-8].abs().max() < 1e-3


def test_the_part_of_noise_that_is_left_is_below_one_and_all_where_nothing_is_recorded():
    assert Recording({-2: 1.0}).kept() == 1.0
    assert 0.1 < Recording({-2: 2.0, -1: 2.0}).kept() < Recording({-2: 2.0}).kept() < 0.8


@pytest.mark.parametrize("step", [(2.0, 2.0), (1.0, 1.5)])
def test_it_conforms(step):
    check_generator(lambda a, b: psf(a, b, step=step))


def sized(y, x=None, **more):
    return example_domain(1, pixel_size=(1.0, y, x or y), **more)


@pytest.mark.parametrize(
    ("source", "scale", "step"), [(sized(0.2), (1, 2, 2), [2, 2]), (sized(0.15, 0.1), (1, 1.5, 1), [1.5, 1])]
)
def test_superres_reads_larger_pixels_on_the_grid_of_the_target(source, scale, step):
    recipe = kinds.tasks["superres"](source, sized(0.1))
    assert recipe.source.prepare.scale == pytest.approx(scale)
    assert recipe.method.parameters["backward"] == {"name": "psf", "step": pytest.approx(step)}


@pytest.mark.parametrize("source", [sized(0.101), sized(0.05), example_domain(1), sized(0.2, unit="pixel")])
def test_superres_stays_on_its_grid_where_pixels_are_no_larger_or_nobody_knows(source):
    assert kinds.tasks["superres"](source, sized(0.1)).source.prepare.scale is None


def test_superres_refuses_pixels_far_too_large():
    with pytest.raises(DataError, match="pixels 20 times as large in the source"):
        kinds.tasks["superres"](sized(2.0), sized(0.1))


@pytest.mark.parametrize(
    ("given", "plain"), [(1.004, 1.0), (2.0001, 2.0), (0.5 / 0.24, 25 / 12), (1.6667, 5 / 3), (3.1045, 3.1045)]
)
def test_ratios_lose_what_pixel_sizes_were_rounded_by(given, plain):
    assert plain_ratio(given) == pytest.approx(plain, abs=1e-9)

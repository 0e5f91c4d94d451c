"""What a volume looks like from the side: measured on XY planes and on the sides of the same sort of volume."""

import numpy as np
import pytest
import torch

from isoscope import kinds
from isoscope.errors import DataError, RecipeError
from isoscope.intensity import Intensity
from isoscope.noise import noise_of
from isoscope.saliency import smooth
from isoscope.spectra import blur_along, power_along
from isoscope.testing import check_generator, example_domain
from isoscope_networks.axial import axial

GREY = example_domain(1, limits=((0.0, 1000.0),), dtype="uint16", pixel_size=(1.0, 0.25, 0.25))


def fields(seed, count=24, sharp=2.0):
    """Random structures alike in all directions, grey values from 130 to 970, [count, 1, 64, 64]."""
    noise = torch.randn(count, 1, 64, 64, generator=torch.Generator().manual_seed(seed))
    return 550 + 420 * (smooth(noise, sharp) * 2.2 * sharp).tanh()


def recorded(images, sigma, step, read=0.0, seed=3):
    """Blurred along rows; every `step`-th row kept, from a drawn one on, with noise; then interpolated, by numpy."""
    rng = np.random.default_rng(seed)
    blurred = smooth(images, torch.tensor([sigma]), 30, axes="y").numpy()
    out = np.empty_like(blurred)
    for n, image in enumerate(blurred[:, 0]):
        rows = np.arange(rng.uniform(0, step) if step > 1 else 0, 64, step)
        kept = np.stack([[np.interp(r, np.arange(64), column) for column in image.T] for r in rows])
        kept = kept + rng.normal(0, read, kept.shape)
        out[n, 0] = np.stack([np.interp(np.arange(64), rows, column) for column in kept.T], 1)
    return torch.from_numpy(out)


def fitted(clean, seen, **how):
    network = axial(GREY, GREY, **how)
    network.fit(*(Intensity(GREY.limits).normalise(x) for x in (clean, seen)))
    return network, {name: quantity.values[0] for name, quantity in network.describe().items()}


@pytest.mark.parametrize(("sigma", "step"), [(2.0, 1.0), (3.0, 1.0), (2.0, 4.0), (2.5, 25 / 12)])
def test_the_blur_is_recovered_from_other_planes(sigma, step):
    _, found = fitted(fields(0), recorded(fields(1), sigma, step), step=step)
    assert found["sigma"] == pytest.approx(sigma, rel=0.15)
    assert found["sigma_physical"] == pytest.approx(0.25 * found["sigma"])


def test_the_blur_across_is_not_looked_at():
    both = smooth(recorded(fields(1), 2.0, 1.0).transpose(2, 3), torch.tensor([1.5]), 10, axes="y").transpose(2, 3)
    across = smooth(fields(0).transpose(2, 3), torch.tensor([1.5]), 10, axes="y").transpose(2, 3)
    assert fitted(across, both)[1]["sigma"] == pytest.approx(2.0, rel=0.15)


@pytest.mark.parametrize("step", [1.0, 25 / 12, 4.0])
@pytest.mark.parametrize("there", [0.0, 15.0])
def test_the_noise_is_that_of_the_planes_before_they_were_interpolated(step, there):
    """`there`: noise of the sharp planes too, of which the blur leaves little."""
    noisy = fields(0) + there * torch.randn(24, 1, 64, 64, generator=torch.Generator().manual_seed(5))
    found = fitted(noisy, recorded(fields(1), 2.0, step, read=30.0), step=step)[1]
    assert found["read_noise"] == pytest.approx(30.0, rel=0.3)


def test_what_it_makes_is_as_noisy_and_as_smooth_as_what_it_saw():
    seen = recorded(fields(1), 2.0, 25 / 12, read=30.0)
    network, _ = fitted(fields(0), seen, step=25 / 12)
    network.train()
    draws = [network(Intensity(GREY.limits).normalise(fields(2))) for _ in range(8)]  # each with planes elsewhere
    made = Intensity(GREY.limits).grey_values(torch.cat(draws))
    (c0, c1), (t0, t1) = (noise_of(x[:, :, ::2]) for x in (made, seen))
    assert float(c0 + 550 * c1) == pytest.approx(float(t0 + 550 * t1), rel=0.3), "variance at the mean grey value"
    frequencies, power = power_along(made[:, 0].numpy(), -2)
    wanted = power_along(seen[:, 0].numpy(), -2)[1]
    low = frequencies < 0.1
    assert np.all(np.abs(np.log(power[low] / wanted[low])) < np.log(2))


def test_rows_are_blurred_and_columns_are_not():
    network = axial(GREY, GREY, sigma=2.0, step=1.0, noise=False).eval()
    point = torch.zeros(1, 1, 65, 65)
    point[..., 32, 32] = 1
    made = network(point)[0, 0]
    assert made[:, 32].sum() == pytest.approx(1, abs=1e-4)
    assert made.sum() == pytest.approx(1, abs=1e-4)


def test_a_declared_blur_is_not_measured():
    assert fitted(fields(0), recorded(fields(1), 2.0, 1.0), sigma=1.25)[1]["sigma"] == 1.25


def test_images_of_no_structure_are_fitted_too():
    flat = torch.full((4, 1, 64, 64), 500.0)
    assert np.isfinite(list(fitted(flat, flat, step=3.0)[1].values())).all()


@pytest.mark.parametrize("how", [{}, {"step": 4.0}, {"step": 25 / 12, "noise": False}])
def test_it_conforms(how):
    check_generator(lambda a, b: axial(a, b, **how))


def test_other_channels_are_refused():
    with pytest.raises(RecipeError, match="keeps the number of channels"):
        axial(GREY, example_domain(2))


@pytest.mark.parametrize(("step", "along"), [(1.0, -1), (3.0, -2)])
def test_blur_along_an_axis_is_that_of_this_axis(step, along):
    a, b = fields(0), recorded(fields(1), 2.0, step)
    a, b = (x if along == -2 else x.transpose(2, 3) for x in (a, b))
    assert blur_along(a[:, 0].numpy(), b[:, 0].numpy(), along, step) == pytest.approx(2.0, rel=0.15)


# ---- the task


def volume_domain(z=2.0, side=0.5, depth=30, **more):
    return example_domain(1, depth=depth, pixel_size=(z, side, side), **more)


@pytest.mark.parametrize(
    ("z", "side", "scale", "step"),
    [(2.0, 0.5, (4.0, 1, 1), 4.0), (0.5, 0.24, (25 / 12, 1, 1), 25 / 12), (0.5, 0.5, (1, 1, 1), 1.0)],
)
def test_the_grid_is_isotropic_at_the_pixel_size_across(z, side, scale, step):
    recipe = kinds.tasks["axial"](volume_domain(z, side), volume_domain(z, side))
    assert recipe.source.prepare.scale == pytest.approx(scale)
    assert recipe.source.prepare.sides
    assert recipe.method.parameters["backward"] == {"name": "axial", "step": pytest.approx(step)}
    assert recipe.training.augmentation == "flips", "a turned plane is not blurred along its rows"


def test_another_volume_may_teach_on_its_own_grid():
    recipe = kinds.tasks["axial"](volume_domain(2.0, 0.5), volume_domain(0.25, 0.25))
    assert recipe.source.prepare.scale == (8.0, 2.0, 2.0)


def test_planes_of_oblong_pixels_are_read_as_squares():
    oblong = example_domain(1, depth=30, pixel_size=(2.0, 0.5, 0.4))
    recipe = kinds.tasks["axial"](oblong, oblong)
    assert recipe.source.prepare.scale == (5.0, 1.25, 1.0)
    assert recipe.target.prepare.scale == (1.0, 1.25, 1.0)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (volume_domain().model_copy(update={"pixel_size": None}), "--pixel-size Z,Y,X"),
        (volume_domain(depth=1), "expected a z-stack"),
        (volume_domain(unit="nanometer"), "pixel sizes in nanometer and micrometer"),
        (volume_domain(z=0.1), "expected planes 1 to 32 pixels apart"),
        (volume_domain(z=50.0), "expected planes 1 to 32 pixels apart"),
        (example_domain(2, depth=30, pixel_size=(2.0, 0.5, 0.5)), "equal channels, got 2 and 1"),
    ],
)
def test_what_is_no_anisotropic_volume_is_refused(source, message):
    with pytest.raises(DataError, match=message):
        kinds.tasks["axial"](source, volume_domain())

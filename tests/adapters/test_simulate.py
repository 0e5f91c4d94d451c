"""Simulated fields: by name alone, the same every time, and physics as declared."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isoscope import sources
from isoscope.errors import DataError
from isoscope.volume import Box
from isoscope_simulate.contents import CONTENTS
from isoscope_simulate.fields import _field, expected
from isoscope_simulate.scenes import Scene, scene

CHOICES = [f"{view}-{content}-v1" for view in ("truth", "sharp", "widefield") for content in CONTENTS]


def pixels(name, number=0):
    volume = sources.open_all(name)[number]
    return volume.read(Box.whole(volume.header.shape))


@pytest.mark.parametrize("kind", CHOICES)
def test_a_name_means_the_same_pixels_every_time(kind):
    name = f"simulate:{kind}?size=96&count=2&seed=3"
    first = pixels(name)
    _field.cache_clear()
    assert np.array_equal(pixels(name), first)
    assert not np.array_equal(pixels(name, 1), first)
    assert not np.array_equal(pixels(f"simulate:{kind}?size=96&count=2&seed=4"), first)
    assert first.shape == (1, 1, 1, 96, 96)
    assert np.ptp(first) > 0


@settings(max_examples=30)
@given(
    z=st.tuples(st.integers(0, 3), st.integers(1, 4)),
    y=st.tuples(st.integers(0, 39), st.integers(1, 40)),
    x=st.tuples(st.integers(0, 39), st.integers(1, 40)),
)
def test_any_box_is_that_part_of_the_whole(z, y, x):
    volume = sources.open_all("simulate:widefield-nuclei-v1?size=40&planes=4&count=1")[0]
    (z, y, x) = ((min(a, b - 1), b) for a, b in (z, y, x))
    box = Box((0, 0, z[0], y[0], x[0]), (1, 1, z[1], y[1], x[1]))
    whole = volume.read(Box.whole(volume.header.shape))
    assert np.array_equal(volume.read(box), whole[box.slices])


def test_views_of_one_seed_show_one_content_and_sets_are_of_other_fields():
    truth, seen = (pixels(f"simulate:{v}-nuclei-v1?size=96&count=1")[0, 0, 0] for v in ("truth", "widefield"))
    assert np.corrcoef(truth.ravel(), seen.ravel())[0, 1] > 0.9
    sharp, pair = (pixels(f"simulate:sharp-nuclei-v1?size=96&count=1{s}")[0, 0, 0] for s in ("", "&seed=0"))
    assert abs(np.corrcoef(sharp.ravel(), seen.ravel())[0, 1]) < 0.5, "a sharp set is not the truth of a wide-field one"
    assert np.corrcoef(pair.ravel(), seen.ravel())[0, 1] > 0.9


def test_noise_is_that_of_photons_and_of_the_camera():
    said = {"view": "widefield", "content": "tissue", "size": 256, "gain": 3.0, "offset": 50.0, "read": 4.0}
    declared = Scene(**said, photons=300.0)
    mean = declared.offset + declared.gain * expected(declared, 0)[0]
    grey = _field(declared, 0)[0].astype(np.float64)
    assert (grey - mean).mean() == pytest.approx(0, abs=0.5)
    order = mean.ravel().argsort()
    for part in np.array_split(order, 6):
        level, residual = mean.ravel()[part], (grey - mean).ravel()[part]
        assert residual.var() == pytest.approx((3.0 * (level - 50) + 16 + 1 / 12).mean(), rel=0.08)


@pytest.mark.parametrize("aperture", [0.5, 1.2])
def test_a_point_is_as_wide_as_aperture_and_wavelength_say(aperture, monkeypatch):
    def point(_, shape):
        volume = np.zeros(shape)
        volume[tuple(n // 2 for n in shape)] = 1
        return volume

    monkeypatch.setitem(CONTENTS, "granules", point)
    declared = Scene(view="widefield", content="granules", size=65, planes=41, aperture=aperture, step=0.4)
    light = expected(declared, 0)
    assert 0.225 * 0.6 / aperture / 0.065 == pytest.approx(declared.sigma[1])
    axes = [np.arange(n) - n // 2 for n in light.shape]
    for axis, sigma in enumerate(declared.sigma):
        profile = light.sum(axis=tuple(k for k in range(3) if k != axis))
        width = np.sqrt((profile * axes[axis] ** 2).sum() / profile.sum())
        if 3 * sigma < light.shape[axis] / 2:
            assert width == pytest.approx(sigma, rel=0.1)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("widefield-microtubule-v1", "did you mean 'widefield-microtubules-v1'"),
        ("widefield-microtubules-v2", "did you mean 'widefield-microtubules-v1'"),
        ("widefield-nuclei-v1?sead=3", "no parameter is called 'sead'; did you mean 'seed'"),
        ("widefield-nuclei-v1?view=truth", "no parameter is called 'view'"),
        ("widefield-nuclei-v1?size=many", "size='many': Input should be a valid integer"),
        ("widefield-nuclei-v1?gain=nan", "gain='nan'"),
        ("widefield-nuclei-v1?size=8192&planes=512", "expected at most 134217728 pixels a field"),
    ],
)
def test_what_cannot_be_simulated_is_refused_in_one_line(name, said):
    with pytest.raises(DataError) as caught:
        sources.open_all(f"simulate:{name}")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_parameters_are_in_the_header_and_pixel_sizes_too():
    header = sources.open_all("simulate:widefield-granules-v1?pixel=0.1&planes=3&step=0.5&size=32")[15].header
    assert header.pixel_size == (0.5, 0.1, 0.1)
    assert header.shape == (1, 1, 3, 32, 32)
    assert header.channels == ("granules",)
    assert header.attributes["simulated"]["field"] == 15
    assert scene("simulate:widefield-granules-v1").seed == 0


def test_it_is_read_wherever_images_are(isoscope, tmp_path, tiny):
    wide, sharp = (f"simulate:{v}-microtubules-v1?size=48&count=2" for v in ("widefield", "sharp"))
    assert isoscope("convert", wide, tmp_path / "wide")[0] == 0
    assert len(list((tmp_path / "wide").glob("*.ome.zarr"))) == 2
    sides = ["--source", wide, "--target", sharp, "--task", "superres", "--steps", "2", "--quiet"]
    assert isoscope("train", *sides, *tiny, "--out", tmp_path / "run")[0] == 0
    code, _, err = isoscope("predict", tmp_path / "run", wide, "--out", tmp_path / "made")
    assert (code, len(list((tmp_path / "made").glob("*.ome.zarr")))) == (0, 2), err
    assert isoscope("evaluate", tmp_path / "made", "simulate:sharp-microtubules-v1?size=48&count=2&seed=0")[0] == 0
    code, _, err = isoscope("split", wide, sharp, "--out", tmp_path / "set")
    assert code == 2
    assert "is no file" in err
    assert not Path(wide).exists()

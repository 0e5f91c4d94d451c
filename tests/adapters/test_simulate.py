import pickle
from pathlib import Path

import numpy as np
import pytest

from isoscope.errors import DataError
from isoscope.reading import ReadOptions
from isoscope.sources import find, open_all
from isoscope.splits.fingerprint import content_hash, pixel_hash, pixels_of
from isoscope.volume import Box, Header, Layout
from isoscope.writing.ledger import identity
from isoscope_simulate.content import CONTENTS, splat
from isoscope_simulate.optics import airy, blurred, recorded, transmitted
from isoscope_simulate.settings import PRESETS, Settings
from isoscope_simulate.store import simulate

STORE = simulate()
FLAT = np.full((1, 400, 400), 2.0)


def opened(name, **parameters):
    query = "&".join(f"{k}={v}" for k, v in ({"size": 64, "count": 1} | parameters).items())
    return open_all(f"simulate:{name}?{query}")


def pixels(name, **parameters):
    (volume,) = opened(name, **parameters)
    return volume.read(Box.whole(volume.header.shape))


def test_the_store_claims_its_names_and_writes_nothing(tmp_path):
    assert STORE.claims(Path("simulate:truth-nuclei-v1"))
    assert STORE.claims(tmp_path / "simulate:truth-nuclei-v1")
    assert not STORE.claims(Path("simulate.tif"))
    with pytest.raises(DataError, match="ome"):
        STORE.create(Path("simulate:a"), Header("a", (1,) * 5, np.dtype("u1")), Layout((1,) * 5, (1,) * 5))


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_is_deterministic_and_says_what_it_is(name):
    first, again = opened(name)[0], opened(name)[0]
    assert pixel_hash(first) == pixel_hash(again) == pixel_hash(pickle.loads(pickle.dumps(first)))
    header = first.header
    assert header.shape == (1, 1, 5 if name.startswith("transmitted") else 1, 64, 64)
    assert header.channels == (name.split("-")[1],)
    assert header.pixel_size[1] == PRESETS[name]["pixel_size"]
    whole = first.read(Box.whole(header.shape))
    assert whole.dtype == header.dtype
    assert whole.std() > 0
    box = Box((0, 0, 0, 3, 5), (1, 1, 1, 40, 17))
    np.testing.assert_array_equal(again.read(box), whole[box.slices])


@pytest.mark.parametrize("content", CONTENTS)
def test_fields_differ_by_number_and_seed_and_pair_by_name(content):
    truths, seen = opened(f"truth-{content}-v1", count=3), opened(f"widefield-{content}-v1", count=3)
    others = opened(f"sharp-{content}-v1", count=3)
    assert [v.header.name for v in truths] == [v.header.name for v in seen]
    assert not {v.header.name for v in others} & {v.header.name for v in truths}
    assert len({pixel_hash(v) for v in truths}) == 3
    for a, b in zip(truths, seen, strict=True):
        match = [np.corrcoef(c.read(Box.whole(c.header.shape)).ravel(), b.read(Box.whole(b.header.shape)).ravel())[0, 1]
                 for c in truths]  # fmt: skip
        assert int(np.argmax(match)) == truths.index(a)


def test_the_same_field_of_a_larger_set_has_the_same_pixels():
    few, many = opened("widefield-nuclei-v1", count=2), opened("widefield-nuclei-v1", count=3)
    assert [pixel_hash(v) for v in few] == [pixel_hash(v) for v in many[:2]]


@pytest.mark.parametrize("content", ["microtubules", "nuclei"])
def test_many_exposures_average_to_the_blurred_truth(content):
    s = {"sigma": 2, "seed": 5}
    clean = pixels(f"widefield-{content}-v1", photons=0, **s)[0, 0]
    exposures = np.stack([pixels(f"widefield-{content}-v1", draw=n, **s)[0, 0] for n in range(100)]).astype(float)
    error = exposures.mean(0) - (100 + 1000 * clean)
    expected = np.sqrt((10 * 1000 * clean + 10**2 + 1 / 12) / 100)
    assert abs((error / expected).std() - 1) < 0.05
    assert abs((error / expected).mean()) < 0.06
    large = pixels(f"truth-{content}-v1", seed=5)[0, 0].astype(float)
    inner = (slice(None), slice(12, -12), slice(12, -12))
    again = blurred(large, Settings(psf="gaussian", sigma=2))
    np.testing.assert_allclose(again[inner], clean[inner], atol=1e-3)


@pytest.mark.parametrize(("gain", "read"), [(1, 0), (2, 5), (10, 3)])
def test_noise_has_the_variance_of_the_camera(gain, read):
    s = Settings(photons=50, gain=gain, read_noise=read, offset=200)
    grey = recorded(FLAT, s, np.random.default_rng(0)).astype(float)
    assert grey.mean() == pytest.approx(200 + gain * 100, rel=2e-3)
    assert grey.var() == pytest.approx(gain * (grey.mean() - 200) + read**2 + 1 / 12 * (read > 0), rel=0.02)


def point(shape):
    image = np.zeros(shape)
    image[tuple(n // 2 for n in shape)] = 1.0
    return image


def width(image, axis):
    """The standard deviation along an axis."""
    line = image.sum(tuple(a for a in range(3) if a != axis))
    place = np.arange(len(line)) - (line * np.arange(len(line))).sum() / line.sum()
    return np.sqrt((line * place**2).sum() / line.sum())


@pytest.mark.parametrize("sigma", [1.5, 3.0])
def test_a_point_is_as_wide_as_declared(sigma):
    seen = blurred(point((1, 65, 65)), Settings(psf="gaussian", sigma=sigma))
    assert width(seen, 1) == pytest.approx(sigma, rel=0.01)
    assert seen.sum() == pytest.approx(1, rel=1e-3)


def test_optics_give_sigmas_of_their_own():
    s = Settings(psf="gaussian", na=1.2, wavelength=0.6, index=1.33, pixel_size=0.05)
    axial, lateral = s.sigmas
    assert lateral == pytest.approx(0.225 * 0.6 / 1.2 / 0.05, rel=0.01)
    k = 2 * np.pi / 0.6
    assert axial * 0.05 == pytest.approx(2 * np.sqrt(6) * 1.33 / (k * 1.2**2), rel=1e-6)
    seen = blurred(point((97, 65, 65)), s)
    assert width(seen, 0) == pytest.approx(axial, rel=0.02)


def test_the_airy_pattern_is_dark_where_rayleigh_says():
    pattern = airy(na=0.5, wavelength=0.5, pixel_size=0.05)
    line = pattern[len(pattern) // 2, len(pattern) // 2 :]
    assert int(np.argmin(line[:18])) * 0.05 == pytest.approx(0.61, abs=0.03)
    assert pattern.sum() == pytest.approx(1)


def test_points_keep_their_light_and_their_sub_pixel_place():
    image = splat(np.array([[0.0, 10.3, 7.8]]), np.array([2.0]), (1, 20, 20))
    assert image.sum() == pytest.approx(2)
    y, x = np.mgrid[:20, :20]
    assert ((image[0] * y).sum() / 2, (image[0] * x).sum() / 2) == pytest.approx((10.3, 7.8))


def test_volumes_are_anisotropic_and_pair_with_their_isotropic_truth():
    truth = pixels("truth-nuclei-v1", depth=24)
    (seen,) = opened("widefield-nuclei-v1", depth=24, step=4, sigma=1, photons=0, index=1, na=1.4)
    assert seen.header.shape == (1, 1, 6, 64, 64)
    assert seen.header.axes == "ZYX"
    assert seen.header.pixel_size == pytest.approx((1.2, 0.3, 0.3))
    (bare,) = opened("truth-nuclei-v1", depth=24, step=4)
    np.testing.assert_array_equal(bare.read(Box.whole(bare.header.shape)), truth[:, :, ::4])


def test_an_objective_takes_the_place_of_the_presets_sigma():
    (one,) = opened("widefield-nuclei-v1", na=0.3)
    facts = {key: value for key, value in one.header.attributes["simulated"].items() if key != "field"}
    assert Settings(**facts).sigmas[1] == pytest.approx(0.225 * 0.6 / 0.3 / 0.3, rel=0.01)
    (both,) = opened("widefield-nuclei-v1", na=0.3, sigma=2)
    assert both.header.attributes["simulated"]["sigma"] == 2
    assert opened("widefield-nuclei-v1", depth=8)


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("simulate:widefeld-microtubules-v1", "did you mean 'widefield-microtubules-v1'"),
        ("simulate:truth-nuclei-v1?sead=3", "did you mean 'seed'"),
        ("simulate:truth-nuclei-v1?seed=x", "seed"),
        ("simulate:truth-nuclei-v1?seed", "parameter=value"),
        ("simulate:truth-nuclei-v1?content=tissue", "content of the name"),
        ("simulate:truth-nuclei-v1?sigma=nan", "sigma"),
        ("simulate:truth-nuclei-v1?size=8000&depth=500", "at most 67108864"),
        ("simulate:truth-nuclei-v1?size=2000&count=9000", "at most 2147483648"),
        ("simulate:truth-nuclei-v1?depth=8&psf=airy", "gaussian in volumes"),
        ("simulate:widefield-nuclei-v1?depth=8&sigma=6", "sigmas"),
    ],
)
def test_what_cannot_be_simulated_is_refused_in_one_line(where, said):
    with pytest.raises(DataError, match=said) as caught:
        open_all(where)
    assert "\n" not in str(caught.value)


def test_simulations_have_no_levels_series_or_axes_to_choose():
    for options in (ReadOptions(level=1), ReadOptions(series=1), ReadOptions(axes="YX")):
        with pytest.raises(DataError, match="simulate"):
            open_all("simulate:truth-nuclei-v1", options)


def test_a_list_may_name_simulations(tmp_path):
    (tmp_path / "a.csv").write_text("path\nsimulate:truth-nuclei-v1?count=2\n")
    assert find(tmp_path / "a.csv") == [tmp_path / "simulate:truth-nuclei-v1?count=2"]
    assert len(open_all(tmp_path / "a.csv")) == 2


def test_equal_fields_are_known_as_the_same_images():
    """What guards training from test images, and resumed predictions from other inputs."""
    short, spelt, other = (
        Path(f"simulate:widefield-granules-v1?size=32&count=1{more}") for more in ("", "&seed=0", "&seed=1")
    )
    assert content_hash(short) == content_hash(spelt) == pixels_of(spelt) != content_hash(other)
    assert identity(short) != identity(other)
    assert identity(short) == identity(Path("/elsewhere") / short)


def test_light_behind_a_thin_phase_object_follows_the_transport_of_intensity():
    y, x = np.mgrid[-64:64, -64:64] * 0.3
    blob = np.exp(-(x**2 + y**2) / (2 * 3.0**2))[None]
    s = Settings(psf="phase", pixel_size=0.3, wavelength=0.5, na=1.4, foci=3, focus_step=0.5, phase=0.1)
    before, focus, behind = transmitted(blob, s)
    assert np.ptp(focus) < 1e-12, "nothing is seen in focus"
    np.testing.assert_allclose(before - 1, 1 - behind, atol=1e-12)
    laplacian = blob[0] * ((x**2 + y**2) / 3.0**4 - 2 / 3.0**2)
    expected = -0.5 / (2 * np.pi) * 0.5 * 0.1 * laplacian  # Teague 1983: -(wavelength / 2 pi) z laplacian of the phase
    np.testing.assert_allclose(behind - 1, expected, atol=0.01 * np.abs(expected).max())


def test_labels_number_the_nuclei_of_the_same_fields():
    truth, labels = pixels("truth-nuclei-v1", size=128)[0, 0, 0], pixels("labels-nuclei-v1", size=128, seed=0)[0, 0, 0]
    assert labels.dtype == np.uint16
    assert 2 < len(np.unique(labels)) < 40
    assert (np.ravel((truth > 0.3) == (labels > 0))).mean() > 0.97
    several = [truth[labels == n] for n in np.unique(labels)[1:]]
    assert all(values.min() > 0.05 for values in several)
    with pytest.raises(DataError, match="labels of tissue"):
        opened("truth-tissue-v1", labels=True)
    with pytest.raises(DataError, match="psf phase with depth"):
        opened("transmitted-nuclei-v1", depth=8)

"""What a figure shows: aligned images in bounded pixels, round bars, regions where the images differ, one scale."""

from dataclasses import replace

import numpy as np
import pytest

from isoscope.errors import DataError
from isoscope.figures import Image, Scaling, Wish, aligned, compose, pixel_size, scale_bar
from isoscope.figures.profiles import line, profile
from isoscope.figures.regions import asked, chosen
from isoscope.pictures import to_display
from isoscope.volume import ArrayVolume, Box


def volume(array, axes="YX", **facts):
    made = ArrayVolume(array, axes)
    return ArrayVolume(array, axes, replace(made.header, **facts))


def noise(size=(64, 80), seed=0, high=200):
    return np.random.default_rng(seed).integers(20, high, size).astype(np.uint8)


def trio(**facts):
    truth = noise()
    worse = truth.copy()
    worse[8:24, 40:56] //= 2
    made = {"input": noise(seed=1), "prediction": worse, "truth": truth}
    return {role: [volume(array, name=role, **facts)] for role, array in made.items()}


class Counting(ArrayVolume):
    """An image that remembers the most pixels that were read at once."""

    most = 0

    def read(self, box, /):
        self.most = max(self.most, int(np.prod(box.shape)))
        return super().read(box)


@pytest.mark.parametrize(
    ("width", "pixel", "length", "said"),
    [(512, 0.1, 10.0, "10 µm"), (400, 1.0, 100.0, "100 µm"), (4443, 1.0, 1000.0, "1 mm"), (100, 0.01, 0.2, "200 nm"),
     (80, 0.25, 5.0, "5 µm")],
)  # fmt: skip
def test_a_bar_is_the_longest_round_length_of_at_most_a_quarter(width, pixel, length, said):
    bar = scale_bar(width, pixel)
    assert (bar.micrometers, str(bar)) == (length, said)
    assert bar.pixels * pixel == pytest.approx(length)
    assert 0.1 * width <= bar.pixels <= 0.25 * width + 1e-9


def test_an_overview_is_the_mean_of_squares_and_reads_no_more_than_a_block_at_a_time():
    array = np.random.default_rng(0).uniform(0, 1, (3000, 2050)).astype(np.float32)
    plain = Counting(array, "YX")
    made = Image("input", (plain,)).overview(3)
    assert made.shape == (1, 1000, 684)
    assert made[0, 7, 9] == pytest.approx(array[21:24, 27:30].mean())
    assert made[0, -1, -1] == pytest.approx(array[2997:, 2049:].mean())
    assert plain.most <= 1024**2


def test_an_overview_comes_from_the_coarsest_level_that_has_enough_pixels():
    def wavy(n):
        y, x = (np.mgrid[:n, :n] + 0.5) / n
        return (np.sin(6 * y) + np.cos(5 * x)).astype(np.float32)

    levels = tuple(Counting(wavy(n), "YX") for n in (1200, 600, 301, 150))
    made = Image("input", levels).overview(4)
    assert made.shape == (1, 300, 300)
    assert [level.most > 0 for level in levels] == [False, False, True, False]
    assert np.abs(made[0] - wavy(300)).max() < 0.02


def test_regions_are_where_images_differ_most_and_where_they_differ_as_usual():
    difference = np.random.default_rng(0).uniform(0, 1, (100, 120))
    difference[60:85, 10:35] += 5
    texture = np.zeros((100, 120))
    texture[:, 60:] = np.random.default_rng(1).uniform(0, 1, (100, 60))
    worst, typical = chosen(difference, texture, 1, (100, 120), "truth")
    assert (worst.y, worst.x, worst.side) == (60, 10, 25)
    assert (typical.why, typical.side) == ("typical", 25)
    assert typical.x > 48
    coarse = chosen(difference, texture, 4, (400, 480), "truth")[0]
    assert (coarse.y, coarse.x, coarse.side) == (240, 40, 100)


def test_the_worst_regions_come_in_order_and_do_not_overlap():
    difference = np.zeros((100, 120))
    for strength, (y, x) in zip((3, 9, 6), ((10, 10), (60, 60), (10, 80)), strict=True):
        difference[y : y + 25, x : x + 25] = strength
    found = chosen(difference, difference, 1, (100, 120), "truth", worst=3)
    assert [(r.y, r.x) for r in found[:3]] == [(60, 60), (10, 80), (10, 10)]
    assert [r.why for r in found[:2]] == [
        "largest difference to the truth",
        "largest difference to the truth, number 2",
    ]
    many = chosen(difference, difference, 1, (100, 120), "truth", worst=50)
    covered = np.zeros((100, 120), int)
    for region in many:
        covered[region.slices] += 1
    assert covered.max() == 1
    assert 3 < len(many) < 20


def test_a_region_shows_exactly_its_pixels_on_the_scale_of_all():
    images = aligned(trio())
    sheet = compose(images, Wish(zooms=("8,40,16", "0,0,64"), line="3,0,3,79"))
    (row,) = sheet.rows
    assert set(row.limits.values()) == {row.limits["truth"]}
    assert [view.region and view.region.side for view in row.views] == [None, 16, 64]
    for role, image in images.items():
        crop = image.levels[0].read(square(8, 40, 16))[0, :, 0]
        assert np.array_equal(row.views[1].panels[role], to_display(crop, row.limits[role]))
        assert np.array_equal(row.profiles[role].ys, image.crop(slice(3, 4), slice(0, 80))[0, 0])
        assert row.histograms[role].ys.sum() == pytest.approx(1)
    assert list(row.views[0].panels) == ["input", "prediction", "truth", "overlay", "error"]
    assert [each["region"] for each in sheet.measures] == [0, 1, 2]
    assert sheet.measures[1]["prediction"]["psnr"] < sheet.measures[0]["prediction"]["psnr"]


def square(y, x, side):
    return Box((0, 0, 0, y, x), (1, 1, 1, y + side, x + side))


def test_where_nothing_is_asked_for_the_damage_is_shown():
    worst = compose(aligned(trio())).regions[0]
    assert worst.why == "largest difference to the truth"
    assert (worst.y, worst.x) == (8, 40)


def test_error_and_overlay_have_the_colours_they_are_said_to_have():
    images = trio()
    sheet = compose(aligned(images), Wish(scaling=Scaling(limits=(0, 255), error_limit=50)))
    error, overlay = (sheet.rows[0].views[0].panels[name] for name in ("error", "overlay"))
    assert error[0, 0].tolist() == [0, 0, 0]
    bright = np.argwhere(images["truth"][0].read(square(0, 0, 64))[0, 0, 0] > 120)
    y, x = next((y, x) for y, x in bright if 8 <= y < 24 and 40 <= x < 56)
    assert error[y, x].tolist() == [255, 255, 255]
    red, green, blue = (int(v) for v in overlay[y, x])
    assert green > red == blue


def test_images_of_another_kind_have_limits_and_a_scale_of_their_own():
    images = trio()
    images["input"] = [volume(noise(seed=3).astype(np.uint16) * 100, name="input")]
    row = compose(aligned(images)).rows[0]
    assert row.relative
    assert row.limits["input"][1] > 1000 > row.limits["prediction"][1] == row.limits["truth"][1]


def test_each_channel_is_a_row_and_a_stack_of_others_shows_one_plane():
    channels = np.stack([noise(seed=n) for n in range(3)])
    pyramids = {
        "input": [volume(np.stack([noise(seed=n + 5) for n in range(4)]), "ZYX", name="stack")],
        "prediction": [volume(channels, "CYX", name="made", channels=("A", "B", "C"))],
    }
    sheet = compose(aligned(pyramids, plane=2))
    assert [row.channel for row in sheet.rows] == ["A", "B", "C"]
    row = sheet.rows[1]
    assert np.array_equal(row.views[0].panels["prediction"], to_display(channels[1], row.limits["prediction"]))
    assert np.array_equal(row.views[0].panels["input"], to_display(noise(seed=7), row.limits["input"]))
    assert (sheet.measures, row.error_limit) == ([], None)


def test_colours_are_one_row_from_black_to_white():
    colours = np.stack([noise(seed=n) for n in range(3)])
    pyramids = {
        "input": [volume(noise(), name="grey")],
        "prediction": [volume(colours, "CYX", name="made", rgb=True)],
        "truth": [volume(colours, "CYX", name="real", rgb=True)],
    }
    (row,) = compose(aligned(pyramids)).rows
    assert row.limits["prediction"] == (0, 255)
    assert np.array_equal(row.views[0].panels["truth"], np.moveaxis(colours, 0, -1))


def test_a_profile_is_linear_between_pixels_and_read_in_pieces():
    y, x = np.mgrid[:700, :900]
    ramp = Counting((2.0 * y + x)[None].astype(np.float64), "CYX")
    drawn = line("10.5,0,600,899", (700, 900))
    found = profile(Image("input", (ramp,)).crop, drawn)
    assert found[0] == pytest.approx(2 * drawn.points[0] + drawn.points[1])
    assert ramp.most < 300**2


def test_a_pixel_size_holds_for_all():
    assert pixel_size(aligned(trio())) is None
    found = pixel_size(aligned(trio(pixel_size=(1.0, 200.0, 100.0), unit="nanometer")))
    assert found == pytest.approx((0.2, 0.1))
    images = trio(pixel_size=(1.0, 0.2, 0.2))
    images["truth"] = [volume(noise(), name="truth", pixel_size=(1.0, 0.3, 0.2))]
    with pytest.raises(DataError, match="expected one size in aligned images"):
        compose(aligned(images))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"truth": noise((64, 81))}, "64 x 81 px, the prediction prediction 64 x 80; expected aligned"),
        (
            {"input": np.zeros((4, 64, 80), np.uint8), "truth": np.zeros((3, 64, 80), np.uint8)},
            "has 4 planes, truth has",
        ),
    ],
)
def test_images_that_are_not_aligned_are_refused(change, said):
    images = trio() | {r: [volume(a, "ZYX"[-a.ndim :], name=r)] for r, a in change.items()}
    with pytest.raises(DataError, match=said):
        aligned(images)


def test_a_truth_of_other_channels_and_planes_that_are_not_there_are_refused():
    images = trio()
    with pytest.raises(DataError, match="got plane 1 of 1; expected 0"):
        aligned(images, plane=1)
    with pytest.raises(DataError, match="got time point 2 of 1"):
        aligned(images, time=2)
    images["truth"] = [volume(np.zeros((2, 64, 80), np.uint8), "CYX", name="truth")]
    with pytest.raises(DataError, match="has 2 channels, the prediction prediction 1 channel; expected the same"):
        aligned(images)


@pytest.mark.parametrize("text", ["1,2", "a,b,c", "1.5,2,3", "60,0,5", "0,78,3", "0,0,0", "-1,0,5"])
def test_regions_that_are_none_are_refused(text):
    with pytest.raises(DataError, match=r"got --zoom .*expected"):
        asked(text, (64, 80))


@pytest.mark.parametrize("text", ["1,2,3", "0,0,64,0", "0,0,0,80", "5,5,5,5", "0,0,-1,4"])
def test_lines_that_are_none_are_refused(text):
    with pytest.raises(DataError, match=r"got --line .*expected"):
        line(text, (64, 80))


def test_nan_and_limits_that_do_not_rise_are_refused():
    bad = noise().astype(np.float32)
    bad[3, 3] = np.nan
    with pytest.raises(DataError, match="holds NaN"):
        compose(aligned(trio() | {"input": [volume(bad, name="input")]}))
    with pytest.raises(DataError, match="got --limits 5 5"):
        compose(aligned(trio()), Wish(scaling=Scaling(limits=(5, 5))))

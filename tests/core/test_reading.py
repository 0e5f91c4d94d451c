import logging
import pickle
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from isoscope import kinds, sources
from isoscope.errors import DataError
from isoscope.reading import ReadOptions, adjust, check_axes, choose, choose_series
from isoscope.registry import Registry
from isoscope.volume import ArrayVolume, Box, Header

VALUES = np.random.default_rng(0).integers(0, 99, (2, 4, 3, 5, 6))
NAMES = ("DAPI", "tubulin", "actin", "2")


def volume(**words):
    shape = words.pop("shape", VALUES.shape)
    values = VALUES[tuple(slice(n) for n in shape)]
    return ArrayVolume(values, header=Header("a", shape, values.dtype, "TCZYX", **({"channels": NAMES} | words)))


def adjusted(of=None, **options):
    return adjust(of or volume(), ReadOptions(**options), "a.tif")


def refused(act, *arguments, **words):
    with pytest.raises(DataError) as caught:
        act(*arguments, **words)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    "options",
    [
        {"axes": "ZYQ"}, {"axes": "ZYY"}, {"axes": "CZ"}, {"axes": ""}, {"axes": "yx"},
        {"pixel_size": (1.0,)}, {"pixel_size": (1.0, 0.0)}, {"pixel_size": (1.0, float("nan"))},
        {"pixel_size": (1.0, 1.0, float("inf"))}, {"pixel_size": (1.0,) * 4},
        {"channels": ()}, {"channels": (1, 1)}, {"level": -1}, {"series": -1},
    ],
)  # fmt: skip
def test_what_makes_sense_for_no_file_is_refused_before_any_is_opened(options):
    assert "expected" in refused(ReadOptions, **options)


def test_without_options_a_volume_stays_itself():
    one = volume()
    assert adjusted(one) is one


@given(kept=st.lists(st.integers(0, 3), min_size=1, unique=True), data=st.data())
def test_channels_are_chosen_and_reordered(kept, data):
    named = tuple(data.draw(st.sampled_from([c, NAMES[c]])) for c in kept)
    found = adjusted(channels=named)
    assert found.header.shape == (2, len(kept), 3, 5, 6)
    assert found.header.channels == tuple(NAMES[c] for c in kept)
    first = data.draw(st.integers(0, len(kept) - 1))
    last = data.draw(st.integers(first + 1, len(kept)))
    box = Box((0, first, 1, 2, 3), (2, last, 3, 5, 6))
    np.testing.assert_array_equal(found.read(box), VALUES[:, kept][box.slices])


def test_a_name_goes_before_a_number_written_as_text():
    assert adjusted(channels=("2",)).header.channels == ("2",)
    assert adjusted(channels=("0", "1")).header.channels == ("DAPI", "tubulin")


def test_a_channel_that_is_not_there_is_refused_with_the_nearest_name():
    assert "did you mean 'tubulin'?" in refused(adjusted, channels=("tubulim",))
    assert "0 to 3" in refused(adjusted, channels=(4,))
    assert "names none" in refused(adjusted, volume(channels=()), channels=("DAPI",))
    assert "expected 0 or" in refused(adjusted, volume(shape=(1, 1, 1, 5, 6), channels=("a",)), channels=(-1,))
    assert "each once" in refused(adjusted, channels=(0, "DAPI"))


def test_colours_are_channels_too():
    picture = volume(shape=(1, 3, 1, 5, 6), channels=(), rgb=True)
    blue = adjusted(picture, channels=("blue",)).header
    assert (blue.rgb, blue.channels, blue.shape[1]) == (False, ("blue",), 1)
    assert adjusted(picture, channels=(2, 1, 0)).header.channels == ("blue", "green", "red")
    same = adjusted(picture, channels=("red", "green", "blue")).header
    assert (same.rgb, same.channels) == (True, ())


def test_the_pixel_size_is_in_micrometers():
    found = adjusted(volume(pixel_size=(9.0, 9.0, 9.0), unit="nanometer"), pixel_size=(3, 2, 1)).header
    assert (found.pixel_size, found.unit) == ((3, 2, 1), "micrometer")
    assert adjusted(volume(pixel_size=(9.0, 8.0, 7.0)), pixel_size=(2, 1)).header.pixel_size == (9, 2, 1)
    assert adjusted(volume(shape=(1, 1, 1, 5, 6)), pixel_size=(2, 1)).header.pixel_size == (1, 2, 1)


@pytest.mark.parametrize("words", [{}, {"pixel_size": (9.0, 8.0, 7.0), "unit": "nanometer"}])
def test_a_stack_of_unknown_depth_needs_three_lengths(words):
    assert "z, y, x" in refused(adjusted, volume(**words), pixel_size=(2, 1))


def test_adjusted_volumes_travel_to_other_processes():
    found = pickle.loads(pickle.dumps(adjusted(channels=(3, 0), pixel_size=(3, 2, 1))))
    np.testing.assert_array_equal(found.read(Box.whole(found.header.shape)), VALUES[:, [3, 0]])


def test_levels_and_series_that_are_not_there_are_refused():
    assert "level 5 of 2; expected 0 to 1" in refused(choose, "a.tif", "level", 5, "ab")
    assert "expected 0;" in refused(choose, "a.tif", "level", 1, "a")
    assert "series 2 of 2" in refused(choose_series, "a.tif", ReadOptions(series=2), "ab")


def test_other_series_are_mentioned_where_nobody_chose(caplog):
    with caplog.at_level(logging.WARNING, "isoscope"):
        assert choose_series("a.tif", ReadOptions(series=1), "ab") == "b"
        assert choose_series("a.tif", ReadOptions(), "a") == "a"
        assert not caplog.text
        choose_series("a.tif", ReadOptions(), "abc")
    assert "holds 3 images" in caplog.text


def test_axes_need_a_letter_for_each_dimension():
    assert check_axes("a.tif", "ZYX", (1, 2, 3)) == "ZYX"
    assert "axes YX for dimensions (1, 2, 3)" in refused(check_axes, "a.tif", "YX", (1, 2, 3))


class Old:
    """A third party's store from before there were options."""

    def claims(self, path):
        return True

    def open(self, path):
        return [volume()]


class New(Old):
    def open(self, path, options=ReadOptions()):
        self.asked.append(options)
        return [volume()]

    asked: list[ReadOptions] = []  # noqa: RUF012


def test_sources_hand_stores_what_is_theirs_and_see_to_the_rest(tmp_path, monkeypatch):
    (tmp_path / "a").touch()
    for store, options in ((Old, {}), (New, {"level": 1, "axes": "YX"})):
        found = Registry("stores")
        found.add("only", store)
        monkeypatch.setattr(kinds, "stores", found)
        (one,) = sources.open_all(tmp_path / "a", ReadOptions(channels=(1,), pixel_size=(3, 2, 1), **options))
        assert (one.header.channels, one.header.pixel_size) == (("tubulin",), (3, 2, 1))
    assert New.asked == [ReadOptions(level=1, axes="YX")]


def test_reading_needs_no_torch():
    code = (
        "import sys, isoscope.sources, isoscope.durable, isoscope_tiff.reader, isoscope_zarr.plate, isoscope_npz.reader"
    )
    subprocess.run([sys.executable, "-c", f"{code}; assert 'torch' not in sys.modules"], check=True)

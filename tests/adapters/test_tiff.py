import dataclasses
import logging
import os
import pickle
import struct
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st

from isoscope.errors import DataError
from isoscope.kinds import Store
from isoscope.reading import ReadOptions
from isoscope.volume import AXES, Box, Header, Layout
from isoscope.writing import gathering
from isoscope_tiff import gate
from isoscope_tiff import options as tiff_options
from isoscope_tiff.pixels import Contiguous
from isoscope_tiff.store import tiff

STORE = tiff()
LAYOUT = Layout((1, 1, 1, 64, 64), (1, 1, 1, 64, 64))
DATA = Path(os.environ.get("ISOSCOPE_TEST_DATA", Path(__file__).parents[3] / "shared" / "data"))


def files(folder, *patterns):
    found = sorted(p for pattern in patterns for p in (DATA / folder).rglob(pattern))
    missing = pytest.param(None, marks=pytest.mark.skip(reason=f"no such files in {DATA / folder}"))
    return [pytest.param(p, id=p.name) for p in found] or [missing]


def header(array, **words):
    return Header(**({"name": "image", "shape": array.shape, "dtype": array.dtype, "axes": "TCZYX"} | words))


def write(path, array, **words):
    sink = STORE.create(path, header(array, **words), LAYOUT)
    half = array.shape[3] // 2
    for a, b in ((half, array.shape[3]), (0, half)):
        box = Box((0, 0, 0, a, 0), (*array.shape[:3], b, array.shape[4]))
        sink.write(box, array[box.slices])
    sink.close()
    return path


def opened(path, **options):
    (volume,) = STORE.open(path, ReadOptions(**options))
    return volume


def whole(volume):
    return volume.read(Box.whole(volume.header.shape))


def refused(path, **options):
    with pytest.raises(DataError) as caught:
        whole(opened(path, **options))
    assert "\n" not in str(caught.value)
    assert path.name in str(caught.value)
    return str(caught.value)


def random(shape, dtype, seed=0):
    return np.random.default_rng(seed).integers(0, 100, shape).astype(dtype)


def inner_box(shape):
    return Box(tuple(n // 3 for n in shape), tuple(max(n // 3 + 1, 2 * n // 3) for n in shape))


def test_the_factory_gives_a_store():
    store: Store = STORE
    assert set(store.writes) <= set(store.suffixes)
    assert STORE.claims(Path("A.OME.TIFF"))
    assert not STORE.claims(Path("a.png"))


@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_what_is_written_is_read(tmp_path_factory, data):
    suffix = data.draw(st.sampled_from([".tif", ".ome.tif"]))
    types = ["uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "float64"]
    types += ["float16", "int64", "uint64"] if suffix == ".tif" else []
    rgb = data.draw(st.booleans())
    shape = tuple(data.draw(st.integers(1, n)) for n in (2, 3, 3, 40, 40))
    shape = (shape[0], 3 if rgb else shape[1], *shape[2:4], max(shape[4], 1 if suffix == ".ome.tif" else 2))
    array = random(shape, data.draw(st.sampled_from(types)), data.draw(st.integers(0, 9)))
    volume = opened(write(tmp_path_factory.mktemp("t") / f"a{suffix}", array, rgb=rgb))
    assert (volume.header.shape, volume.header.dtype, volume.header.rgb) == (shape, array.dtype, rgb)
    np.testing.assert_array_equal(whole(volume), array)
    start = tuple(data.draw(st.integers(0, n - 1)) for n in shape)
    box = Box(start, tuple(data.draw(st.integers(a + 1, n)) for a, n in zip(start, shape, strict=True)))
    np.testing.assert_array_equal(volume.read(box), array[box.slices])


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int32", "float32"])
@pytest.mark.parametrize("suffix", [".tif", ".tiff", ".ome.tif", ".ome.tiff"])
def test_metadata_survives(tmp_path, suffix, dtype):
    array = random((2, 3, 4, 40, 30), dtype)
    words = {"pixel_size": (0.5, 0.2, 0.1), "channels": ("DAPI", "µ-tubulin <&\"'>", "actin")}
    words |= {"attributes": {"predicted": True, "model": {"name": "x", "note": 'a "quoted" <µ>'}}}
    found = opened(write(tmp_path / f"a{suffix}", array, **words)).header
    assert found.pixel_size == pytest.approx((0.5, 0.2, 0.1), rel=1e-6)
    assert (found.name, found.unit, found.channels) == ("a", "micrometer", words["channels"])
    assert found.attributes == words["attributes"]
    assert set(found.axes) == set("TCZYX")


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("suffix", [".tif", ".ome.tif"])
def test_colour_keeps_its_pixel_size_and_flat_images_stay_flat(tmp_path, suffix, dtype):
    array = random((1, 3, 1, 40, 30), dtype)
    words = {"rgb": True, "pixel_size": (1, 0.25, 0.25), "axes": "YXC"}
    found = opened(write(tmp_path / f"a{suffix}", array, **words))
    assert (found.header.axes, found.header.rgb) == ("YXC", True)
    assert found.header.pixel_size == pytest.approx((1, 0.25, 0.25))
    flat = opened(write(tmp_path / f"b{suffix}", random((1, 1, 1, 40, 30), dtype), axes="YX")).header
    assert (flat.axes, flat.pixel_size, flat.channels, flat.attributes) == ("YX", None, (), {})


@pytest.mark.parametrize("suffix", [".tif", ".ome.tif"])
def test_units_become_micrometers_and_unknown_ones_are_left_out(tmp_path, suffix, caplog):
    array = random((1, 1, 2, 8, 8), "uint8")
    nano = write(tmp_path / f"a{suffix}", array, pixel_size=(500.0, 65.0, 65.0), unit="nanometer")
    assert opened(nano).header.pixel_size == pytest.approx((0.5, 0.065, 0.065))
    strange = write(tmp_path / f"b{suffix}", array, pixel_size=(500.0, 65.0, 65.0), unit="parsec")
    assert opened(strange).header.pixel_size is None
    assert "parsec" in caplog.text


def test_ome_tiff_is_valid_xml_for_others(tmp_path):
    path = write(tmp_path / "a.ome.tif", random((1, 2, 1, 8, 8), "uint8"), name="bell\a", channels=("a\x00", "b"),
                 pixel_size=(1.0, 0.5, 0.5), attributes={"a": "\x01"})  # fmt: skip
    with tifffile.TiffFile(path) as tif:
        pixels = tifffile.xml2dict(tif.ome_metadata)["OME"]["Image"]["Pixels"]
        assert tif.pages[0].is_tiled
    assert (pixels["PhysicalSizeX"], pixels["PhysicalSizeXUnit"], pixels["SizeC"]) == (0.5, "µm", 2)
    assert opened(path).header.channels == ("a", "b")
    assert opened(path).header.attributes == {"a": "\x01"}


def test_what_imagej_can_hold_is_an_imagej_hyperstack(tmp_path):
    with tifffile.TiffFile(write(tmp_path / "a.tif", random((2, 3, 4, 8, 8), "uint16"))) as tif:
        assert tif.is_imagej
        assert (tif.series[0].axes, tif.series[0].shape) == ("TZCYX", (2, 4, 3, 8, 8))


def test_nothing_appears_before_close_and_nothing_stays_after_abort(tmp_path, monkeypatch):
    monkeypatch.setattr(gathering, "LARGE", 100)
    array = random((1, 3, 2, 40, 30), "uint8")
    for end in ("abort", "close"):
        sink = STORE.create(tmp_path / "a.tif", header(array), LAYOUT)
        assert not (tmp_path / "a.tif").exists()
        assert len(list(tmp_path.iterdir())) == 1
        sink.write(Box.whole(array.shape), array)
        getattr(sink, end)()
        assert len(list(tmp_path.iterdir())) == (end == "close")
        sink.abort()
    np.testing.assert_array_equal(whole(opened(tmp_path / "a.tif")), array)
    with pytest.raises(ValueError, match="closed"):
        sink.write(Box.whole(array.shape), array)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("a.tif", {"dtype": np.dtype("complex64")}),
        ("a.tif", {"dtype": np.dtype(bool)}),
        ("a.ome.tif", {"dtype": np.dtype("uint64")}),
        ("a.ome.tif", {"dtype": np.dtype("float16")}),
        ("a.tif", {"rgb": True}),
        ("a.tif", {"shape": (1, 1, 1, 9, 1)}),
        ("a.tif", {"attributes": {"x": object()}}),
    ],
)
def test_an_image_that_cannot_be_held_is_refused(tmp_path, name, words):
    with pytest.raises(DataError) as caught:
        STORE.create(tmp_path / name, header(np.zeros((1, 1, 1, 9, 9), "uint8"), **words), LAYOUT)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_large_plain_files_become_bigtiff(tmp_path, monkeypatch):
    monkeypatch.setattr(tiff_options, "_CLASSIC", 100)
    array = random((1, 1, 3, 20, 20), "uint8")
    path = write(tmp_path / "a.tif", array, pixel_size=(3.0, 2.0, 1.0), channels=("one",))
    with tifffile.TiffFile(path) as tif:
        assert tif.is_bigtiff
    found = opened(path).header
    assert found.channels == ("one",)
    assert found.pixel_size == pytest.approx((3, 2, 1))
    np.testing.assert_array_equal(whole(opened(path)), array)


PAGES = [
    ("YX", (40, 50), "YX", {"photometric": "minisblack"}),
    ("QYX", (5, 40, 50), "ZYX", {"photometric": "minisblack"}),
    ("YXS", (40, 50, 3), "YXC", {"photometric": "rgb"}),
    ("SYX", (3, 40, 50), "CYX", {"photometric": "rgb", "planarconfig": "separate"}),
    ("ZYXS", (4, 40, 50, 3), "ZYXC", {"photometric": "rgb"}),
    ("ZSYX", (4, 3, 40, 50), "ZCYX", {"photometric": "rgb", "planarconfig": "separate"}),
]
FORMS = [
    {}, {"compression": "zlib"}, {"compression": "lzw", "predictor": True}, {"bigtiff": True, "byteorder": ">"},
    {"tile": (16, 32)}, {"tile": (32, 16), "compression": "zstd"}, {"rowsperstrip": 7, "compression": "zlib"},
    {"rowsperstrip": 7, "byteorder": ">", "compression": "packbits"},
]  # fmt: skip


@pytest.mark.parametrize("form", FORMS, ids=str)
@pytest.mark.parametrize(("stored", "shape", "axes", "options"), PAGES, ids=[p[0] for p in PAGES])
def test_pages_in_every_form_are_read_in_boxes(tmp_path, stored, shape, axes, options, form):
    array = random(shape, "uint16")
    tifffile.imwrite(tmp_path / "a.tif", array, metadata=None, **options, **form)
    volume = opened(tmp_path / "a.tif")
    expected = array.transpose([axes.index(a) for a in AXES if a in axes])
    np.testing.assert_array_equal(np.squeeze(whole(volume)), expected)
    assert (volume.header.axes, volume.header.rgb) == (axes, "S" in stored)
    assert whole(volume).dtype.isnative
    box = inner_box(volume.header.shape)
    np.testing.assert_array_equal(volume.read(box), whole(volume)[box.slices])


@pytest.mark.parametrize("form", FORMS, ids=str)
@pytest.mark.parametrize(("stored", "shape", "axes", "options"), PAGES, ids=[p[0] for p in PAGES])
def test_the_layout_is_what_is_decoded_at_once(tmp_path, stored, shape, axes, options, form):
    tifffile.imwrite(tmp_path / "a.tif", random(shape, "uint16"), metadata=None, **options, **form)
    volume = opened(tmp_path / "a.tif")
    if isinstance(volume._pixels, Contiguous):
        assert volume.layout is None
        return
    decoded = []

    def decode(*given, **more):
        found = volume_decode(*given, **more)
        decoded.append(found[0].size)
        return found

    volume_decode = volume._pixels.decode
    volume._pixels = dataclasses.replace(volume._pixels, decode=decode)
    sides = [min(n, m) for n, m in zip(volume.layout.chunk, volume.header.shape, strict=True)]
    volume.read(Box((0, 0, 0, 0, 0), tuple(sides)))
    assert sum(decoded) == np.prod(volume.layout.chunk)
    assert volume.layout.codec == {"zlib": "adobe_deflate"}.get(
        form.get("compression"), form.get("compression", "none")
    )


@pytest.mark.parametrize("axes", ["TZCYX", "CZYX", "TYX", "ZYXS", "CYXS"])
@pytest.mark.parametrize("options", [{}, {"compression": "zlib", "tile": (16, 16)}], ids=["raw", "tiled"])
def test_ome_axes_are_kept(tmp_path, axes, options):
    lengths = {"T": 2, "Z": 4, "C": 5, "Y": 20, "X": 33, "S": 3}
    array = random(tuple(lengths[a] for a in axes), "uint8")
    photometric = "rgb" if "S" in axes else "minisblack"
    tifffile.imwrite(tmp_path / "a.ome.tif", array, metadata={"axes": axes}, photometric=photometric, **options)
    volume = opened(tmp_path / "a.ome.tif")
    order = [axes.index(a) for a in "TCSZYX" if a in axes]
    expected = array.transpose(order).reshape(whole(volume).shape)
    np.testing.assert_array_equal(whole(volume), expected)
    box = inner_box(volume.header.shape)
    np.testing.assert_array_equal(volume.read(box), expected[box.slices])
    assert volume.header.rgb == (axes == "ZYXS")


@pytest.mark.parametrize(
    ("options", "size"),
    [
        ({"resolution": (50000, 40000), "resolutionunit": "CENTIMETER"}, (1.0, 0.25, 0.2)),
        ({"resolution": (72, 72), "resolutionunit": "INCH"}, None),
        ({"resolution": (28.35, 28.35), "resolutionunit": "CENTIMETER"}, None),
        ({"resolution": (5, 5), "resolutionunit": "NONE"}, None),
        ({"resolution": (5, 4), "imagej": True, "metadata": {"unit": "micron", "spacing": 2}}, (2.0, 0.25, 0.2)),
        ({"resolution": (5, 4), "imagej": True, "metadata": {"unit": "\\u00B5m"}}, (1.0, 0.25, 0.2)),
        ({"resolution": (5, 4), "imagej": True, "metadata": {"unit": "nm", "spacing": 2}}, (2e-3, 0.25e-3, 0.2e-3)),
        ({"resolution": (5, 4), "imagej": True, "metadata": {"unit": "pixel"}}, None),
        ({"ome": True, "metadata": {"PhysicalSizeX": 200, "PhysicalSizeXUnit": "nm"}}, (1.0, 0.2, 0.2)),
        ({"ome": True, "metadata": {"PhysicalSizeX": 2, "PhysicalSizeXUnit": "pixel"}}, None),
        ({"ome": True, "metadata": {"PhysicalSizeX": 0.2, "PhysicalSizeY": 0.1, "PhysicalSizeZ": 3}}, (3.0, 0.1, 0.2)),
        ({"description": "Aperio Image|AppMag = 20|MPP = 0.4990|Left = 1"}, (1.0, 0.499, 0.499)),
    ],
)
def test_pixel_sizes_of_others(tmp_path, options, size):
    path = tmp_path / ("a.svs" if "description" in options else "a.tif")
    extra = {"tile": (16, 16), "metadata": None} if "description" in options else {}
    tifffile.imwrite(path, random((40, 50), "uint8"), **options, **extra)
    found = opened(path).header.pixel_size
    assert found == (None if size is None else pytest.approx(size))


def test_labels_name_channels_only_if_there_is_one_each(tmp_path):
    array = random((2, 3, 8, 8), "uint8")
    for labels, names in ((["a", "b", "c"] * 2, ("a", "b", "c")), ([*"abcdef"], ()), (["a"], ())):
        tifffile.imwrite(tmp_path / "a.tif", array, imagej=True, metadata={"axes": "ZCYX", "Labels": labels})
        assert opened(tmp_path / "a.tif").header.channels == names


def test_white_is_turned_to_the_bright_end(tmp_path):
    array = random((8, 8), "uint8")
    tifffile.imwrite(tmp_path / "a.tif", array, photometric="miniswhite")
    volume = opened(tmp_path / "a.tif")
    np.testing.assert_array_equal(np.squeeze(whole(volume)), 255 - array)
    assert "inverted" in volume.header.attributes["photometric"]


def test_palette_indices_are_the_values(tmp_path):
    array = random((8, 8), "uint8")
    colours = np.arange(768, dtype="uint16").reshape(3, 256)
    tifffile.imwrite(tmp_path / "a.tif", array, photometric="palette", colormap=colours)
    volume = opened(tmp_path / "a.tif")
    np.testing.assert_array_equal(np.squeeze(whole(volume)), array)
    assert volume.header.attributes == {"palette": "index"}


def test_transparency_is_left_out_aloud(tmp_path, caplog):
    array = random((8, 9, 4), "uint8")
    tifffile.imwrite(tmp_path / "a.tif", array, photometric="rgb", extrasamples=["unassalpha"])
    volume = opened(tmp_path / "a.tif")
    np.testing.assert_array_equal(whole(volume)[0, :, 0], array[..., :3].transpose(2, 0, 1))
    assert volume.header.rgb
    assert "transparency" in caplog.text


@pytest.mark.parametrize(("planar", "shape"), [("contig", (8, 9, 2)), ("separate", (2, 8, 9))])
def test_grey_without_its_transparency_has_no_channels(tmp_path, planar, shape):
    tifffile.imwrite(
        tmp_path / "a.tif", random(shape, "uint8"), photometric="minisblack", planarconfig=planar,
        extrasamples=["unassalpha"],
    )  # fmt: skip
    header = opened(tmp_path / "a.tif").header
    assert (header.axes, header.shape) == ("YX", (1, 1, 1, 8, 9))


@pytest.mark.parametrize("photometric", ["separated", "cielab", "ycbcr"])
def test_colours_that_are_not_rgb_are_refused(tmp_path, photometric):
    samples = 4 if photometric == "separated" else 3
    tifffile.imwrite(tmp_path / "a.tif", random((8, 9, samples), "uint8"), photometric=photometric)
    assert "RGB" in refused(tmp_path / "a.tif")


def test_complex_numbers_are_refused(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((8, 8), "complex64"))
    refused(tmp_path / "a.tif")


def pyramid(path, shape=(3, 64, 51), axes="CYX", **about):
    array = random(shape, "uint8")
    with tifffile.TiffWriter(path) as tif:
        tif.write(array, subifds=2, tile=(16, 16), photometric="minisblack", metadata={"axes": axes} | about)
        for step in (2, 4):
            level = np.ascontiguousarray(array[..., ::step, ::step])
            tif.write(level, subfiletype=1, tile=(16, 16), photometric="minisblack")
    return array


SIZES = {"PhysicalSizeX": 0.5, "PhysicalSizeXUnit": "µm", "PhysicalSizeY": 250, "PhysicalSizeYUnit": "nm"}


@pytest.mark.parametrize(("axes", "shape"), [("YX", (64, 51)), ("CYX", (3, 64, 51)), ("TCZYX", (2, 3, 2, 64, 51))])
def test_the_levels_of_a_pyramid_have_their_own_pixel_size(tmp_path, axes, shape):
    array = pyramid(tmp_path / "a.ome.tif", shape, axes, **SIZES)
    for level, step in enumerate((1, 2, 4)):
        volume = opened(tmp_path / "a.ome.tif", level=level)
        expected = array[..., ::step, ::step]
        np.testing.assert_array_equal(np.squeeze(whole(volume)), expected)
        box = inner_box(volume.header.shape)
        np.testing.assert_array_equal(volume.read(box), whole(volume)[box.slices])
        assert volume.header.pixel_size == pytest.approx(
            (1, 0.25 * 64 / expected.shape[-2], 0.5 * 51 / expected.shape[-1])
        )
        np.testing.assert_array_equal(whole(pickle.loads(pickle.dumps(volume))), whole(volume))
    assert "level 5 of 3" in refused(tmp_path / "a.ome.tif", level=5)


def slide(path):
    """What Aperio scanners write: slide, thumbnail, a smaller level, label, photograph; the slide's text on each."""
    array = random((300, 420, 3), "uint8")
    text = "Aperio Image Library|AppMag = 20|MPP = 0.5"
    with tifffile.TiffWriter(path) as tif:
        common = {"photometric": "rgb", "metadata": None}
        tif.write(array, tile=(64, 64), description=text, **common)
        tif.write(array[::10, ::10].copy(), description=f"{text}|thumbnail", **common)
        tif.write(array[:299:4, :419:4].copy(), tile=(64, 64), description=text, **common)
        tif.write(array[:20, :30].copy(), subfiletype=1, description=f"label|{text}", **common)
        tif.write(array[:40, :70].copy(), subfiletype=9, description=f"macro|{text}", **common)
    return array.transpose(2, 0, 1)


def test_a_slide_has_levels_and_beside_them_a_thumbnail_a_label_and_a_photograph(tmp_path, caplog):
    array = slide(tmp_path / "a.svs")
    seen = {}
    for series, level in ((0, 0), (0, 1), (1, 0), (2, 0), (3, 0)):
        volume = opened(tmp_path / "a.svs", series=series, level=level)
        seen[series, level] = volume.header.pixel_size
        assert volume.header.rgb
        expected = [array, array[:, ::10, ::10], array[:, :20, :30], array[:, :40, :70]][series]
        np.testing.assert_array_equal(whole(volume)[0, :, 0], array[:, :299:4, :419:4] if level else expected)
    assert seen[0, 0] == (1, 0.5, 0.5)
    assert seen[0, 1] == pytest.approx((1, 0.5 * 300 / 75, 0.5 * 420 / 105))
    assert seen[1, 0] == pytest.approx((1, 5, 5))
    assert seen[2, 0] is seen[3, 0] is None
    assert "level 2 of 2" in refused(tmp_path / "a.svs", level=2)
    assert "level 1 of 1" in refused(tmp_path / "a.svs", series=1, level=1)
    assert "series 4 of 4" in refused(tmp_path / "a.svs", series=4)
    assert not caplog.text  # nobody misses a thumbnail


def test_of_several_images_the_first_is_read_aloud_and_the_others_on_demand(tmp_path, caplog):
    arrays = [random((2, 20, 30), "uint8"), random((3, 30, 20), "uint16")]
    with tifffile.TiffWriter(tmp_path / "a.ome.tif") as tif:
        for n, array in enumerate(arrays):
            about = {"axes": "CYX", "PhysicalSizeX": n + 1.0, "PhysicalSizeXUnit": "µm"}
            about["Channel"] = {"Name": [f"c{n}{i}" for i in range(len(array))]}
            tif.write(array, photometric="minisblack", metadata=about)
    for n, array in enumerate(arrays):
        volume = opened(tmp_path / "a.ome.tif", series=n)
        np.testing.assert_array_equal(np.squeeze(whole(volume)), array)
        assert volume.header.pixel_size == (1, n + 1, n + 1)
        assert volume.header.channels == tuple(f"c{n}{i}" for i in range(len(array)))
        assert ("holds 2 images" in caplog.text) == (n == 0)
        caplog.clear()


@pytest.mark.parametrize(
    ("stored", "shape", "axes", "options"),
    [
        ("QYX", (5, 40, 50), "TYX", {"photometric": "minisblack"}),
        ("QYX", (5, 40, 50), "CYX", {"photometric": "minisblack", "compression": "zlib"}),
        ("QYX", (5, 40, 50), "CXY", {"photometric": "minisblack", "compression": "zlib", "rowsperstrip": 7}),
        ("YXS", (40, 50, 3), "YXC", {"photometric": "rgb"}),
        ("YXS", (40, 50, 3), "YXZ", {"photometric": "rgb", "tile": (16, 16)}),
        ("YXS", (40, 50, 4), "YXT", {"photometric": "rgb", "extrasamples": ["unassalpha"]}),
        ("SYX", (3, 40, 50), "ZYX", {"photometric": "rgb", "planarconfig": "separate", "tile": (16, 16)}),
    ],
)  # fmt: skip
def test_the_user_knows_better_which_axes_they_are(tmp_path, stored, shape, axes, options):
    array = random(shape, "uint16")
    tifffile.imwrite(tmp_path / "a.tif", array, metadata=None, **options)
    volume = opened(tmp_path / "a.tif", axes=axes)
    expected = array.transpose([axes.index(a) for a in AXES if a in axes])
    np.testing.assert_array_equal(np.squeeze(whole(volume)), expected)
    assert (volume.header.axes, volume.header.rgb) == (axes, (stored, axes) == ("YXS", "YXC"))
    box = inner_box(volume.header.shape)
    np.testing.assert_array_equal(volume.read(box), whole(volume)[box.slices])
    np.testing.assert_array_equal(whole(pickle.loads(pickle.dumps(volume))), whole(volume))
    assert f"dimensions {shape}" in refused(tmp_path / "a.tif", axes="TCZYX")


def test_lengths_stay_with_their_dimension_when_axes_are_renamed(tmp_path):
    path = write(tmp_path / "a.tif", random((1, 1, 4, 8, 9), "uint8"), axes="ZYX", pixel_size=(3.0, 2.0, 1.0))
    assert opened(path).header.pixel_size == pytest.approx((3, 2, 1))
    for axes, size in (("TYX", (1, 2, 1)), ("ZXY", (3, 1, 2)), ("YZX", (2, 3, 1)), ("YXC", (1, 3, 2))):
        found = opened(path, axes=axes).header.pixel_size
        assert found == pytest.approx(size)
    path = write(tmp_path / "b.tif", random((1, 3, 1, 8, 9), "uint8"), axes="CYX", pixel_size=(3.0, 2.0, 1.0))
    assert opened(path, axes="YXC").header.pixel_size is None


def test_differences_of_packed_samples_wrap_at_their_own_bits(tmp_path):
    values = np.array([[100, 4000, 7, 4095], [0, 4095, 1, 2]])
    differences = np.diff(values, axis=1, prepend=0) % 4096
    packed = b"".join((int(a) << 12 | int(b)).to_bytes(3, "big") for a, b in differences.reshape(-1, 2))
    tags = [(256, 4), (257, 2), (258, 12), (259, 1), (262, 1), (273, 8), (277, 1), (278, 2), (279, 12), (317, 2)]
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    head = struct.pack("<2sHI12sH", b"II", 42, 20, packed, len(tags))
    (tmp_path / "a.tif").write_bytes(head + entries + bytes(4))
    np.testing.assert_array_equal(np.squeeze(whole(opened(tmp_path / "a.tif"))), values)


@pytest.mark.parametrize(
    ("axes", "shape"), [("CZYX", (2, 3, 1, 1)), ("ZYX", (4, 5, 1)), ("YX", (20, 1)), ("YX", (1, 20))]
)
@pytest.mark.parametrize("options", [{}, {"compression": "zlib"}], ids=str)
def test_a_declared_shape_that_is_not_that_of_the_pages_is_read_right(tmp_path, axes, shape, options):
    array = random(shape, "uint8")
    tifffile.imwrite(tmp_path / "a.tif", array, photometric="minisblack", metadata={"axes": axes}, **options)
    volume = opened(tmp_path / "a.tif")
    assert (volume.header.axes, volume.header.shape) == (axes, (1,) * (5 - len(shape)) + shape)
    np.testing.assert_array_equal(whole(volume).ravel(), array.ravel())
    box = inner_box(volume.header.shape)
    np.testing.assert_array_equal(volume.read(box), whole(volume)[box.slices])


def test_sparse_tiles_are_black(tmp_path):
    tiles = iter([np.ones((16, 16), "uint8"), *[None] * 15])
    tifffile.imwrite(tmp_path / "a.tif", tiles, shape=(64, 64), dtype="uint8", tile=(16, 16), compression="zlib")
    values = np.squeeze(whole(opened(tmp_path / "a.tif")))
    assert values[:16, :16].all()
    assert values.sum() == 256


def test_volumes_travel_to_other_processes_and_threads(tmp_path):
    array = random((4, 64, 64), "uint8")
    form = {"photometric": "minisblack", "compression": "zlib", "rowsperstrip": 5}
    tifffile.imwrite(tmp_path / "a.tif", array, **form)
    volume = pickle.loads(pickle.dumps(opened(tmp_path / "a.tif")))
    found = {}

    def read(z):
        found[z] = volume.read(Box((0, 0, z, 0, 0), (1, 1, z + 1, 64, 64)))

    work = [threading.Thread(target=read, args=(z,)) for z in range(4)]
    for thread in work:
        thread.start()
    for thread in work:
        thread.join()
    np.testing.assert_array_equal(np.concatenate([found[z] for z in range(4)], 2)[0, 0], array)


@pytest.mark.parametrize("options", [{}, {"compression": "zlib", "rowsperstrip": 4}, {"compression": "jpeg"}], ids=str)
def test_a_file_that_is_cut_short_is_refused(tmp_path, options):
    tifffile.imwrite(tmp_path / "a.tif", random((64, 64), "uint8"), **options)
    content = (tmp_path / "a.tif").read_bytes()
    (tmp_path / "a.tif").write_bytes(content[: len(content) - 300])
    refused(tmp_path / "a.tif")


@pytest.mark.parametrize("content", [b"", b"II*\0", b"II*\0\x08" + bytes(11), b"not a tiff", b"MM\0*" + bytes(100)])
def test_what_is_no_tiff_is_refused(tmp_path, content):
    (tmp_path / "a.tif").write_bytes(content)
    refused(tmp_path / "a.tif")


def test_what_is_not_there_is_refused(tmp_path):
    refused(tmp_path / "a.tif")
    (tmp_path / "folder.tif").mkdir()
    refused(tmp_path / "folder.tif")


def bomb(width, height, compression=8):
    tags = [(256, width), (257, height), (258, 8), (259, compression), (262, 1)]
    tags += [(273, 8), (277, 1), (278, height), (279, 8)]
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    return struct.pack("<2sHI8sH", b"II", 42, 16, bytes(8), len(tags)) + entries + bytes(4)


def test_a_small_file_that_declares_a_giant_image_is_refused(tmp_path):
    (tmp_path / "a.tif").write_bytes(bomb(2**31 - 1, 2**20))
    assert "declared size" in refused(tmp_path / "a.tif")


def test_a_giant_strip_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(gate, "_MAX_SEGMENT", 1000)
    tifffile.imwrite(tmp_path / "a.tif", random((64, 64), "uint8"), compression="zlib")
    assert "tiles" in refused(tmp_path / "a.tif")


def independently(path):
    """What tifffile says, as C(Z)YX, grey from black, without transparency; None where it cannot read the file."""
    try:
        with tifffile.TiffFile(path) as tif:
            series, page = tif.series[0], tif.pages[0]
            array = series.asarray()
            array = np.moveaxis(array, series.axes.index("S"), 0) if "S" in series.axes else array
    except Exception:
        return None
    if array.dtype == bool:
        array = array.astype("uint8")
    if page.photometric == 0 and array.dtype.kind != "f":
        array = 2**page.bitspersample - 1 - array
    alpha = sum(extra in (1, 2) for extra in page.extrasamples)
    return np.squeeze(array[: len(array) - alpha] if "S" in series.axes else array)


UNREADABLE = ("cmyk-", "flower-separated", "logluv-", "unopenable.tiff", "unreadable.svs")


@pytest.mark.parametrize("path", files("readers_odd_formats", "*.tif", "*.tiff", "*.svs"))
def test_real_odd_files_are_read_right_or_refused(path):
    began = time.monotonic()
    try:
        volume = opened(path)
        values = whole(volume)
    except DataError:
        refused(path)
        assert path.parent.name == "corrupt" or path.name.startswith(UNREADABLE)
    else:
        assert (values.shape, values.dtype) == (volume.header.shape, volume.header.dtype)
        assert values.dtype.isnative
        np.testing.assert_array_equal(np.squeeze(values), independently(path))
        box = inner_box(volume.header.shape)
        np.testing.assert_array_equal(volume.read(box), values[box.slices])
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("path", files("he_wsi_svs", "*.svs"))
def test_a_real_slide_is_read_in_boxes(path):
    volume = opened(path)
    assert volume.header.shape == (1, 3, 1, 3567, 4443)
    assert volume.header.rgb
    box = Box((0, 0, 0, 1500, 1700), (1, 3, 1, 1700, 1950))
    with tifffile.TiffFile(path) as tif:
        expected = tif.pages[0].asarray()[1500:1700, 1700:1950]
    np.testing.assert_array_equal(volume.read(box)[0, :, 0].transpose(1, 2, 0), expected)
    assert volume.layout == Layout((1, 3, 1, 256, 256), (1, 3, 1, 256, 256), "jpeg2000")


@pytest.mark.parametrize("path", files("he_wsi_svs", "*.svs"))
def test_the_levels_and_the_thumbnail_of_a_real_slide(path):
    small, thumbnail = opened(path, level=1), opened(path, series=1)
    assert (small.header.shape, thumbnail.header.shape) == ((1, 3, 1, 1783, 2221), (1, 3, 1, 768, 956))
    box = Box((0, 0, 0, 500, 700), (1, 3, 1, 700, 950))
    with tifffile.TiffFile(path) as tif:
        np.testing.assert_array_equal(whole(thumbnail)[0, :, 0].transpose(1, 2, 0), tif.pages[1].asarray())
        expected = tif.pages[2].asarray()[500:700, 700:950]
    np.testing.assert_array_equal(small.read(box)[0, :, 0].transpose(1, 2, 0), expected)


@pytest.mark.parametrize("path", files("neubias_misc", "*.tif")[:6] + files("vol_brain_brainreg", "*.tif")[:1])
def test_real_microscopy_is_read_right(path):
    volume = opened(path)
    np.testing.assert_array_equal(np.squeeze(whole(volume)), np.squeeze(tifffile.imread(path)))


def test_warnings_of_ours_go_through_logging(tmp_path, caplog):
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((8, 8), "float32"), photometric="miniswhite")
    with caplog.at_level(logging.WARNING, "isoscope_tiff"):
        assert "as stored" in opened(tmp_path / "a.tif").header.attributes["photometric"]
    assert "min-is-white" in caplog.text

import json
import pickle
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import zarr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numcodecs import Pickle
from ome_zarr_models.v05 import Image

from isoscope.errors import DataError
from isoscope.kinds import Store
from isoscope.reading import ReadOptions
from isoscope.volume import AXES, Box, Header, Layout
from isoscope_zarr.store import zarr as zarr_store

STORE = zarr_store()
LAYOUT = Layout((1, 1, 1, 64, 64), (1, 1, 1, 32, 32))
DTYPES = ["uint8", "uint16", "int16", "uint32", "float16", "float32", "float64", "int64"]


def header(array, **words):
    return Header(**({"name": "image", "shape": array.shape, "dtype": array.dtype, "axes": "TCZYX"} | words))


def boxes(shape, shard):
    for start in np.ndindex(*(-(-n // s) for n, s in zip(shape, shard, strict=True))):
        a = tuple(i * s for i, s in zip(start, shard, strict=True))
        yield Box(a, tuple(min(b + s, n) for b, s, n in zip(a, shard, shape, strict=True)))


def write(path, array, layout=LAYOUT, **words):
    sink = STORE.create(path, header(array, **words), layout)
    for box in boxes(array.shape, layout.shard):
        sink.write(box, array[box.slices])
    sink.close()
    return path


def whole(volume):
    return volume.read(Box.whole(volume.header.shape))


def opened(path, **options):
    (volume,) = STORE.open(path, ReadOptions(**options))
    return volume


def refused(path, **options):
    with pytest.raises(DataError) as caught:
        whole(STORE.open(path, ReadOptions(**options))[0])
    assert "\n" not in str(caught.value)
    return str(caught.value)


def random(shape, dtype, seed=0):
    values = np.random.default_rng(seed).integers(0, 100, shape)
    return values.astype(dtype)


def test_the_factory_gives_a_store():
    store: Store = STORE
    assert ".ome.zarr" in store.suffixes
    assert ".ome.zarr" in store.writes


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_what_is_written_is_read(tmp_path_factory, data):
    shape = tuple(data.draw(st.integers(1, n)) for n in (2, 3, 3, 40, 40))
    chunk = tuple(data.draw(st.integers(1, n)) for n in (2, 2, 2, 12, 12))
    shard = tuple(n * data.draw(st.integers(1, 3)) for n in chunk)
    dtype = data.draw(st.sampled_from(DTYPES))
    codec = data.draw(st.sampled_from(["zstd", "blosc", "gzip", "none"]))
    array = random(shape, dtype, data.draw(st.integers(0, 9)))
    path = write(tmp_path_factory.mktemp("z") / "a.ome.zarr", array, Layout(shard, chunk, codec))
    (volume,) = STORE.open(path)
    assert volume.header.dtype == array.dtype
    assert volume.header.shape == shape
    np.testing.assert_array_equal(whole(volume), array)
    start = tuple(data.draw(st.integers(0, n - 1)) for n in shape)
    box = Box(start, tuple(data.draw(st.integers(a + 1, n)) for a, n in zip(start, shape, strict=True)))
    np.testing.assert_array_equal(volume.read(box), array[box.slices])


def test_metadata_survives(tmp_path):
    array = random((2, 3, 4, 40, 30), "uint16")
    words = {"pixel_size": (0.5, 0.2, 0.1), "unit": "nanometer", "channels": ("DAPI", "µ-tubulin", "actin")}
    words |= {"attributes": {"predicted": True, "model": {"name": "x"}}, "axes": "TZCYX"}
    (volume,) = STORE.open(write(tmp_path / "a.ome.zarr", array, **words))
    assert volume.header == header(array, **words, name="a")


def test_a_flat_grey_image_stays_flat_and_without_pixel_size(tmp_path):
    (volume,) = STORE.open(write(tmp_path / "a.zarr", random((1, 1, 1, 40, 30), "uint8"), axes="YX"))
    assert (volume.header.axes, volume.header.pixel_size, volume.header.channels) == ("YX", None, ())


def test_axes_that_no_longer_fit_are_not_believed(tmp_path):
    (volume,) = STORE.open(write(tmp_path / "a.zarr", random((1, 2, 1, 40, 30), "uint8"), axes="YX"))
    assert volume.header.axes == "TCZYX"


def test_colour_survives(tmp_path):
    path = write(tmp_path / "a.ome.zarr", random((1, 3, 1, 40, 30), "uint8"), rgb=True, axes="YXC")
    (volume,) = STORE.open(path)
    assert (volume.header.rgb, volume.header.axes) == (True, "YXC")
    channels = json.loads((path / "zarr.json").read_text())["attributes"]["ome"]["omero"]["channels"]
    assert [c["color"] for c in channels] == ["FF0000", "00FF00", "0000FF"]
    assert [c["label"] for c in channels] == ["red", "green", "blue"]


@pytest.mark.parametrize("words", [{}, {"channels": ("a", "b", "c"), "pixel_size": (2.0, 1.0, 1.0)}, {"rgb": True}])
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_the_models_of_ome_accept_it(tmp_path, words, dtype):
    array = random((1, 3, 2, 40, 30), dtype)
    array.flat[0] = np.nan if dtype == "float32" else 0
    path = write(tmp_path / "a.ome.zarr", array, **words)
    image = Image.from_zarr(zarr.open_group(path, mode="r"))
    assert [axis.name for axis in image.ome_attributes.multiscales[0].axes] == list("tczyx")


def test_nothing_appears_before_close_and_nothing_stays_after_abort(tmp_path):
    array = random((1, 1, 1, 40, 30), "uint8")
    path = tmp_path / "a.ome.zarr"
    sink = STORE.create(path, header(array), LAYOUT)
    sink.write(Box.whole(array.shape), array)
    assert not path.exists()
    sink.abort()
    assert not list(tmp_path.iterdir())
    sink.close()
    assert not list(tmp_path.iterdir())
    write(path, array)
    assert [p.name for p in tmp_path.iterdir()] == ["a.ome.zarr"]
    assert not list(path.rglob("*partial*"))


def test_abort_after_close_is_harmless(tmp_path):
    array = random((1, 1, 1, 8, 8), "uint8")
    sink = STORE.create(tmp_path / "a.zarr", header(array), LAYOUT)
    sink.write(Box.whole(array.shape), array)
    sink.close()
    sink.abort()
    np.testing.assert_array_equal(whole(STORE.open(tmp_path / "a.zarr")[0]), array)


def test_an_older_store_is_replaced_only_at_the_end_and_other_folders_never(tmp_path):
    old, new = random((1, 1, 1, 8, 8), "uint8"), random((1, 1, 1, 9, 9), "uint8", 1)
    path = write(tmp_path / "a.zarr", old)
    sink = STORE.create(path, header(new), LAYOUT)
    sink.write(Box.whole(new.shape), new)
    np.testing.assert_array_equal(whole(STORE.open(path)[0]), old)
    sink.close()
    np.testing.assert_array_equal(whole(STORE.open(path)[0]), new)
    assert [p.name for p in tmp_path.iterdir()] == ["a.zarr"]
    (tmp_path / "holiday").mkdir()
    with pytest.raises(DataError, match="no zarr store"):
        STORE.create(tmp_path / "holiday", header(new), LAYOUT)


def test_a_retry_mends_a_torn_shard(tmp_path):
    array = random((1, 1, 1, 64, 64), "uint16")
    sink = STORE.create(tmp_path / "a.zarr", header(array), LAYOUT)
    sink.write(Box.whole(array.shape), array)
    (shard,) = (p for p in tmp_path.rglob("c/**/*") if p.is_file())
    shard.write_bytes(shard.read_bytes()[:50])
    sink.write(Box.whole(array.shape), array)
    sink.close()
    np.testing.assert_array_equal(whole(STORE.open(tmp_path / "a.zarr")[0]), array)


def test_black_shards_exist_on_disk(tmp_path):
    path = write(tmp_path / "a.zarr", np.zeros((1, 1, 1, 128, 70), "uint8"))
    assert sum(p.is_file() for p in path.rglob("c/**/*")) == 4


def test_the_same_values_give_the_same_bytes(tmp_path):
    array = random((1, 1, 1, 70, 70), "uint16")
    first, second = (write(tmp_path / f"{n}.zarr", array) for n in "ab")
    files = sorted(p.relative_to(first) for p in (first / "0").rglob("*") if p.is_file())
    assert len(files) == 6  # four shards, the array's metadata, the ledger
    assert all((first / f).read_bytes() == (second / f).read_bytes() for f in files)


@pytest.mark.parametrize("codec", ["zstd", "none"])
def test_a_flipped_bit_is_an_error_and_not_a_wrong_pixel(tmp_path, codec):
    path = write(tmp_path / "a.zarr", random((1, 1, 1, 32, 32), "uint8"), Layout(LAYOUT.shard, LAYOUT.chunk, codec))
    (shard,) = (p for p in path.rglob("c/**/*") if p.is_file())
    content = bytearray(shard.read_bytes())
    content[40] ^= 4
    shard.write_bytes(content)
    assert "cannot be decoded" in refused(path)


def test_threads_may_write_and_read_different_shards(tmp_path):
    array = random((1, 1, 1, 256, 256), "uint16")
    sink = STORE.create(tmp_path / "a.zarr", header(array), LAYOUT)
    work = [threading.Thread(target=sink.write, args=(b, array[b.slices])) for b in boxes(array.shape, LAYOUT.shard)]
    for thread in work:
        thread.start()
    for thread in work:
        thread.join()
    sink.close()
    np.testing.assert_array_equal(whole(STORE.open(tmp_path / "a.zarr")[0]), array)


@pytest.mark.parametrize("box", [Box((0, 0, 0, 0, 0), (1, 1, 1, 32, 64)), Box((0, 0, 0, 1, 0), (1, 1, 1, 65, 64))])
def test_a_box_that_is_no_whole_shard_is_refused(tmp_path, box):
    sink = STORE.create(tmp_path / "a.zarr", header(np.zeros((1, 1, 1, 100, 100), "uint8")), LAYOUT)
    with pytest.raises(ValueError, match="one whole shard"):
        sink.write(box, np.zeros(box.shape, "uint8"))
    sink.abort()


@pytest.mark.parametrize(
    ("words", "layout"),
    [
        ({"dtype": np.dtype("complex64")}, LAYOUT),
        ({"dtype": np.dtype(bool)}, LAYOUT),
        ({"channels": ("a", "b")}, LAYOUT),
        ({"rgb": True}, LAYOUT),
        ({"attributes": {"x": object()}}, LAYOUT),
        ({}, Layout(LAYOUT.shard, LAYOUT.chunk, "jpeg")),
        ({}, Layout((1, 1, 1, 64, 64), (1, 1, 1, 48, 64))),
    ],
)
def test_an_image_that_cannot_be_held_is_refused(tmp_path, words, layout):
    with pytest.raises(DataError) as caught:
        STORE.create(tmp_path / "a.zarr", header(np.zeros((1, 1, 1, 99, 99), "uint8"), **words), layout)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("shape", "names", "axes"),
    [
        ((5, 6), None, "YX"),
        ((4, 5, 6), None, "ZYX"),
        ((3, 4, 5, 6), None, "CZYX"),
        ((2, 3, 4, 5, 6), None, "TCZYX"),
        ((3, 5, 6), ["c", "y", "x"], "CYX"),
        ((5, 6, 3), ["y", "x", "channel"], "YXC"),
        ((3, 5, 6), ["wave", "y", "x"], "ZYX"),
    ],
)
@pytest.mark.parametrize("version", [2, 3])
def test_bare_arrays_are_read(tmp_path, shape, names, axes, version):
    array = random(shape, ">u2" if version == 2 else "uint16")
    old = {"attributes": {"_ARRAY_DIMENSIONS": names} if names else {}}
    named = {"dimension_names": names} if version == 3 else old
    zarr.create_array(tmp_path / "a.zarr", data=array, chunks=(2,) * len(shape), zarr_format=version, **named)
    (volume,) = STORE.open(tmp_path / "a.zarr")
    assert volume.header.axes == axes
    assert volume.header.dtype.isnative
    expected = array.transpose([axes.index(a) for a in AXES if a in axes])
    np.testing.assert_array_equal(np.squeeze(whole(volume)), expected)
    assert whole(volume).dtype.isnative
    box = Box((0, 0, 0, 2, 1), (*volume.header.shape[:3], 4, 6))
    np.testing.assert_array_equal(volume.read(box), whole(volume)[box.slices])


def test_truth_values_are_read_as_zero_and_one(tmp_path):
    zarr.create_array(tmp_path / "a.zarr", data=np.array([[True, False]]))
    values = whole(STORE.open(tmp_path / "a.zarr")[0])
    assert values.dtype == np.uint8
    assert values.ravel().tolist() == [1, 0]


def test_old_filters_and_compressors_are_read(tmp_path):
    from numcodecs import Blosc, Delta

    array = random((40, 30), "int32")
    group = zarr.open_group(tmp_path / "a.zarr", mode="w", zarr_format=2)
    made = group.create_array("x", shape=array.shape, dtype="i4", chunks=(16, 16), filters=[Delta("i4")],
                              compressors=Blosc(), order="F")  # fmt: skip
    made[:] = array
    np.testing.assert_array_equal(np.squeeze(whole(STORE.open(tmp_path / "a.zarr")[0])), array)


def ome04(path, array, axes, scale, **more):
    group = zarr.open_group(path, mode="w", zarr_format=2)
    for level in range(2):
        small = array[..., :: level + 1]
        group.create_array(f"s{level}", shape=small.shape, dtype=array.dtype, chunks=(2,) * array.ndim)[:] = small
    levels = [
        {"path": f"s{n}", "coordinateTransformations": [{"type": "scale", "scale": [*scale[:-1], scale[-1] * (n + 1)]}]}
        for n in range(2)
    ]
    group.attrs.update({"multiscales": [{"version": "0.4", "axes": axes, "datasets": levels}], **more})
    return path


def space(name, **more):
    return {"name": name, "type": "space"} | more


def test_ome_zarr_04_is_read_with_its_metadata(tmp_path):
    array = random((3, 8, 8), "uint16")
    axes = [{"name": "c", "type": "channel"}, space("y", unit="micrometer"), space("x", unit="micrometer")]
    channels = {"channels": [{"label": n, "color": "FFFFFF"} for n in "abc"]}
    path = ome04(tmp_path / "a.ome.zarr", array, axes, [1, 0.5, 0.25], omero=channels)
    (volume,) = STORE.open(path)
    assert volume.header == Header("a", (1, 3, 1, 8, 8), array.dtype, "CYX", (1.0, 0.5, 0.25), channels=("a", "b", "c"))
    np.testing.assert_array_equal(np.squeeze(whole(volume)), array)
    (level,) = STORE.open(path / "s1")
    assert (level.header.name, level.header.axes, level.header.pixel_size) == ("a_s1", "CYX", (1.0, 0.5, 0.5))
    assert level.header.shape == (1, 3, 1, 8, 4)


def test_a_level_is_chosen_with_its_own_pixel_size(tmp_path):
    array = random((3, 8, 8), "uint16")
    axes = [{"name": "c", "type": "channel"}, space("y", unit="micrometer"), space("x", unit="micrometer")]
    path = ome04(tmp_path / "a.ome.zarr", array, axes, [1, 0.5, 0.25])
    small = opened(path, level=1)
    assert (small.header.name, small.header.axes, small.header.pixel_size) == ("a", "CYX", (1.0, 0.5, 0.5))
    np.testing.assert_array_equal(np.squeeze(whole(small)), array[..., ::2])
    assert "level 5 of 2" in refused(path, level=5)
    assert "level 1 of 1" in refused(path / "s0", level=1)
    assert "series 1 of 1" in refused(path, series=1)
    assert "series 1 of 1" in refused(path / "s0", series=1)


def test_a_level_of_a_bare_group_is_refused(tmp_path):
    zarr.open_group(tmp_path / "a.zarr", mode="w").create_array("raw", data=np.ones((4, 4)))
    assert "level 1 of 1" in refused(tmp_path / "a.zarr", level=1)


def test_of_several_images_the_first_is_read_aloud_and_the_others_on_demand(tmp_path, caplog):
    arrays = [random((8, 8 + n), "uint8", n) for n in range(11)]
    path = tmp_path / "a.zarr"
    zarr.open_group(path, mode="w", attributes={"ome": {"bioformats2raw.layout": 3}})
    for n, array in enumerate(arrays):
        ome04(path / str(n), array, [space("y"), space("x")], [1, 1])
    for n in (0, 2, 10):
        np.testing.assert_array_equal(np.squeeze(whole(opened(path, series=n))), arrays[n])
        assert ("holds 11 images" in caplog.text) == (n == 0)
        caplog.clear()
    assert "series 11 of 11" in refused(path, series=11)


def test_a_group_may_hold_several_multiscales(tmp_path, caplog):
    path = ome04(tmp_path / "a.zarr", random((8, 8), "uint8"), [space("y"), space("x")], [1, 1])
    attributes = json.loads((path / ".zattrs").read_text())
    (one,) = attributes["multiscales"]
    attributes["multiscales"].append(one | {"datasets": one["datasets"][1:]})
    (path / ".zattrs").write_text(json.dumps(attributes))
    assert opened(path).header.shape[-1] == 8
    assert "holds 2 images" in caplog.text
    assert opened(path, series=1).header.shape[-1] == 4


@pytest.mark.parametrize("axes", ["TYX", "YXC", "XZY"])
def test_the_user_knows_better_which_axes_they_are(tmp_path, axes):
    array = random((3, 7, 8), "uint8")
    zarr.create_array(tmp_path / "bare.zarr", data=array, dimension_names=["wave", "y", "x"])
    steps = [space("wave", unit="micrometer"), space("y", unit="micrometer"), space("x", unit="micrometer")]
    path = ome04(tmp_path / "ome.zarr", array, steps, [3, 2, 1])
    assert "wave" in refused(path)
    for volume in (opened(tmp_path / "bare.zarr", axes=axes), opened(path, axes=axes)):
        expected = array.transpose([axes.index(a) for a in AXES if a in axes])
        np.testing.assert_array_equal(np.squeeze(whole(volume)), expected)
        assert volume.header.axes == axes
    assert volume.header.pixel_size == {"TYX": (1, 2, 1), "YXC": (1, 3, 2), "XZY": (2, 1, 3)}[axes]
    assert "dimensions (3, 7, 8)" in refused(path, axes="YX")


def test_the_axes_that_we_recorded_give_way_to_the_users(tmp_path):
    path = write(tmp_path / "a.zarr", random((1, 3, 1, 40, 30), "uint8"), axes="YXC", rgb=True)
    found = opened(path, axes="CTZYX").header
    assert (found.axes, found.shape, found.rgb) == ("CTZYX", (3, 1, 1, 40, 30), False)


WELLS = {"A/1": ["0", "1"], "B/12": ["0"]}


def plate(path, version="0.5"):
    """A plate of two wells and three fields of 4 x 5 pixels, each of one grey value."""
    form = 3 if version == "0.5" else 2

    def group(where, about):
        attributes = {"ome": {"version": version} | about} if form == 3 else about
        return zarr.open_group(where, mode="w", zarr_format=form, attributes=attributes)

    group(path, {"plate": {"wells": [{"path": w} for w in WELLS], "version": version}})
    for n, (well, fields) in enumerate(WELLS.items()):
        group(path / well.split("/")[0], {})
        group(path / well, {"well": {"images": [{"path": f} for f in fields]}})
        for f in fields:
            scale = [{"type": "scale", "scale": [1, 0.5, 0.25]}]
            axes = [{"name": "c", "type": "channel"}, space("y", unit="micrometer"), space("x", unit="micrometer")]
            levels = [{"path": "0", "coordinateTransformations": scale}]
            image = group(path / well / f, {"multiscales": [{"axes": axes, "datasets": levels}]})
            image.create_array("0", shape=(2, 4, 5), dtype="u2", chunks=(1, 4, 5))[:] = 10 * n + int(f)
    return path


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_a_plate_is_a_volume_for_every_field(tmp_path, version):
    path = plate(tmp_path / "plate.ome.zarr", version)
    volumes = STORE.open(path)
    assert [v.header.name for v in volumes] == ["A1-0", "A1-1", "B12-0"]
    assert [np.unique(whole(v)).tolist() for v in volumes] == [[0], [1], [10]]
    assert {v.header.shape for v in volumes} == {(1, 2, 1, 4, 5)}
    assert {v.header.pixel_size for v in volumes} == {(1.0, 0.5, 0.25)}
    assert {v.layout.chunk for v in volumes} == {(1, 1, 1, 4, 5)}
    assert [v.header.name for v in STORE.open(path / "A" / "1")] == ["A1-0", "A1-1"]
    assert STORE.open(path / "B" / "12" / "0")[0].header.shape == (1, 2, 1, 4, 5)
    assert np.unique(whole(pickle.loads(pickle.dumps(volumes[1])))) == [1]


def test_options_reach_the_fields_of_a_plate(tmp_path):
    path = plate(tmp_path / "plate.ome.zarr")
    assert STORE.open(path, ReadOptions(axes="ZYX"))[1].header.shape == (1, 1, 2, 4, 5)
    assert "level 1 of 1" in refused(path, level=1)
    assert "series 1 of 1" in refused(path, series=1)


def test_fields_are_opened_on_first_use(tmp_path, monkeypatch):
    path = plate(tmp_path / "plate.ome.zarr")
    monkeypatch.setattr("isoscope_zarr.reader.zarr.open_array", lambda *_, **__: pytest.fail("opened an array"))
    assert len(STORE.open(path)) == 3


@pytest.mark.parametrize(
    "about",
    [
        {"plate": {"wells": []}},
        {"plate": {"wells": [{"path": "C/3"}]}},
        {"plate": {"wells": [{"path": "../other"}]}},
        {"plate": {"wells": [{}]}},
        {"plate": {"wells": 7}},
        {"plate": []},
        {"well": {"images": [{"path": "0"}]}},
    ],
    ids=str,
)
def test_broken_plates_are_refused(tmp_path, about):
    (tmp_path / "other").mkdir()
    zarr.open_group(tmp_path / "a.zarr", mode="w", attributes={"ome": about})
    refused(tmp_path / "a.zarr")


def test_units_that_differ_become_micrometers_and_missing_ones_stay_missing(tmp_path):
    array = random((4, 8, 8), "uint8")
    axes = [space("z", unit="nanometer"), space("y", unit="micrometer"), space("x", unit="µm")]
    (volume,) = STORE.open(ome04(tmp_path / "a.zarr", array, axes, [500, 0.2, 0.2]))
    assert (volume.header.pixel_size, volume.header.unit) == ((0.5, 0.2, 0.2), "micrometer")
    (volume,) = STORE.open(ome04(tmp_path / "b.zarr", array, [space(n) for n in "zyx"], [5, 1, 1]))
    assert (volume.header.pixel_size, volume.header.unit) == ((5.0, 1.0, 1.0), "")


def test_a_group_of_several_arrays_is_refused_by_name(tmp_path):
    group = zarr.open_group(tmp_path / "a.zarr", mode="w")
    group.create_array("raw", data=np.ones((4, 4)))
    np.testing.assert_array_equal(np.squeeze(whole(STORE.open(tmp_path / "a.zarr")[0])), np.ones((4, 4)))
    group.create_array("labels", data=np.ones((4, 4)))
    assert "labels, raw" in refused(tmp_path / "a.zarr")
    assert STORE.open(tmp_path / "a.zarr" / "raw")[0].header.name == "a_raw"


def test_claims_look_at_names_and_at_what_is_inside(tmp_path):
    zarr.create_array(tmp_path / "plain", data=np.ones((4, 4)), zarr_format=2)
    (tmp_path / "photos").mkdir()
    assert STORE.claims(tmp_path / "plain")
    assert STORE.claims(Path("somewhere/new.ome.zarr"))
    assert not STORE.claims(tmp_path / "photos")
    assert not STORE.claims(Path("a.tif"))


def test_volumes_travel_to_other_processes(tmp_path):
    array = random((1, 1, 1, 70, 70), "uint8")
    (volume,) = STORE.open(write(tmp_path / "a.zarr", array))
    np.testing.assert_array_equal(whole(pickle.loads(pickle.dumps(volume))), array)


V2 = {"zarr_format": 2, "shape": [4, 4], "chunks": [2, 2], "dtype": "<u2", "compressor": None, "fill_value": 0,
      "order": "C", "filters": None}  # fmt: skip
V3 = {
    "zarr_format": 3, "node_type": "array", "shape": [4, 4], "data_type": "uint16", "fill_value": 0, "attributes": {},
    "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [2, 2]}},
    "chunk_key_encoding": {"name": "default"}, "codecs": [{"name": "bytes", "configuration": {"endian": "little"}}],
}  # fmt: skip


def sharded(chunk, codecs):
    return [{"name": "sharding_indexed", "configuration": {"chunk_shape": chunk, "codecs": codecs}}]


def grid(*shape):
    return {"name": "regular", "configuration": {"chunk_shape": list(shape)}}


@pytest.mark.parametrize(
    ("base", "change"),
    [
        (V2, {"shape": [0, 4]}),
        (V2, {"shape": [-1, 4]}),
        (V2, {"shape": [2**40, 2**40]}),
        (V2, {"shape": "many"}),
        (V2, {"shape": [4], "chunks": [2]}),
        (V2, {"shape": [1] * 6, "chunks": [1] * 6}),
        (V2, {"chunks": [2**20, 2**20]}),
        (V2, {"chunks": [0, 1]}),
        (V2, {"dtype": "|O", "filters": [{"id": "pickle"}]}),
        (V2, {"dtype": "<c8"}),
        (V2, {"dtype": "<U4"}),
        (V2, {"dtype": "<M8[s]"}),
        (V2, {"dtype": [["a", "<u2"]]}),
        (V2, {"dtype": "nonsense"}),
        (V2, {"filters": [{"id": "pickle", "protocol": 5}]}),
        (V2, {"compressor": {"id": "unheard_of"}}),
        (V3, {"data_type": "complex64"}),
        (V3, {"data_type": "string"}),
        (V3, {"data_type": {"name": "struct"}}),
        (V3, {"chunk_grid": grid(2**20, 2**20)}),
        (V3, {"chunk_grid": {}}),
        (V3, {"codecs": [{"name": "numcodecs.pickle"}]}),
        (V3, {"codecs": "bytes"}),
        (V3, {"node_type": "fruit"}),
        (V3, {"codecs": sharded([2, 2], [{"name": "vlen-bytes"}])}),
        (V3, {"shape": [2**20] * 2, "chunk_grid": grid(2**20, 2**20), "codecs": sharded([1, 1], V3["codecs"])}),
    ],
)  # fmt: skip
def test_dangerous_or_senseless_metadata_is_refused_quickly(tmp_path, base, change):
    (tmp_path / ("zarr.json" if base is V3 else ".zarray")).write_text(json.dumps(base | change))
    began = time.monotonic()
    refused(tmp_path)
    assert time.monotonic() - began < 1


def test_pickles_are_never_loaded(tmp_path):
    # written as an attacker would: the chunk is a pickle that runs code when loaded
    class Bomb:
        def __reduce__(self):
            return (pytest.fail, ("the pickle was loaded",))

    (tmp_path / ".zarray").write_text(json.dumps(V2 | {"dtype": "|O", "filters": [Pickle().get_config()]}))
    (tmp_path / "0.0").write_bytes(pickle.dumps(Bomb()))
    refused(tmp_path)


@pytest.mark.parametrize("text", ["{", "[]", '"x"', "[" * 100_000])
def test_broken_json_is_refused(tmp_path, text):
    (tmp_path / "zarr.json").write_text(text)
    refused(tmp_path)


@pytest.mark.parametrize(
    "ome",
    [
        {"multiscales": []},
        {"multiscales": [{"axes": ["y", "x"], "datasets": []}]},
        {"multiscales": [{"axes": ["y", "x"], "datasets": [{"path": "../../outside"}]}]},
        {"multiscales": [{"axes": ["y", "x"], "datasets": [{"path": "missing"}]}]},
        {"multiscales": [{"axes": ["wave", "x"], "datasets": [{"path": "0"}]}]},
        {"multiscales": 7},
        {"plate": {}},
        {},
    ],
)
def test_broken_ome_metadata_is_refused(tmp_path, ome):
    zarr.open_group(tmp_path / "a.zarr", mode="w", attributes={"ome": ome})
    refused(tmp_path / "a.zarr")


def test_what_is_not_there_is_refused(tmp_path):
    refused(tmp_path / "a.zarr")
    (tmp_path / "file.zarr").write_text("")
    refused(tmp_path / "file.zarr")
    refused(tmp_path)


def test_the_oldest_ome_zarr_is_read(tmp_path):
    array = random((1, 1, 2, 8, 8), "uint8")
    path = ome04(tmp_path / "a.zarr", array, None, [1] * 5)
    attributes = json.loads((path / ".zattrs").read_text())
    del attributes["multiscales"][0]["axes"]
    (path / ".zattrs").write_text(json.dumps(attributes))
    assert STORE.open(path)[0].header.axes == "TCZYX"

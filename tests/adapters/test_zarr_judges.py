"""What others make of our OME-Zarr: validators and readers, and how a viewer would show it.

ome-zarr-py and napari bring about 100 packages; where they are not installed, what asks them is skipped. In an
environment of its own (napari's pytest plug-in warns, and warnings are errors here, so plug-ins stay out):

    pip install -e '.[dev,judges]'
    PYTEST_DISABLE_PLUGIN_AUTOLOAD=1 python -m pytest tests/adapters/test_zarr_judges.py
"""

import json
import logging
import warnings

import numpy as np
import ome_zarr_models
import pytest
import zarr

from isoscope.volume import Box, Header, Layout
from isoscope_zarr.store import zarr as zarr_store

MICROMETERS = {"pixel_size": (2.0, 0.5, 0.25)}
IMAGES = {
    "grey": ((1, 1, 1, 300, 280), "uint8", {"axes": "YX"}),
    "one pixel": ((1, 1, 1, 1, 1), "uint16", {"axes": "YX"}),
    "black": ((1, 1, 1, 40, 40), "uint16", {"axes": "YX", "top": 0}),
    "flat": ((1, 1, 1, 40, 40), "float32", {"axes": "YX", "flat": 0.5}),
    "rgb": ((1, 3, 1, 300, 280), "uint8", {"axes": "YXC", "rgb": True, **MICROMETERS}),
    "rgb, floats": ((1, 3, 1, 60, 50), "float32", {"axes": "YXC", "rgb": True, "top": 0.7}),
    "channels": ((1, 8, 1, 90, 80), "uint16", {"axes": "CYX", "channels": tuple("abcdefgh"), **MICROMETERS}),
    "unnamed channels": ((1, 3, 1, 90, 80), "float32", {"axes": "CYX"}),
    "stack": ((1, 1, 7, 300, 280), "float32", {"axes": "ZYX", **MICROMETERS}),
    "time series": ((5, 2, 1, 90, 80), "int16", {"axes": "TCYX", "channels": ("µ", "β")}),
    "nanometers": ((1, 1, 2, 90, 80), "uint8", {"axes": "ZYX", "unit": "nanometer", **MICROMETERS}),
}


@pytest.fixture(params=IMAGES)
def image(request):
    """Header and values, both of the same name."""
    shape, dtype, words = IMAGES[request.param]
    words = dict(words)
    array = (np.random.default_rng(0).random(shape) * words.pop("top", 200)).astype(dtype)
    array[...] = words.pop("flat", array)
    return Header(request.param, shape, array.dtype, **words), array


@pytest.fixture(params=["0.5", "0.4"])
def version(request):
    return request.param


@pytest.fixture
def store(tmp_path, image, version):
    header, array = image
    path = tmp_path / "a.ome.zarr"
    sink = zarr_store(version=version).create(path, header, Layout((1, 1, 1, 128, 128), (1, 1, 1, 64, 64)))
    for box in sink._levels[0].boxes():
        sink.write(box, array[box.slices])
    sink.close()
    return path


def expected_range(header, values):
    """A channel's range of shown grey values, said in other words than the writer's."""
    low, high = float(values.min()), float(values.max())
    if header.rgb:
        return (0.0, 255.0) if header.dtype.kind == "u" else (0.0, 1.0)
    return (low, high) if low < high else (0.0, high or 1.0)


def ranges(header, array):
    return [expected_range(header, array[:, c]) for c in range(array.shape[1])]


def colours(header):
    """Red, green, blue as RGB is; white alone; else as biologists have it: green and magenta first."""
    many = (
        ["FF0000", "00FF00", "0000FF"] if header.rgb else ["00FF00", "FF00FF", "00FFFF", "FFFF00", "FF0000", "0000FF"]
    )
    return ["FFFFFF"] if header.shape[1] == 1 else [many[n % len(many)] for n in range(header.shape[1])]


def test_every_channel_has_a_colour_and_a_range(store, version, image):
    header, array = image
    text = (store / ("zarr.json" if version == "0.5" else ".zattrs")).read_text()
    document = json.loads(text)
    channels = (document["attributes"]["ome"] if version == "0.5" else document)["omero"]["channels"]
    views = [c["window"] for c in channels]
    assert [(v["start"], v["end"]) for v in views] == ranges(header, array)
    assert all(v["min"] <= v["start"] < v["end"] <= v["max"] for v in views)
    if header.dtype.kind in "iu":
        assert {(v["min"], v["max"]) for v in views} == {(np.iinfo(header.dtype).min, np.iinfo(header.dtype).max)}
    assert [c["color"] for c in channels] == colours(header)
    names = ("red", "green", "blue") if header.rgb else header.channels
    assert [c["label"] for c in channels if "label" in c] == list(names)


def test_what_has_no_name_is_read_back_without_one(store, image):
    header, array = image
    (volume,) = zarr_store().open(store)
    assert (volume.header.channels, volume.header.rgb) == (header.channels, header.rgb)
    assert (volume.header.pixel_size, volume.header.axes) == (header.pixel_size, header.axes)
    np.testing.assert_array_equal(volume.read(Box.whole(array.shape)), array)


def test_the_downscaling_is_described_where_there_is_one(store, version):
    document = json.loads((store / ("zarr.json" if version == "0.5" else ".zattrs")).read_text())
    (said,) = (document["attributes"]["ome"] if version == "0.5" else document)["multiscales"]
    several = len(said["datasets"]) > 1
    assert ("type" in said, "metadata" in said) == (several, several)
    if several:
        assert said["type"] == "mean"
        assert said["metadata"]["method"] == "isoscope.writing.shrinking.shrink"


def test_ome_zarr_models_accepts_it(store):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = ome_zarr_models.open_ome_zarr(zarr.open_group(store, mode="r"))
    assert type(found).__name__ == "Image"


@pytest.fixture
def quiet_imports():
    """The judges' own libraries may use what is deprecated; what they say of our stores still counts."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        yield


def test_ome_zarr_py_reads_it(store, version, image, quiet_imports, caplog):
    io = pytest.importorskip("ome_zarr.io", reason="ome-zarr is not installed: pip install -e '.[judges]'")
    from ome_zarr.format import format_from_version
    from ome_zarr.reader import Reader

    header, array = image
    with caplog.at_level(logging.WARNING, "ome_zarr"):
        (node,) = Reader(io.parse_url(store, mode="r", fmt=format_from_version(version)))()
    assert not caplog.text
    np.testing.assert_array_equal(np.asarray(node.data[0]), array)
    assert [axis["name"] for axis in node.metadata["axes"]] == list("tczyx")
    assert [tuple(limits) for limits in node.metadata["contrast_limits"]] == ranges(header, array)
    step = node.metadata["coordinateTransformations"][0][0]["scale"]
    assert tuple(step) == (1.0, 1.0, *(header.pixel_size or (1.0, 1.0, 1.0)))


def test_napari_shows_it_as_it_is(store, image, quiet_imports):
    plugin = pytest.importorskip(
        "napari_ome_zarr", reason="napari-ome-zarr is not installed: pip install -e '.[judges]'"
    )
    from napari.components import ViewerModel
    from napari.layers import Layer

    header, array = image
    ((data, words, kind),) = plugin.napari_get_reader(str(store))(str(store))
    assert (kind, words["channel_axis"]) == ("image", 1)
    layers = ViewerModel().add_image(data, **words)
    layers = [layers] if isinstance(layers, Layer) else layers
    names = ("red", "green", "blue") if header.rgb else header.channels
    names = names or tuple(f"channel_{n}" for n in range(array.shape[1]))
    assert [layer.name for layer in layers] == [f"{header.name}: {name}" for name in names]
    for channel, layer in enumerate(layers):
        assert tuple(layer.contrast_limits) == pytest.approx(ranges(header, array)[channel])
        assert tuple(layer.scale) == (1.0, *(header.pixel_size or (1.0, 1.0, 1.0)))
        unit = header.unit if header.pixel_size else "pixel"
        assert [str(u) for u in layer.units[1:]] == [unit] * 3
        assert np.round(layer.colormap.colors[-1][:3] * 255).astype(int).tolist() == [
            int(colours(header)[channel][i : i + 2], 16) for i in (0, 2, 4)
        ]
        np.testing.assert_array_equal(np.asarray(data[0])[:, channel], array[:, channel])

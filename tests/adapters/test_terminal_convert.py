"""Converting through the command line: values to the bit, many at once, and what is refused."""

import json

import numpy as np
import pytest

from isoscope.sources import open_one
from isoscope.volume import Box, Header
from isoscope.writing.whole import write_whole
from isoscope_terminal.batch import REPORT
from isoscope_terminal.crops import parsed


def values(path):
    volume = open_one(path)[0]
    return np.asarray(volume.read(Box.whole(volume.header.shape)))


@pytest.fixture
def stack(tmp_path):
    array = np.random.default_rng(0).integers(0, 60000, (2, 40, 50), np.uint16)
    return write_whole(tmp_path / "stack ü.ome.tif", array, "ZYX", pixel_size=(2.0, 0.5, 0.25))


@pytest.fixture
def images(tmp_path):
    home = tmp_path / "in put"
    home.mkdir()
    for n in range(3):
        write_whole(home / f"{n}.tif", np.random.default_rng(n).integers(0, 99, (20, 30), np.uint8))
    return home


def test_there_and_back_to_the_bit(isoscope, stack, tmp_path):
    store, back = tmp_path / "s.ome.zarr", tmp_path / "back.ome.tif"
    code, out, err = isoscope("convert", stack, store)
    assert code == 0
    assert "clipped" not in out
    assert "converting 1/1" in err
    assert isoscope("convert", store, back)[0] == 0
    assert np.array_equal(values(back), values(stack))
    header = open_one(back)[0].header
    assert header.pixel_size == (2.0, 0.5, 0.25)
    assert header.axes == "ZYX"


def test_changes_are_made_when_asked_for_and_counted(isoscope, stack, tmp_path):
    out = tmp_path / "small.ome.zarr"
    options = ["--crop", "1:2,8:,10:20", "--downsample", "2", "--dtype", "uint8", "--codec", "gzip", "--levels", "1"]
    code, said, _ = isoscope("convert", stack, out, *options, "--json")
    (image,) = json.loads(said)["images"]
    assert code == 0
    assert image["shape"] == [1, 1, 1, 16, 5]
    assert image["dtype"] == "uint8"
    assert image["clipped_fraction"] > 0.9
    assert open_one(out)[0].header.pixel_size == (2.0, 1.0, 0.5)
    photo = write_whole(tmp_path / "photo.png", np.zeros((20, 20, 3), np.uint8), "YXC")
    assert isoscope("convert", photo, tmp_path / "grey.png", "--grey")[0] == 0
    assert open_one(tmp_path / "grey.png")[0].header.shape == (1, 1, 1, 20, 20)


def test_many_images_become_a_folder(isoscope, images, tmp_path):
    assert isoscope("convert", images, tmp_path / "out")[0] == 0
    assert {p.name for p in (tmp_path / "out").iterdir()} == {"0.ome.zarr", "1.ome.zarr", "2.ome.zarr", REPORT}
    code, out, _ = isoscope("convert", images / "0.tif", images / "1.tif", tmp_path / "tiffs", "--to", "ome.tif")
    assert code == 0
    assert "wrote 2 images" in out
    assert np.array_equal(values(tmp_path / "tiffs" / "1.ome.tif"), values(images / "1.tif"))


def test_one_failure_stops_only_itself(isoscope, images, tmp_path):
    write_whole(images / "1.tif", np.full((20, 30), np.nan, np.float32))
    code, out, _ = isoscope("convert", images, tmp_path / "out", "--dtype", "uint8", "--json")
    document = json.loads(out)
    assert code == 2
    assert document["failed"] == 1
    assert "NaN" in document["images"][1]["error"]
    assert {p.name for p in (tmp_path / "out").iterdir()} == {"0.ome.zarr", "2.ome.zarr", REPORT}


def test_resuming_does_what_is_left(isoscope, refused, images, tmp_path):
    out = tmp_path / "out"
    assert isoscope("convert", images, out)[0] == 0
    assert "exists" in refused("convert", images, out)
    assert "--resume and --overwrite" in refused("convert", images, out, "--resume", "--overwrite")
    document = json.loads(isoscope("convert", images, out, "--resume", "--json")[1])
    assert [image["resumed_shards"] for image in document["images"]] == [1, 1, 1]
    assert isoscope("convert", images, out, "--overwrite", "-q")[0] == 0
    code, _, err = isoscope("convert", images, out, "--resume", "--crop", "0:8,0:8")
    assert code == 2
    assert err.count("begun otherwise") == 3


def version_of(path):
    return "0.4" if (path / ".zattrs").is_file() else "0.5" if (path / "zarr.json").is_file() else None


def test_the_version_of_ome_zarr_can_be_chosen_and_is_kept_by_resuming(isoscope, refused, stack, images, tmp_path):
    out = tmp_path / "s.ome.zarr"
    assert isoscope("convert", stack, out, "--ome-zarr", "0.4")[0] == 0
    assert version_of(out) == "0.4"
    assert np.array_equal(values(out), values(stack))
    assert 'layout.version was "0.4", now "0.5"' in refused("convert", stack, out, "--resume", "-q")
    assert isoscope("convert", stack, out, "--resume", "--ome-zarr", "0.4")[0] == 0
    assert isoscope("convert", stack, out, "--overwrite")[0] == 0
    assert version_of(out) == "0.5"
    assert isoscope("convert", images, tmp_path / "many", "--ome-zarr", "0.4")[0] == 0
    assert {version_of(path) for path in (tmp_path / "many").glob("*.zarr")} == {"0.4"}


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        (["out.tif", "--ome-zarr", "0.4"], "expected an output that ends in .ome.zarr"),
        (["out", "--to", ".ome.tif", "--ome-zarr", "0.5"], "expected an output that ends in .ome.zarr"),
        (["out.zarr", "--ome-zarr", "0.3"], "--ome-zarr 0.3: stores 'zarr': version = '0.3' cannot stand"),
    ],
)
def test_a_version_that_is_not_written_is_refused(refused, stack, tmp_path, more, expected):
    assert expected in refused("convert", stack, tmp_path / more[0], *more[1:])
    assert [p.name for p in tmp_path.iterdir()] == [stack.name]


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        (["--dtype", "int12"], "got --dtype int12"),
        (["--crop", "0-9"], "expected Y0:Y1,X0:X1"),
        (["--crop", "0:9"], "expected Y0:Y1,X0:X1"),
        (["--crop", "0:99,0:9"], "expected a part of"),
        (["--crop", "9:9,0:9"], "expected a part of"),
        (["--grey"], "leave out --grey"),
        (["--codec", "zip"], "got codec 'zip'"),
        (["--channels", "4"], "got channel '4'"),
    ],
)
def test_convert_refuses(refused, stack, tmp_path, more, expected):
    assert expected in refused("convert", stack, tmp_path / "out.ome.zarr", *more)
    assert [p.name for p in tmp_path.iterdir()] == [stack.name]


def test_convert_refuses_places(refused, stack, images, tmp_path):
    assert "expected inputs and, last, an output" in refused("convert", stack)
    assert "cannot write" in refused("convert", images, tmp_path / "out", "--to", "jpg")
    assert "for the one file" in refused("convert", images, tmp_path / "out.ome.zarr")
    assert "in the input" in refused("convert", stack, stack)
    assert "error: out.png: got shape" in refused("convert", stack, tmp_path / "out.png")


def test_crops_may_be_open():
    header = Header("x", (1, 2, 3, 40, 50), np.dtype("u1"))
    assert parsed(":,10:20", header) == Box((0, 0, 0, 0, 10), (1, 2, 3, 40, 20))
    assert parsed("2:,0:1, :5", header) == Box((0, 0, 2, 0, 0), (1, 2, 3, 1, 5))


def test_many_images_become_one(isoscope, refused, images, tmp_path):
    out = tmp_path / "one.ome.zarr"
    assert isoscope("convert", images, out, "--stack", "Z")[0] == 0
    assert np.array_equal(values(out)[0, 0], np.stack([values(p)[0, 0, 0] for p in sorted(images.iterdir())]))
    assert open_one(out)[0].header.axes == "ZYX"
    code, said, _ = isoscope("info", out, "--json")
    assert code == 0
    assert '"shard": [' in said
    assert "expected T, C or Z" in refused("convert", images, tmp_path / "q.ome.zarr", "--stack", "Q")

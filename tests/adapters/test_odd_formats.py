"""Files that are odd, damaged or made to harm: right values, or one line of refusal; never a crash, never a guess."""

import io
import json
import logging
import os
import struct
import subprocess
import sys
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile
import zarr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from isoscope.errors import DataError
from isoscope.reading import ReadOptions
from isoscope.sources import open_one
from isoscope.volume import Box

DATA = Path(os.environ.get("ISOSCOPE_TEST_DATA", Path(__file__).parents[3] / "shared" / "data")) / "readers_odd_formats"
ODD = sorted(p for p in DATA.rglob("*") if p.is_file()) if DATA.is_dir() else []
NEEDS = pytest.mark.skipif(not ODD, reason=f"no such files in {DATA}")
FUZZ = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def outcome(path, options=ReadOptions()):
    """What was read, whole; or the one line that says why not."""
    try:
        volumes = open_one(path, options)
        return [volume.read(Box.whole(volume.header.shape)) for volume in volumes]
    except DataError as error:
        line = str(error)
    assert "\n" not in line
    assert path.name in line
    return line


@NEEDS
def test_of_the_odd_files_those_are_refused_that_hold_no_grey_values_or_rgb():
    sound = [p for p in ODD if p.parent.name != "corrupt"]
    refused = {p.name: found for p in sound if isinstance(found := outcome(p), str)}
    assert len(sound) == 124
    assert len(refused) == 15
    for name, line in refused.items():
        if name.startswith(("cmyk", "flower-separated")):
            assert "CMYK" in line
            assert "save it as RGB" in line
        if name.endswith((".czi", ".dcm")):
            assert "not an image that we read" in line


@NEEDS
def test_of_the_corrupt_files_those_are_read_that_libtiff_reads_alike():
    corrupt = [p for p in ODD if p.parent.name == "corrupt"]
    assert len(corrupt) == 17
    read = {p: found for p in corrupt if not isinstance(found := outcome(p), str)}
    assert len(read) == 4  # legal after all: child images, pages out of order, a page count of 0, a missing bit depth
    for path, (values,) in read.items():
        theirs = imagecodecs.tiff_decode(path.read_bytes(), index=None if values.shape[2] > 1 else 0)
        theirs = theirs.transpose(2, 0, 1)[:3] if theirs.shape[-1] in (3, 4) else theirs
        if path.name == "total-pages-zero.tif":
            theirs = 1 - theirs.astype("u1")  # min is white
        np.testing.assert_array_equal(np.squeeze(values), theirs)


@NEEDS
def test_the_largest_demand_of_a_corrupt_file_stays_small():
    (path,) = (p for p in ODD if p.name == "libtiff_segfault.tif")  # declares 3.9 TB
    code = (
        "import resource, sys, isoscope_tiff.reader as r\nfrom isoscope.errors import DataError\n"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\nbefore = peak()\n"
        "try: r.open_volume(__import__('pathlib').Path(sys.argv[1]))\n"
        "except DataError: print((peak() - before) / 1024)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 32


def tiff_bytes(**form):
    stream = io.BytesIO()
    values = np.random.default_rng(0).integers(0, 60000, (3, 20, 30)).astype("u2")
    tifffile.imwrite(stream, values, photometric="minisblack", **form)
    return stream.getvalue()


TIFFS = [
    tiff_bytes(), tiff_bytes(compression="zlib"), tiff_bytes(tile=(16, 16), compression="lzw", predictor=True),
    tiff_bytes(bigtiff=True, byteorder=">"), tiff_bytes(ome=True), tiff_bytes(imagej=True),
]  # fmt: skip


@FUZZ
@given(data=st.data())
def test_damaged_tiff_is_read_or_refused_in_one_line(tmp_path, data):
    content = bytearray(data.draw(st.sampled_from(TIFFS)))
    where = st.integers(0, min(len(content), 700) - 1)
    for place in data.draw(st.lists(where, min_size=1, max_size=4)):
        content[place] = data.draw(st.integers(0, 255))
    (tmp_path / "a.tif").write_bytes(content[: data.draw(st.sampled_from([len(content), len(content) // 2]))])
    options = [ReadOptions(), ReadOptions(axes="CYX"), ReadOptions(level=1)]
    outcome(tmp_path / "a.tif", data.draw(st.sampled_from(options)))


TAG = st.tuples(
    st.sampled_from([254, 256, 257, 258, 259, 262, 266, 273, 277, 278, 279, 284, 317, 322, 323, 324, 325, 330, 339]),
    st.sampled_from([1, 3, 4]), st.sampled_from([0, 1, 2, 3, 2**31]),
    st.sampled_from([0, 1, 2, 3, 8, 12, 16, 32, 100, 65535, 2**31, 2**32 - 1]),
)  # fmt: skip


@FUZZ
@given(tags=st.lists(TAG, max_size=14), following=st.sampled_from([0, 8, 100, 2**32 - 1]))
def test_any_tags_are_read_or_refused_in_one_line(tmp_path, tags, following):
    entries = b"".join(struct.pack("<HHII", *tag) for tag in tags)
    head = struct.pack("<2sHIH", b"II", 42, 8, len(tags))
    (tmp_path / "a.tif").write_bytes(head + entries + struct.pack("<I", following) + bytes(200))
    outcome(tmp_path / "a.tif")


def test_a_chain_of_pages_that_loops_or_ends_outside_is_refused(tmp_path):
    content = bytearray(tiff_bytes(metadata=None))
    with tifffile.TiffFile(io.BytesIO(content)) as tif:
        last = tif.pages[2].offset
        tags = struct.unpack_from("<H", content, last)[0]
    for target in (last, 2**31):
        struct.pack_into("<I", content, last + 2 + 12 * tags, target)
        (tmp_path / "a.tif").write_bytes(content)
        assert "damaged" in outcome(tmp_path / "a.tif")


def test_two_widths_are_one_too_many(tmp_path):
    content = bytearray(tiff_bytes(metadata=None))
    with tifffile.TiffFile(io.BytesIO(content)) as tif:
        place = tif.pages[0].tags["RowsPerStrip"].offset
    struct.pack_into("<H", content, place, 256)
    (tmp_path / "a.tif").write_bytes(content)
    assert "tag 256 as 20 and as 30" in outcome(tmp_path / "a.tif")


def test_an_orientation_for_display_is_mentioned(tmp_path, caplog):
    (tmp_path / "a.tif").write_bytes(tiff_bytes(metadata=None, extratags=[(274, 3, 1, 8, True)]))
    with caplog.at_level(logging.WARNING, "isoscope_tiff"):
        (values,) = outcome(tmp_path / "a.tif")
    assert values.shape == (1, 1, 3, 20, 30)
    assert "as stored" in caplog.text


def npz_bytes(save):
    stream = io.BytesIO()
    save(stream, X=np.arange(600, dtype="f4").reshape(2, 3, 10, 10), axes="SCYX")
    return stream.getvalue()


NPZ = [npz_bytes(save) for save in (np.savez, np.savez_compressed)]


@FUZZ
@given(data=st.data())
def test_damaged_archives_are_read_or_refused_in_one_line(tmp_path, data):
    content = bytearray(data.draw(st.sampled_from(NPZ)))
    edge = st.one_of(st.integers(0, 200), st.integers(len(content) - 200, len(content) - 1))
    for place in data.draw(st.lists(edge, min_size=1, max_size=4)):
        content[place] = data.draw(st.integers(0, 255))
    (tmp_path / "a.npz").write_bytes(content)
    outcome(tmp_path / "a.npz")


JSON = st.recursive(
    st.sampled_from([None, True, 0, 1, -1, 3, 1.5, 2**40, "", "0", "x", "../..", "bytes", "uint8", "regular"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["name", "path", "axes"]), inner),
    max_leaves=4,
)


def places(document, at=()):
    """Every path into a JSON document."""
    yield at
    if isinstance(document, dict | list):
        for key in document if isinstance(document, dict) else range(len(document)):
            yield from places(document[key], (*at, key))


def changed(document, at, value):
    if not at:
        return value
    copy = document.copy()
    copy[at[0]] = changed(document[at[0]], at[1:], value)
    return copy


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    path = tmp_path_factory.mktemp("z") / "a.zarr"
    axes = [{"name": n, "type": t} for n, t in (("c", "channel"), ("y", "space"), ("x", "space"))]
    scale = [{"type": "scale", "scale": [1, 2, 3]}]
    multiscale = {"axes": axes, "datasets": [{"path": "0", "coordinateTransformations": scale}]}
    about = {"ome": {"version": "0.5", "multiscales": [multiscale], "omero": {"channels": [{"label": "a"}] * 2}}}
    group = zarr.open_group(path, mode="w", attributes=about)
    group.create_array("0", data=np.ones((2, 8, 8), "u1"), chunks=(1, 4, 4), shards=(2, 8, 8))
    return path


@FUZZ
@given(data=st.data())
def test_any_zarr_metadata_is_read_or_refused_in_one_line(store, data):
    file = store / data.draw(st.sampled_from(["zarr.json", "0/zarr.json"]))
    sound = file.read_text()
    document = json.loads(sound)
    at = data.draw(st.sampled_from(list(places(document))))
    try:
        file.write_text(json.dumps(changed(document, at, data.draw(JSON))))
        outcome(store)
    finally:
        file.write_text(sound)

import io
import os
import pickle
import struct
import time
import zlib
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from isoscope.errors import DataError
from isoscope.kinds import Store
from isoscope.reading import ReadOptions
from isoscope.volume import Box, Header, Layout
from isoscope_images import formats
from isoscope_images.store import images

STORE = images()
LAYOUT = Layout((1, 1, 1, 64, 64), (1, 1, 1, 64, 64))
DATA = Path(os.environ.get("ISOSCOPE_TEST_DATA", Path(__file__).parents[3] / "shared" / "data"))


def files(folder, pattern):
    found = sorted((DATA / folder).rglob(pattern))
    missing = pytest.param(None, marks=pytest.mark.skip(reason=f"no such files in {DATA / folder}"))
    return [pytest.param(p, id=p.name) for p in found] or [missing]


def header(array, **words):
    return Header(**({"name": "image", "shape": array.shape, "dtype": array.dtype, "axes": "YX"} | words))


def write(path, array, **words):
    sink = STORE.create(path, header(array, **words), LAYOUT)
    sink.write(Box.whole(array.shape), array)
    sink.close()
    return path


def opened(path, **options):
    (volume,) = STORE.open(path, ReadOptions(**options))
    return volume


def whole(volume):
    return volume.read(Box.whole(volume.header.shape))


def pixels(path):
    return np.squeeze(whole(opened(path)))


def refused(path, **options):
    with pytest.raises(DataError) as caught:
        whole(opened(path, **options))
    assert "\n" not in str(caught.value)
    assert path.name in str(caught.value)
    return str(caught.value)


def random(shape, dtype="uint8", seed=0):
    return np.random.default_rng(seed).integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)


def test_the_factory_gives_a_store():
    store: Store = STORE
    assert store.writes == (".png",)
    assert STORE.claims(Path("A.PNG"))
    assert not STORE.claims(Path("a.tif"))


@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_what_is_written_is_read(tmp_path_factory, data):
    channels = data.draw(st.sampled_from([1, 3]))
    shape = (1, channels, 1, data.draw(st.integers(1, 40)), data.draw(st.integers(1, 40)))
    array = random(shape, data.draw(st.sampled_from(["uint8", "uint16"])), data.draw(st.integers(0, 9)))
    volume = opened(write(tmp_path_factory.mktemp("i") / "a.png", array, rgb=channels == 3))
    assert (volume.header.shape, volume.header.dtype, volume.header.rgb) == (shape, array.dtype, channels == 3)
    np.testing.assert_array_equal(whole(volume), array)
    start = tuple(data.draw(st.integers(0, n - 1)) for n in shape)
    box = Box(start, tuple(data.draw(st.integers(a + 1, n)) for a, n in zip(start, shape, strict=True)))
    np.testing.assert_array_equal(volume.read(box), array[box.slices])


def test_metadata_survives(tmp_path):
    array = random((1, 3, 1, 8, 9), "uint16")
    words = {"pixel_size": (1.0, 0.2, 0.1), "unit": "nanometer", "channels": ("DAPI", "µ", "c"), "axes": "YXC"}
    words |= {"attributes": {"predicted": True, "note": "µ\n"}}
    path = write(tmp_path / "a.png", array, **words)
    assert opened(path).header == header(array, name="a", **words)
    with Image.open(path) as image:  # others can read it too
        image.load()


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_every_depth_keeps_its_bits_and_transparency_is_left_out_aloud(tmp_path, dtype, channels, caplog):
    array = random((8, 9, channels), dtype)
    (tmp_path / "a.png").write_bytes(imagecodecs.png_encode(np.squeeze(array)))
    volume = opened(tmp_path / "a.png")
    kept = 3 if channels > 2 else 1
    np.testing.assert_array_equal(whole(volume)[0, :, 0], array[..., :kept].transpose(2, 0, 1))
    assert (volume.header.rgb, volume.header.axes) == (kept == 3, "YXC" if kept == 3 else "YX")
    assert ("transparency" in caplog.text) == (channels in (2, 4))


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_palette_indices_are_the_values(tmp_path, bits):
    array = random((8, 9)) >> (8 - bits)
    image = Image.fromarray(array)
    image.putpalette([n for n in range(2**bits) for _ in range(3)])
    image.save(tmp_path / "a.png", bits=bits)
    np.testing.assert_array_equal(pixels(tmp_path / "a.png"), array)
    assert opened(tmp_path / "a.png").header.attributes == {"palette": "index"}


@pytest.mark.parametrize(("channels", "axes"), [(1, "XY"), (3, "YXC"), (3, "XYC"), (3, "YXZ"), (3, "ZYX")])
def test_the_user_knows_better_which_axes_they_are(tmp_path, channels, axes):
    array = random((8, 9, channels), "uint16")
    (tmp_path / "a.png").write_bytes(imagecodecs.png_encode(np.squeeze(array)))
    volume = opened(tmp_path / "a.png", axes=axes)
    expected = np.squeeze(array).transpose([axes.index(a) for a in "TCZYX" if a in axes])
    np.testing.assert_array_equal(np.squeeze(whole(volume)), expected)
    assert (volume.header.axes, volume.header.rgb) == (axes, axes == "YXC")
    assert "one letter each" in refused(tmp_path / "a.png", axes="TCZYX")


def test_pictures_have_no_levels_and_no_series(tmp_path):
    path = write(tmp_path / "a.png", random((1, 1, 1, 8, 9)))
    assert "level 1 of 1" in refused(path, level=1)
    assert "series 2 of 1" in refused(path, series=2)


def test_black_and_white_become_0_and_255(tmp_path):
    array = random((8, 9)) > 100
    Image.fromarray(array).save(tmp_path / "a.png")
    np.testing.assert_array_equal(pixels(tmp_path / "a.png"), array * np.uint8(255))


@pytest.mark.parametrize("shape", [(16, 24), (16, 24, 3)])
def test_jpeg_is_read(tmp_path, shape):
    Image.fromarray(random(shape)).save(tmp_path / "a.jpg")
    with Image.open(tmp_path / "a.jpg") as image:
        expected = np.asarray(image)
    found = whole(opened(tmp_path / "a.jpg"))[0, :, 0]
    np.testing.assert_array_equal(found.transpose(1, 2, 0).reshape(shape), expected)


def test_dots_per_inch_are_no_pixel_size(tmp_path):
    for name in ("a.png", "a.jpg"):
        Image.fromarray(random((8, 9))).save(tmp_path / name, dpi=(72, 72))
        assert opened(tmp_path / name).header.pixel_size is None


def test_cmyk_is_refused(tmp_path):
    Image.new("CMYK", (8, 8)).save(tmp_path / "a.jpg")
    assert "CMYK" in refused(tmp_path / "a.jpg")


@pytest.mark.parametrize(
    ("name", "shape", "words"),
    [
        ("a.png", (1, 1, 2, 8, 8), {}),
        ("a.png", (2, 1, 1, 8, 8), {}),
        ("a.png", (1, 2, 1, 8, 8), {}),
        ("a.png", (1, 1, 1, 8, 8), {"rgb": True}),
        ("a.png", (1, 1, 1, 8, 8), {"dtype": np.dtype("float32")}),
        ("a.png", (1, 1, 1, 8, 8), {"dtype": np.dtype("int16")}),
        ("a.png", (1, 1, 1, 8, 8), {"attributes": {"x": object()}}),
        ("a.png", (1, 1, 1, 8, 2_000_000), {}),
        ("a.jpg", (1, 1, 1, 8, 8), {}),
    ],
)
def test_an_image_that_cannot_be_held_is_refused(tmp_path, name, shape, words):
    with pytest.raises(DataError) as caught:
        STORE.create(tmp_path / name, header(np.zeros((1, 1, 1, 8, 8), "uint8"), **{"shape": shape} | words), LAYOUT)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_nothing_appears_before_close_and_nothing_stays_after_abort(tmp_path):
    array = random((1, 1, 1, 8, 8))
    for end in ("abort", "close"):
        sink = STORE.create(tmp_path / "new" / "a.png", header(array), LAYOUT)
        sink.write(Box.whole(array.shape), array)
        assert not list((tmp_path / "new").iterdir())
        getattr(sink, end)()
        sink.abort()
        assert len(list((tmp_path / "new").iterdir())) == (end == "close")
    with pytest.raises(ValueError, match="closed"):
        sink.write(Box.whole(array.shape), array)


def png_chunk(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def bomb(width, height):
    head = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + png_chunk(b"IDAT", zlib.compress(bytes(1000))) + png_chunk(b"IEND", b"")


def test_a_small_file_that_declares_a_giant_image_is_refused_quickly(tmp_path):
    for size in ((2**31 - 1, 2**31 - 1), (100_000, 10_000)):
        (tmp_path / "a.png").write_bytes(bomb(*size))
        began = time.monotonic()
        assert "pixels" in refused(tmp_path / "a.png")
        assert time.monotonic() - began < 1


def test_large_honest_pictures_are_read_without_a_warning(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)  # what Pillow would refuse
    array = random((8, 9))
    Image.fromarray(array).save(tmp_path / "a.png")
    np.testing.assert_array_equal(pixels(tmp_path / "a.png"), array)
    monkeypatch.setattr(formats, "_MAX_BYTES", 10)
    refused(tmp_path / "a.png")


@pytest.mark.parametrize("name", ["a.png", "a.jpg"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_damaged_files_are_refused(tmp_path, name, dtype):
    if name == "a.jpg":
        Image.fromarray(random((64, 64))).save(tmp_path / name)
    else:
        (tmp_path / name).write_bytes(imagecodecs.png_encode(random((64, 64), dtype)))
    content = (tmp_path / name).read_bytes()
    for cut in (0, 5, 20, 30, len(content) // 2):
        (tmp_path / name).write_bytes(content[:cut])
        refused(tmp_path / name)
    if name == "a.png":
        (tmp_path / name).write_bytes(content[:900] + bytes([content[900] ^ 4]) + content[901:])
        refused(tmp_path / name)


def test_what_is_not_there_or_not_an_image_is_refused(tmp_path):
    refused(tmp_path / "a.png")
    (tmp_path / "folder.png").mkdir()
    refused(tmp_path / "folder.png")
    (tmp_path / "b.png").write_text("hello, I am a text")
    refused(tmp_path / "b.png")


def test_volumes_travel_to_other_processes(tmp_path):
    array = random((1, 1, 1, 8, 8))
    volume = pickle.loads(pickle.dumps(opened(write(tmp_path / "a.png", array))))
    np.testing.assert_array_equal(whole(volume), array)


def test_notes_of_others_are_not_believed_blindly(tmp_path):
    content = imagecodecs.png_encode(random((8, 9)))
    for text in (b"{", b"[1]", b'{"pixel_size": [0, -1, "x"], "channels": 3, "attributes": []}'):
        (tmp_path / "a.png").write_bytes(content[:33] + png_chunk(b"tEXt", b"isoscope\0" + text) + content[33:])
        found = opened(tmp_path / "a.png").header
        assert (found.pixel_size, found.channels, found.attributes) == (None, (), {})


def independently(path):
    content = path.read_bytes()
    with Image.open(io.BytesIO(content)) as image:
        if image.mode == "P":
            return np.asarray(image)
    array = imagecodecs.png_decode(content)
    return array[..., :3].transpose(2, 0, 1) if array.ndim == 3 else array


REAL = (
    files("readers_odd_formats", "*.png") + files("gigadb_lowhigh_snr", "*.png") + files("utom_af2he", "*.png")
    + files("nuclei_bbbc039", "*.png")[:2] + files("nuclei_dsb2018", "*.png")[:2]
    + files("isl_phase13_fluor3", "*.png")[:2] + files("fmd_real_noise", "*.png")[:2]
)  # fmt: skip


@pytest.mark.parametrize("path", REAL)
def test_real_pictures_are_read_right(path):
    np.testing.assert_array_equal(pixels(path), independently(path))


def test_a_stopped_picture_is_resumed_to_the_same_bytes(tmp_path):
    array = np.random.default_rng(0).integers(0, 250, (1, 3, 1, 150, 130)).astype("uint8")
    layout = Layout((1, 3, 1, 64, 64), (1, 1, 1, 64, 64))
    boxes = [Box((0, 0, 0, y, 0), (1, 3, 1, min(y + 64, 150), 130)) for y in range(0, 150, 64)]
    for path, stops in ((tmp_path / "s.png", [3]), (tmp_path / "a.png", [2, 3])):
        for stop in stops:
            sink = STORE.create(path, header(array, rgb=True), layout, fingerprint={"a": 1}, resume=stop == 3)
            todo = [box for box in boxes[:stop] if not sink.written(box)]
            for box in todo:
                sink.write(box, array[box.slices])
            (sink.close if stop == 3 else sink.abort)()
        assert len(todo) == (3 if path.stem == "s" else 1)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "s.png").read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.png", "s.png"]


def test_a_picture_is_one_chunk(tmp_path):
    volume = opened(write(tmp_path / "a.png", random((1, 3, 1, 20, 30)), rgb=True))
    assert volume.layout == Layout((1, 3, 1, 20, 30), (1, 3, 1, 20, 30))

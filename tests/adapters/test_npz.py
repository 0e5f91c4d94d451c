import io
import pickle
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isoscope.errors import DataError
from isoscope.kinds import Store
from isoscope.reading import ReadOptions
from isoscope.sources import open_one
from isoscope.volume import AXES, Box, Header, Layout
from isoscope_npz import archive
from isoscope_npz.store import npz

STORE = npz()
SAVERS = [np.savez, np.savez_compressed]


def random(shape, dtype="float32", seed=0):
    return np.random.default_rng(seed).integers(0, 100, shape).astype(dtype)


def whole(volume):
    return volume.read(Box.whole(volume.header.shape))


def refused(path, **options):
    with pytest.raises(DataError) as caught:
        list(map(whole, STORE.open(path, ReadOptions(**options))))
    assert "\n" not in str(caught.value)
    assert path.name in str(caught.value)
    return str(caught.value)


def test_the_factory_gives_a_store_that_writes_nothing(tmp_path):
    store: Store = STORE
    assert store.claims(Path("A.NPZ"))
    assert not store.claims(Path("a.npy"))
    with pytest.raises(DataError, match="ome"):
        store.create(tmp_path / "a.npz", Header("a", (1, 1, 1, 2, 2), np.dtype("u1")), Layout((1,) * 5, (1,) * 5))


@pytest.mark.parametrize("save", SAVERS)
@pytest.mark.parametrize("axes", ["SCYX", "NCZYX", "SZYXC", "YXS"])
def test_care_archives_give_a_volume_per_sample(tmp_path, axes, save):
    lengths = {"S": 11, "N": 11, "C": 2, "Z": 3, "Y": 8, "X": 9}
    x, y = (random([lengths[a] for a in axes], seed=n) for n in range(2))
    save(tmp_path / "train.npz", X=x, Y=y, axes=axes)
    own = "".join(a for a in axes if a not in "SN")
    for series, array in enumerate((x, y)):
        volumes = open_one(tmp_path / "train.npz", ReadOptions(series=series))
        assert [v.header.name for v in volumes[:2]] == ["train_00", "train_01"]
        assert len(volumes) == 11
        for volume, sample in zip(volumes, np.moveaxis(array, axes.index(axes.strip("CZYX")), 0), strict=True):
            assert volume.header.axes == own
            expected = sample.transpose([own.index(a) for a in AXES if a in own])
            np.testing.assert_array_equal(np.squeeze(whole(volume)), expected)
            box = Box((0, 0, 0, 2, 1), (*volume.header.shape[:3], 4, 6))
            np.testing.assert_array_equal(volume.read(box), whole(volume)[box.slices])


@pytest.mark.parametrize("save", SAVERS)
def test_packed_samples_are_unpacked_all_together(tmp_path, save):
    save(tmp_path / "a.npz", X=random((11, 2, 8, 9)), axes="SCYX")
    packed = Layout((11, 2, 1, 8, 9), (11, 2, 1, 8, 9))
    assert [v.layout for v in open_one(tmp_path / "a.npz")] == [None if save is np.savez else packed] * 11


@settings(max_examples=20, deadline=None)
@given(
    axes=st.permutations("TCZYX").flatmap(lambda a: st.sampled_from([a, [x for x in a if x in "YX"]])),
    dtype=st.sampled_from(["u1", ">u2", "i4", "f2", "f4", ">f8", "?"]),
    order=st.sampled_from("CF"),
    save=st.sampled_from(SAVERS),
)
def test_one_array_of_any_order_is_read_right(tmp_path_factory, axes, dtype, order, save):
    axes = "".join(axes)
    lengths = {"T": 2, "C": 3, "Z": 4, "Y": 5, "X": 6}
    array = np.array(random([lengths[a] for a in axes], "u1") % 2, dtype, order=order)
    path = tmp_path_factory.mktemp("n") / "a.npz"
    save(path, image=array)
    (volume,) = STORE.open(path, ReadOptions(axes=axes))
    assert (volume.header.name, volume.header.axes) == ("a", axes)
    assert whole(volume).dtype == volume.header.dtype
    assert volume.header.dtype.isnative
    np.testing.assert_array_equal(
        np.squeeze(whole(volume)), array.transpose([axes.index(a) for a in AXES if a in axes])
    )


@pytest.mark.parametrize(("shape", "axes"), [((5, 6), "YX"), ((4, 5, 6), "ZYX"), ((3, 4, 5, 6), "CZYX")])
def test_a_plain_array_is_read_as_bare_zarr_is(tmp_path, shape, axes):
    np.savez(tmp_path / "a.npz", random(shape))
    (volume,) = STORE.open(tmp_path / "a.npz")
    assert volume.header.axes == axes


def test_axes_that_leave_one_dimension_over_leave_the_samples(tmp_path):
    np.savez(tmp_path / "a.npz", X=random((4, 2, 8, 9)))
    assert "axes" in refused(tmp_path / "a.npz")
    volumes = STORE.open(tmp_path / "a.npz", ReadOptions(axes="CYX"))
    assert [v.header.shape for v in volumes] == [(1, 2, 1, 8, 9)] * 4
    (one,) = STORE.open(tmp_path / "a.npz", ReadOptions(axes="TCYX"))
    assert one.header.shape == (4, 2, 1, 8, 9)
    assert "one letter each" in refused(tmp_path / "a.npz", axes="YX")


def test_what_is_not_there_is_refused_by_number(tmp_path):
    np.savez(tmp_path / "a.npz", X=random((4, 8, 9)), axes="SYX")
    assert "series 1 of 1" in refused(tmp_path / "a.npz", series=1)
    assert "level 2 of 1" in refused(tmp_path / "a.npz", level=2)
    refused(tmp_path / "missing.npz")


@pytest.mark.parametrize(
    "arrays",
    [
        {},
        {"axes": "YX"},
        {"a": random((4, 4)), "b": random((4, 4))},
        {"X": random((4, 4, 4)), "axes": "SCYX"},
        {"X": random((4, 4, 4)), "axes": "QYX"},
        {"X": random((4, 4, 4)), "axes": "SNX"},
        {"X": random((4, 4, 4)), "axes": "YYX"},
        {"X": random((4, 4, 4)), "axes": "x" * 9000},
        {"a": random((4, 4)).astype("c8")},
        {"a": np.array([["a"]])},
        {"a": random(4)},
        {"a": np.zeros((0, 4))},
        {"a": np.zeros((4, 4), [("r", "u1"), ("µ", "u1")])},
    ],
    ids=str,
)  # fmt: skip
def test_what_nobody_can_understand_is_refused(tmp_path, arrays):
    np.savez(tmp_path / "a.npz", **arrays)
    refused(tmp_path / "a.npz")


def test_pickles_are_never_loaded(tmp_path):
    class Bomb:
        def __reduce__(self):
            return (pytest.fail, ("the pickle was loaded",))

    np.savez(tmp_path / "a.npz", X=np.array([[Bomb(), 1]], object))
    assert "object" in refused(tmp_path / "a.npz")
    np.savez(tmp_path / "b.npz", X=random((4, 4)), axes=np.array(Bomb(), object))
    refused(tmp_path / "b.npz")


def forged(path, shape, content=b"", **kind):
    """An archive whose npy header declares this shape, whatever follows."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f8", "fortran_order": False, "shape": shape})
    with zipfile.ZipFile(path, "w", **kind) as file:
        file.writestr("a.npy", header.getvalue() + content)


def test_a_small_file_that_declares_a_giant_array_is_refused_quickly(tmp_path):
    for kind in ({}, {"compression": zipfile.ZIP_DEFLATED}):
        forged(tmp_path / "a.npz", (2**20, 2**20), bytes(1000), **kind)
        began = time.monotonic()
        assert "declared" in refused(tmp_path / "a.npz")
        assert time.monotonic() - began < 1


def test_large_packed_arrays_are_refused_with_the_remedy(tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "_MAX_UNPACKED", 100)
    np.savez_compressed(tmp_path / "a.npz", random((40, 40)))
    assert "np.savez" in refused(tmp_path / "a.npz")
    np.savez(tmp_path / "a.npz", random((40, 40)))
    assert STORE.open(tmp_path / "a.npz")


@pytest.mark.parametrize("save", SAVERS)
def test_damaged_archives_are_refused(tmp_path, save):
    save(tmp_path / "a.npz", random((64, 64), "u2"))
    content = (tmp_path / "a.npz").read_bytes()
    for cut in (0, 5, 100, len(content) // 2, len(content) - 5):
        (tmp_path / "a.npz").write_bytes(content[:cut])
        refused(tmp_path / "a.npz")
    if save is np.savez_compressed:  # the archive's own checksum covers what is unpacked
        (tmp_path / "a.npz").write_bytes(content[:900] + bytes([content[900] ^ 4]) + content[901:])
        refused(tmp_path / "a.npz")


@pytest.mark.parametrize("save", SAVERS)
def test_volumes_travel_to_other_processes_without_their_pixels(tmp_path, save):
    array = random((3, 64, 64))
    save(tmp_path / "a.npz", X=array, axes="SYX")
    volumes = STORE.open(tmp_path / "a.npz")
    whole(volumes[0])
    packed = pickle.dumps(volumes[1])
    assert len(packed) < 2000
    np.testing.assert_array_equal(np.squeeze(whole(pickle.loads(packed))), array[1])

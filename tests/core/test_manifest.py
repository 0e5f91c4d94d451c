import json
import shutil
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
import tifffile

from isoscope.errors import DataError
from isoscope.sources import find, open_one, store_for_writing
from isoscope.splits import manifest as manifests
from isoscope.splits.fingerprint import content_hash, pixel_hash, pixels_of
from isoscope.splits.manifest import check, leaks, read, volumes, write
from isoscope.splits.materialising import materialise
from isoscope.splits.splitting import split
from isoscope.volume import ArrayVolume, Box, Header, Layout


def picture(seed, size=(24, 24)):
    return np.random.default_rng(seed).integers(0, 255, size, "uint8")


@pytest.fixture
def folder(tmp_path):
    def make(name, seeds, size=(24, 24), suffix=".tif"):
        (tmp_path / name).mkdir(exist_ok=True)
        for k, seed in enumerate(seeds):
            tifffile.imwrite(tmp_path / name / f"{k:02d}{suffix}", picture(seed, size))
        return find(tmp_path / name)

    return make


@pytest.fixture
def pairs(folder):
    return split(folder("a", range(8)), folder("b", range(100, 108)), matched=True)


@pytest.fixture
def out(pairs, tmp_path):
    materialise(pairs, tmp_path / "out")
    return tmp_path / "out"


def store(path, array, axes="YX"):
    volume = ArrayVolume(array, axes)
    header = Header(path.name, volume.header.shape, array.dtype, axes)
    sink = store_for_writing(path).create(path, header, Layout((1, 9, 1, 512, 512), (1, 1, 1, 512, 512)))
    sink.write(Box.whole(header.shape), volume.read(Box.whole(header.shape)))
    sink.close()
    return path


# --- hashes


def test_a_copy_in_another_format_has_the_same_pixels(tmp_path):
    array = picture(0)
    tifffile.imwrite(tmp_path / "a.tif", array)
    tifffile.imwrite(tmp_path / "b.tif", array, compression="zlib", byteorder=">")
    copy = store(tmp_path / "c.ome.zarr", array)
    hashes = {pixels_of(p) for p in (tmp_path / "a.tif", tmp_path / "b.tif", copy)}
    assert hashes == {pixel_hash(ArrayVolume(array, "YX"))}
    assert content_hash(tmp_path / "a.tif") != content_hash(tmp_path / "b.tif")


def test_the_hash_knows_shape_type_and_byte_order():
    array = np.arange(24, dtype="<u2")
    alike = [array.reshape(4, 6), array.astype(">u2").reshape(4, 6), np.asfortranarray(array.reshape(4, 6))]
    unlike = [array.reshape(6, 4), array.astype("u4").reshape(4, 6), array.astype("i2").reshape(4, 6)]
    first, *others = (pixel_hash(ArrayVolume(a, "YX")) for a in [*alike, *unlike])
    assert others[:2] == [first, first]
    assert len({first, *others[2:]}) == 4


def test_large_images_are_hashed_in_boxes():
    array = np.random.default_rng(0).integers(0, 9, (3, 1100, 4200), "uint8")
    seen = []

    class Watched(ArrayVolume):
        def read(self, box, /):
            seen.append(box)
            return super().read(box)

    whole, changed = pixel_hash(Watched(array, "CYX")), array.copy()
    changed[2, -1, -1] += 1
    assert whole != pixel_hash(ArrayVolume(changed, "CYX"))
    assert sum(np.prod(b.shape) for b in seen) == array.size
    assert len(seen) == 6


def test_the_hash_of_a_folder_knows_names_and_bytes_but_not_litter(tmp_path):
    path = store(tmp_path / "a.ome.zarr", picture(0))
    before = content_hash(path)
    (path / ".DS_Store").write_bytes(b"litter")
    assert content_hash(path) == before
    assert content_hash(shutil.copytree(path, tmp_path / "b.ome.zarr")) == before
    (path / "zarr.json").rename(path / "zarr.json.old")
    assert content_hash(path) != before


def test_hashes_are_what_manifests_already_written_say(tmp_path):
    for name in ("b", "a/z", "a/b"):
        (tmp_path / "store" / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / "store" / name).write_text(name)
    listing = "".join(f"{sha256(n.encode()).hexdigest()}  {n}\n" for n in ("a/b", "a/z", "b"))
    assert content_hash(tmp_path / "store") == sha256(listing.encode()).hexdigest()
    array = np.arange(6, dtype=">u2").reshape(2, 3)
    told = b"(1, 1, 1, 2, 3) <u2\n" + bytes([0, 0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0])
    assert pixel_hash(ArrayVolume(array, "YX")) == sha256(told).hexdigest()


# --- the file


def test_written_and_read_again(pairs, tmp_path):
    write(pairs, tmp_path / "manifest.json")
    assert read(tmp_path / "manifest.json") == pairs
    entry = json.loads((tmp_path / "manifest.json").read_text())["items"][0]
    assert entry["path"] == "a/00.tif"
    assert set(entry) == {"id", "role", "path", "box", "sha256", "pixels", "pair", "origin"}


def test_boxes_survive(folder, tmp_path):
    made = split(folder("a", [0], (40, 200)), folder("b", [1], (40, 200)), guard=8)
    write(made, tmp_path / "manifest.json")
    assert read(tmp_path / "manifest.json") == made
    assert [v.header.shape for v in volumes(made, "source")] == [i.box.shape for i in made.of("source")]


def test_everything_moves_together(out, tmp_path):
    moved = tmp_path / "elsewhere"
    out.rename(moved)
    assert check(moved / "manifest.json", find(moved / "source"), find(moved / "target"))


def test_a_manifest_is_never_replaced(pairs, tmp_path):
    write(pairs, tmp_path / "manifest.json")
    with pytest.raises(DataError, match="exists; expected a free name"):
        write(pairs, tmp_path / "manifest.json")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "manifest.json"),
        ("[]", "manifest.json"),
        ('{"seed": 0, "fraction": 0.1}', "'items' is missing"),
        ('{"seed": 0, "fraction": 0.1, "items": [], "sede": 1}', "unknown key 'sede'"),
        ('{"version": 2, "seed": 0, "fraction": 0.1, "items": []}', "version = 2 cannot stand"),
        (None, "no manifest that can be read"),
    ],
)
def test_damaged_manifests(tmp_path, text, message):
    path = tmp_path / "manifest.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(DataError, match=message) as refusal:
        read(path)
    assert "\n" not in str(refusal.value)


# --- what train asks


def test_an_honest_split_passes(out):
    seen = []
    source, target = find(out / "source"), find(out / "target")
    manifest = check(out / "manifest.json", source, target, progress=lambda *n: seen.append(n))
    assert manifest == read(out / "manifest.json")
    assert seen[-1] == (len(source) + len(target),) * 2


def test_a_changed_file(out):
    path = find(out / "source")[0]
    path.unlink()  # it is a link to the user's own file
    tifffile.imwrite(path, picture(77))
    with pytest.raises(DataError, match=r"has changed since the split .*; restore it or split again"):
        check(out / "manifest.json", find(out / "source"), find(out / "target"))


@pytest.mark.parametrize("role", ["test_source", "target", "test_target"])
def test_another_role_is_not_trained_on(out, role):
    with pytest.raises(DataError, match=rf"is {role} in .*; expected source"):
        check(out / "manifest.json", find(out / role), find(out / "target"))


def test_the_folder_that_was_split_holds_test_and_dropped_images(out, tmp_path):
    with pytest.raises(DataError, match=r"is (dropped|test_source) in"):
        check(out / "manifest.json", find(tmp_path / "a"), find(out / "target"))


@pytest.mark.parametrize("resaved", [False, True])
def test_a_test_image_copied_among_the_training_images(out, resaved):
    leaked = find(out / "test_target")[0]
    if resaved:
        tifffile.imwrite(out / "target" / "new.tif", tifffile.imread(leaked), compression="zlib")
    else:
        shutil.copy(leaked, out / "target" / "new.tif")
    with pytest.raises(DataError, match=r"new\.tif is test_target in"):
        check(out / "manifest.json", find(out / "source"), find(out / "target"))


def test_one_image_added_to_both_domains(out):
    for side in ("source", "target"):
        tifffile.imwrite(out / side / f"new_{side}.tif", picture(5000))
    with pytest.raises(DataError, match="hold the same pixels"):
        check(out / "manifest.json", find(out / "source"), find(out / "target"))


def test_an_image_nobody_knows_is_remarked_on(out, caplog):
    tifffile.imwrite(out / "target" / "new.tif", picture(5000))
    check(out / "manifest.json", find(out / "source"), find(out / "target"))
    assert "nobody has checked that it is not a test image" in caplog.text


@pytest.mark.parametrize("role", ["target", "test_source", "validation_source"])
def test_a_manifest_edited_by_hand(out, role):
    path = out / "manifest.json"
    document = json.loads(path.read_text())
    entry = next(i for i in document["items"] if i["role"] == "source")
    document["items"].append({**entry, "role": role})
    path.write_text(json.dumps(document))
    with pytest.raises(DataError, match="show the same pixels"):
        check(path, find(out / "source"), find(out / "target"))


def test_overlapping_boxes_are_a_leak(folder):
    made = split(folder("a", [0], (40, 200)), folder("b", [1], (40, 200)), guard=8)
    assert not leaks(made)
    one, other = made.of("source")[0], made.of("test_source")[0]
    wider = other.model_copy(update={"box": Box((0,) * 5, (1, 1, 1, 40, 200)), "pixels": "of the wider box"})
    spoilt = made.model_copy(update={"items": (one, wider)})
    assert leaks(spoilt) == ["00.tif (source) and 00.tif (test_source) show the same pixels"]


def test_the_image_that_crops_were_cut_from_is_not_trained_on(folder, tmp_path):
    a, b = folder("a", [0], (40, 200)), folder("b", [1], (40, 200))
    out = tmp_path / "out"
    materialise(split(a, b, guard=8), out)
    assert check(out / "manifest.json", find(out / "source"), find(out / "target"))
    with pytest.raises(DataError, match=r"00\.tif is test_source in"):
        check(out / "manifest.json", a, find(out / "target"))


# --- folders


def test_folders_hold_what_the_manifest_says(pairs, out):
    made = read(out / "manifest.json")
    for item, given in zip(made.items, pairs.items, strict=True):
        assert (item.id, item.role, item.pixels, item.pair) == (given.id, given.role, given.pixels, given.pair)
        if item.role == "dropped":
            assert item == given
        else:
            assert item.path == out / item.role / item.id
            assert item.path.samefile(given.path)
            assert item.origin.path == given.path
    assert sum(1 for p in out.rglob("*.tif")) == sum(i.role != "dropped" for i in made.items)


def test_without_links_files_are_copied(pairs, tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError("no links here")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    for item in materialise(pairs, tmp_path / "out").of("source"):
        assert not item.path.samefile(item.origin.path)
        assert item.path.read_bytes() == item.origin.path.read_bytes()


def test_stores_are_copied(tmp_path, folder):
    (tmp_path / "a").mkdir()
    stores = [store(tmp_path / "a" / f"{k}.ome.zarr", picture(k)) for k in range(3)]
    made = materialise(split(stores, folder("b", range(100, 103))), tmp_path / "out")
    copy = made.of("source")[0]
    assert copy.path.is_dir()
    assert not any(p.is_symlink() for p in copy.path.rglob("*"))
    assert not (copy.path / "zarr.json").samefile(copy.origin.path / "zarr.json")
    assert content_hash(copy.path) == copy.sha256


def test_progress_counts_the_items(pairs, tmp_path):
    seen = []
    materialise(pairs, tmp_path / "out", lambda *n: seen.append(n))
    assert seen == [(k, 16) for k in range(1, 17)]


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32", ">u2"])
def test_crops_are_cut_to_the_bit(tmp_path, dtype):
    array = np.random.default_rng(0).normal(100, 30, (3, 40, 300)).astype(dtype)
    tifffile.imwrite(tmp_path / "a.ome.tif", array, metadata={"axes": "ZYX"}, photometric="minisblack")
    made = materialise(split([tmp_path / "a.ome.tif"], [tmp_path / "a.ome.tif"], guard=16), tmp_path / "out")
    for item in made.items:
        rows, columns = item.origin.box.slices[3:]
        (cut,) = open_one(item.path)
        np.testing.assert_array_equal(cut.read(Box.whole(cut.header.shape))[0, 0], array[:, rows, columns])
        assert item.path.name == f"a_y0-40_x{columns.start}-{columns.stop}.ome.tif"
        assert item.path.parent.name == item.role


def test_crops_of_what_cannot_be_written_become_ome_zarr(folder, tmp_path):
    a = [p.rename(p.with_suffix(".svs")) for p in folder("a", [0], (40, 200))]
    made = materialise(split(a, folder("b", range(100, 103)), guard=8), tmp_path / "out")
    (cut,) = made.of("source")
    assert cut.path.name.endswith(".ome.zarr")
    assert not cut.path.name.endswith(".svs.ome.zarr")
    assert pixels_of(cut.path) == cut.pixels


def test_pairs_still_meet_when_names_would_part_them(tmp_path, folder):
    for k, (first, second) in enumerate([("p", "z"), ("p-", "y"), ("q", "x")]):
        folder(first, [k], suffix=f"{k}.tif")
        folder(second, [100 + k], suffix=f"{k}.tif")
    a = [find(tmp_path / n)[0] for n in ("p", "p-", "q")] + folder("a", range(10, 15))
    b = [find(tmp_path / n)[0] for n in ("z", "y", "x")] + folder("b", range(110, 115))
    for seed in range(4):
        made = materialise(split(a, b, matched=True, seed=seed, test=0.6), tmp_path / f"out{seed}")
        order = [
            [next(i.pair for i in made.items if i.path == path) for path in find(tmp_path / f"out{seed}" / role)]
            for role in ("test_source", "test_target")
        ]
        assert order[0] == order[1]


def test_nothing_is_overwritten(pairs, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "notes.txt").write_text("mine")
    with pytest.raises(DataError, match="is not an empty folder; expected a new one"):
        materialise(pairs, tmp_path / "out")
    assert (tmp_path / "out" / "notes.txt").read_text() == "mine"
    with pytest.raises(DataError, match="is not an empty folder"):
        materialise(pairs, tmp_path / "a" / "00.tif")
    (tmp_path / "empty").mkdir()
    assert materialise(pairs, tmp_path / "empty").items


def test_a_change_between_split_and_folders(pairs, tmp_path):
    tifffile.imwrite(pairs.of("source")[0].path, picture(99))
    with pytest.raises(DataError, match="has changed since it was split"):
        materialise(pairs, tmp_path / "out")
    assert {p.name for p in tmp_path.iterdir()} == {"a", "b"}


def test_two_images_of_one_name(folder, tmp_path):
    a = [*folder("p", range(3)), *folder("p_q", range(10, 13))]
    (tmp_path / "p" / "q").mkdir()
    for k in range(3):
        tifffile.imwrite(tmp_path / "p" / "q" / f"{k:02d}.tif", picture(20 + k))
    made = split([*a, *find(tmp_path / "p" / "q")], folder("b", range(100, 103)), test=0)
    with pytest.raises(DataError, match="would both become p_q_0"):
        materialise(made, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_exports():
    for name in manifests.__all__:
        assert hasattr(manifests, name)

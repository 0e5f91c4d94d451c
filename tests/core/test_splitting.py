import os
from collections import Counter
from itertools import combinations, pairwise
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st

from isoscope import sources
from isoscope.errors import DataError
from isoscope.splits.crops import Cropped, strips
from isoscope.splits.fields import assign, groups
from isoscope.splits.fingerprint import pixel_hash
from isoscope.splits.manifest import volume
from isoscope.splits.splitting import split
from isoscope.volume import ArrayVolume, Box

DATA = Path(os.environ.get("ISOSCOPE_TEST_DATA", Path(__file__).parents[3] / "shared" / "data"))
NAMES = st.lists(st.text("abc019_-.", min_size=1, max_size=8), min_size=4, max_size=40, unique=True)
SEEDS = st.integers(0, 2**31)


def picture(seed, size=(24, 24)):
    return np.random.default_rng(seed).integers(0, 255, size, "uint8")


@pytest.fixture
def folder(tmp_path):
    """Write one image per seed into a sub-folder; gives their paths."""

    def make(name, seeds, suffix=".tif", size=(24, 24)):
        (tmp_path / name).mkdir(exist_ok=True)
        paths = [tmp_path / name / f"{k:03d}{suffix}" for k in range(len(seeds))]
        for path, seed in zip(paths, seeds, strict=True):
            tifffile.imwrite(path, picture(seed, size), compression="zlib" if "_z" in path.name else None)
        return paths

    return make


def ids(manifest, role):
    return {i.id for i in manifest.of(role)}


def roles(manifest):
    return Counter(i.role for i in manifest.items)


# --- the parts that fields play


@given(NAMES, SEEDS)
def test_every_matched_field_plays_one_part_and_every_part_is_played(names, seed):
    parts = assign(dict.fromkeys(names, "both"), seed=seed, test=1 / 6)
    assert set(parts) == set(names)
    assert set(parts.values()) == {"source", "target", "test"}


@given(NAMES, SEEDS, st.floats(0.05, 0.45))
def test_about_the_fraction_is_held_out(names, seed, test):
    parts = Counter(assign(dict.fromkeys(names, "source"), seed=seed, test=test, validation=test).values())
    for part in ("test", "validation"):
        assert abs(parts[part] - test * len(names)) <= 1
    assert parts["source"] >= 1


@given(NAMES, SEEDS)
def test_parts_depend_on_names_and_seed_alone(names, seed):
    kinds = dict.fromkeys(names, "both")
    assert assign(kinds, seed=seed, test=0.2) == assign(dict(reversed(kinds.items())), seed=seed, test=0.2)


@given(NAMES, SEEDS)
def test_a_coin_does_not_know_the_other_fields(names, seed):
    more = assign(dict.fromkeys([*names, "another"], "both"), seed=seed)
    fewer = assign(dict.fromkeys(names, "both"), seed=seed)
    if len(set(fewer.values())) == 2 and len({more[n] for n in names}) == 2:
        assert {n: more[n] for n in names} == fewer


def test_a_seed_means_the_same_split_for_ever():
    assert assign(dict.fromkeys("abcdefgh", "both"), seed=7, test=1 / 6) == {
        "a": "target",
        "b": "target",
        "c": "source",
        "d": "test",
        "e": "target",
        "f": "source",
        "g": "target",
        "h": "source",
    }


def test_the_coin_is_fair_and_seeds_differ():
    names = dict.fromkeys(map(str, range(4000)), "both")
    first, second = assign(names, seed=0), assign(names, seed=1)
    assert Counter(first.values())["source"] == pytest.approx(2000, abs=150)
    assert sum(first[n] == second[n] for n in names) == pytest.approx(2000, abs=150)


@given(st.lists(st.frozensets(st.sampled_from("abcdefgh"), min_size=1, max_size=3), max_size=12))
def test_groups_are_the_connected_ones(labels):
    found = groups(labels)
    assert sorted(i for g in found for i in g) == list(range(len(labels)))
    seen = [set().union(*(labels[i] for i in g)) for g in found]
    assert all(a.isdisjoint(b) for a, b in combinations(seen, 2))
    for group in found:
        reached, grown = set(labels[group[0]]), None
        while grown != reached:
            grown = set(reached)
            reached = reached.union(*(labels[i] for i in group if labels[i] & reached))
        assert all(labels[i] & reached for i in group)


# --- sets of images


def test_matched_pairs_keep_one_image_each(folder):
    manifest = split(folder("a", range(12)), folder("b", range(100, 112)), matched=True)
    assert roles(manifest)["test_source"] == roles(manifest)["test_target"] == 2
    assert ids(manifest, "test_source") == ids(manifest, "test_target")
    assert roles(manifest)["dropped"] == 10
    assert not ids(manifest, "source") & ids(manifest, "target")
    assert ids(manifest, "source") | ids(manifest, "target") == {f"{k:03d}.tif" for k in range(12)} - ids(
        manifest, "test_source"
    )
    assert {i.pair for i in manifest.of("test_source")} == {i.pair for i in manifest.of("test_target")}


def test_unmatched_sets_are_split_apart(folder):
    manifest = split(folder("a", range(12)), folder("b", range(100, 106)), validation=1 / 6)
    assert roles(manifest) == {
        "source": 8, "target": 4, "test_source": 2, "test_target": 1, "validation_source": 2, "validation_target": 1
    }  # fmt: skip
    for one, other in combinations(("source", "test_source", "validation_source"), 2):
        assert not ids(manifest, one) & ids(manifest, other)


def test_the_same_again_and_otherwise_with_another_seed(folder):
    sets = folder("a", range(9)), folder("b", range(100, 109))
    assert split(*sets, matched=True, seed=3) == split(*sets, matched=True, seed=3)
    assert len({split(*sets, matched=True, seed=s).items for s in range(6)}) > 1


def test_alike_names_of_unmatched_sets_are_remarked_on(folder, caplog):
    manifest = split(folder("a", range(4)), folder("b", range(100, 104)))
    assert "4 file names are in both sets" in manifest.notes[0]
    assert manifest.notes[0] in caplog.text


def test_repeated_truths_keep_their_fields_together(folder):
    truths = [100 + k // 3 for k in range(18)]  # three noisy images of each field, the truth copied for each
    for seed in range(5):
        manifest = split(folder("a", range(18)), folder("b", truths), matched=True, seed=seed)
        places = {}
        for item in manifest.items:
            if item.role != "dropped":
                places.setdefault(int(item.id[:3]) // 3, set()).add(item.role)
        assert all(
            len({r.removeprefix("test_") for r in p} if "test_source" not in p else {1}) == 1 for p in places.values()
        )
    assert "12 images repeat the pixels of another" in manifest.notes[0]


def test_slides_go_to_one_part_whole(tmp_path, folder):
    a = [p.rename(p.with_name(f"slide{k // 4}_tile{k}.tif")) for k, p in enumerate(folder("a", range(24)))]
    b = [p.rename(p.with_name(f"slide{k // 4 + 9}_tile{k}.tif")) for k, p in enumerate(folder("b", range(50, 74)))]
    manifest = split(a, b, field=r"slide(\d+)_")
    slides = {role: {i.id.split("_")[0] for i in manifest.of(role)} for role in ("source", "test_source")}
    assert not slides["source"] & slides["test_source"]
    assert len(slides["test_source"]) == 1


def test_fields_of_both_sets_fall_to_one_side(folder):
    manifest = split(folder("a", range(9)), folder("b", range(100, 109)), field=r"^\d+")
    assert not ids(manifest, "source") & ids(manifest, "target")
    assert ids(manifest, "test_source") == ids(manifest, "test_target")


def test_names_from_several_folders_say_which(folder):
    a = [*folder("p1", range(3)), *folder("p2", range(10, 13))]
    manifest = split(a, folder("b", range(100, 103)))
    assert {i.id for i in manifest.items if i.role.endswith("source")} == {
        f"{p}/{k:03d}.tif" for p in ("p1", "p2") for k in range(3)
    }


def test_progress_counts_the_images(folder):
    seen = []
    split(folder("a", range(3)), folder("b", range(100, 103)), progress=lambda *n: seen.append(n))
    assert seen == [(k, 6) for k in range(1, 7)]


# --- refusals


def test_the_same_file_in_both_domains(folder):
    with pytest.raises(DataError, match="are the same file; expected every field of view in one domain"):
        split(folder("a", range(4)), folder("b", [100, 2, 101]))


def test_a_saved_copy_in_both_domains(folder, tmp_path):
    a, b = folder("a", range(4)), folder("b", range(100, 103))
    tifffile.imwrite(tmp_path / "b" / "copy.tif", picture(1), compression="zlib")
    with pytest.raises(DataError, match="are the same pixels"):
        split(a, [*b, tmp_path / "b" / "copy.tif"])


@pytest.mark.parametrize(
    ("counts", "words", "message"),
    [
        ((2, 2), {"matched": True}, "at least 3 matched pairs"),
        ((3, 3), {"matched": True, "validation": 0.1}, "at least 4 matched pairs"),
        ((2, 2), {"validation": 0.1}, "or 3 unmatched images per set"),
        ((4, 3), {"matched": True}, "expected as many of both"),
        ((4, 0), {}, "got 4 source and 0 target"),
        ((4, 4), {"test": 1.0}, "fractions that leave some to train"),
        ((4, 4), {"test": -0.1}, "fractions that leave some to train"),
        ((4, 4), {"guard": 0}, "at least the training patch"),
        ((4, 4), {"field": "("}, "expected a regular expression"),
        ((4, 4), {"field": "slide"}, "does not match the field pattern"),
    ],
)
def test_what_cannot_be_split(folder, counts, words, message):
    with pytest.raises(DataError, match=message) as refusal:
        split(folder("a", range(counts[0])), folder("b", range(100, 100 + counts[1])), **words)
    assert "\n" not in str(refusal.value)


def test_an_image_given_twice(folder):
    a = folder("a", range(3))
    with pytest.raises(DataError, match="is given twice"):
        split([*a, a[0]], folder("b", range(100, 103)))


# --- blocks of one image

PARTS = st.permutations([("source", 1.0), ("target", 1.0), ("source", 1.0), ("target", 1.0), ("test", 0.2)])


@given(PARTS, st.integers(300, 3000), st.integers(8, 32))
def test_strips_fill_an_axis_but_for_the_gaps(parts, length, guard):
    found = strips(parts, length, guard, "image")
    assert found[0].start == 0
    assert length - len(found) < found[-1].stop <= length
    assert all(b.start - a.stop == guard and a.part != b.part for a, b in pairwise(found))
    assert all(s.stop - s.start >= guard for s in found)
    held = sum(s.stop - s.start for s in found if s.part == "test")
    assert held == max(guard, int(0.2 * (length - (len(found) - 1) * guard)))


@settings(deadline=None, max_examples=25)
@given(seed=SEEDS, size=st.sampled_from([(40, 160), (200, 60)]), matched=st.booleans(), validation=st.booleans())
def test_blocks_lie_inside_and_keep_their_distance(tmp_path_factory, seed, size, matched, validation):
    where, guard = tmp_path_factory.mktemp("blocks"), 8
    tifffile.imwrite(where / "a.tif", picture(1, size))
    tifffile.imwrite(where / "b.tif", picture(2, size))
    words = {"seed": seed, "matched": matched, "guard": guard, "validation": 0.15 * validation}
    manifest = split([where / "a.tif"], [where / "b.tif"], **words)
    assert {"source", "target", "test_source", "test_target"} <= set(roles(manifest))
    for item in manifest.items:
        assert all(0 <= a < b <= n for a, b, n in zip(item.box.start[3:], item.box.stop[3:], size, strict=True))
        assert min(item.box.shape[3:]) >= guard
    for one, other in combinations([i for i in manifest.items if i.role != "dropped"], 2):
        apart_ = one.role != other.role and not (
            matched and one.role.endswith("target") != other.role.endswith("target")
        )
        if apart_ and one.id == other.id:
            assert distance(one.box, other.box) >= guard
    if matched:
        fields = {r: [i.box for i in manifest.of(r)] for r in ("source", "target", "test_source", "test_target")}
        assert fields["test_source"] == fields["test_target"]
        assert all(distance(a, b) >= guard for a in fields["source"] for b in fields["target"] + fields["test_source"])


def distance(one, other):
    return max(max(b.start[k] - a.stop[k] for a, b in ((one, other), (other, one))) for k in (3, 4))


def test_one_image_as_both_domains_serves_each_block_once(folder):
    path = folder("a", [0], size=(60, 300))
    manifest = split(path, path, guard=10)
    boxes = [i.box for i in manifest.items]
    assert set(roles(manifest)) == {"source", "target", "test_source", "test_target"}
    assert all(distance(a, b) >= 10 for a, b in combinations(boxes, 2))


def test_a_single_image_against_many(folder):
    manifest = split(folder("a", [0], size=(60, 300)), folder("b", range(100, 106)), guard=16)
    assert roles(manifest) == {"source": 1, "test_source": 1, "target": 5, "test_target": 1}
    assert [i.box is None for i in manifest.of("target")] == [True] * 5
    assert manifest.guard == 16


def test_matched_images_of_unlike_size_are_cut_at_the_same_places(folder):
    a, b = folder("a", [0], size=(40, 200)), folder("b", [1], size=(80, 400))
    manifest = split(a, b, matched=True, guard=10)
    (one,), (other,) = manifest.of("test_source"), manifest.of("test_target")
    assert [2 * n for n in one.box.start[3:]] == list(other.box.start[3:])
    assert [2 * n for n in one.box.stop[3:]] == list(other.box.stop[3:])
    with pytest.raises(DataError, match="or a whole multiple of it"):
        split(a, folder("c", [1], size=(80, 500)), matched=True, guard=10)


def test_an_image_too_small_to_cut_says_what_is_needed(folder):
    with pytest.raises(DataError, match=r"24 px along its longer side; expected at least \d+ px"):
        split(folder("a", [0]), folder("b", [1]), matched=True, guard=16)
    manifest = split(folder("a", [0]), folder("b", [1]), test=0)
    assert [(i.role, i.box) for i in manifest.items] == [("source", None), ("target", None)]


def test_the_hash_of_a_block_is_that_of_its_pixels(folder):
    manifest = split(folder("a", [0], size=(60, 300)), folder("b", [1], size=(60, 300)), guard=16)
    for item in manifest.items:
        rows, columns = item.box.slices[3:]
        whole = tifffile.imread(item.path)
        assert item.pixels == pixel_hash(ArrayVolume(whole[rows, columns], "YX")) == pixel_hash(volume(item))


# --- crops


def test_a_crop_is_a_volume_of_its_own():
    whole = np.arange(2 * 3 * 20 * 30).reshape(2, 3, 20, 30)
    crop = Cropped(ArrayVolume(whole, "ZCYX"), Box((0, 0, 1, 5, 7), (1, 3, 2, 15, 27)))
    assert crop.header.shape == (1, 3, 1, 10, 20)
    assert crop.header.name == "array_y5-15_x7-27"
    np.testing.assert_array_equal(crop.read(Box((0, 1, 0, 2, 3), (1, 3, 1, 9, 20)))[0, :, 0], whole[1, 1:, 7:14, 10:27])


@pytest.mark.parametrize("stop", [(1, 1, 1, 21, 30), (1, 1, 1, 3, 30)])
def test_a_crop_outside_its_image(stop):
    with pytest.raises(DataError, match="expected one inside"):
        Cropped(ArrayVolume(np.zeros((20, 30)), "YX"), Box((0, 0, 0, 5, 7), stop))


# --- real images


def real(name):
    if not (DATA / name).is_dir():
        pytest.skip(f"no {name} in {DATA}")
    return sources.find(DATA / name)


def test_fields_seen_in_three_channels_stay_together():
    noisy, clean = real("w2s_widefield/control_noisy_of_B"), real("w2s_widefield/dev_B_clean")
    manifest = split(noisy, clean, matched=True, field=r"_(\d{3})_\d")
    fields = {
        r: {i.id.split("_")[2] for i in manifest.of(r)} for r in ("source", "target", "test_source", "test_target")
    }
    assert fields["test_source"] == fields["test_target"]
    assert all(fields[a].isdisjoint(fields[b]) for a, b in combinations(("source", "target", "test_source"), 2))
    assert sum(map(len, fields.values())) - len(fields["test_source"]) == 10


def test_a_slide_is_cut_into_columns():
    slides = real("he_wsi_svs")
    manifest = split(slides, slides, guard=256)
    assert set(roles(manifest)) == {"source", "target", "test_source", "test_target"}
    assert all(i.box.shape[3] == 3567 for i in manifest.items)

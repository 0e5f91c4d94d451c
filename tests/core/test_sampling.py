import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from isoscope.domain import Domain
from isoscope.errors import DataError
from isoscope.patches.sampling import Sampler, held_in_memory, prefetched
from isoscope.volume import ArrayVolume, Box, Header

few = settings(max_examples=20, deadline=None)
DOMAIN = Domain(name="source", channels=1, limits=((0.0, 1000.0),))


def numbered(size, planes=1, channels=1, start=0):
    """Every pixel another value."""
    shape = (1, channels, planes, *size)
    return ArrayVolume(np.arange(start, start + np.prod(shape), dtype=np.int32).reshape(shape))


def sampler(volumes, **words):
    domain = words.pop("domain", DOMAIN)
    return Sampler(volumes, domain, **({"patch": 8, "batch": 3, "seed": 0, "side": 0} | words))


@given(st.integers(0, 2**31), st.integers(0, 3), st.integers(0, 10**9))
@few
def test_the_order_is_a_pure_function_of_seed_side_and_step(seed, side, step):
    volumes = [numbered((30, 41)), numbered((20, 9))]
    one = sampler(volumes, seed=seed, side=side, augmentation="dihedral")
    other = sampler(volumes, seed=seed, side=side, augmentation="dihedral")
    for earlier in range(3):
        other(earlier)  # what was drawn before must not matter
    assert [one.place(step, i) for i in range(3)] == [other.place(step, i) for i in range(3)]
    assert torch.equal(one(step), other(step))


@pytest.mark.parametrize("other", [{"seed": 1}, {"side": 1}])
def test_another_seed_or_side_draws_another_order(other):
    volumes = [numbered((60, 60))]
    places = [[sampler(volumes, **words).place(step, 0) for step in range(8)] for words in ({}, other)]
    assert places[0] != places[1]
    assert len(set(places[0])) > 4


def test_patches_of_one_batch_are_drawn_one_by_one():
    drawn = sampler([numbered((60, 60))])
    assert len({drawn.place(step, index) for step in range(4) for index in range(4)}) > 12


def test_equal_sides_draw_equal_places():
    a, b = sampler([numbered((60, 60))], side=0), sampler([numbered((60, 60), start=10**6)], side=0)
    assert [a.place(s, 1) for s in range(9)] == [b.place(s, 1) for s in range(9)]


@given(
    st.lists(st.tuples(st.integers(8, 25), st.integers(8, 25), st.integers(1, 3)), min_size=1, max_size=4),
    st.integers(0, 10**6),
)
@few
def test_boxes_lie_inside_their_image(sizes, step):
    volumes = [numbered((h, w), planes) for h, w, planes in sizes]
    drawn = sampler(volumes, augmentation="dihedral")
    for index in range(6):
        v, frame, y, x, symmetry = drawn.place(step, index)
        height, width, planes = sizes[v]
        assert 0 <= frame < planes
        assert 0 <= y <= height - 8
        assert 0 <= x <= width - 8
        assert 0 <= symmetry < 8
        assert drawn.patch_at(step, index).shape == (1, 8, 8)


def test_every_position_is_equally_likely():
    drawn = sampler([numbered((9, 8)), numbered((8, 9), planes=3)])  # 2 and 3 x 2 positions
    places = [drawn.place(step, 0)[:4] for step in range(4000)]
    counts = {place: places.count(place) for place in set(places)}
    assert len(counts) == 8
    assert max(counts.values()) < 1.35 * min(counts.values())


def test_patches_are_what_the_image_holds():
    drawn = sampler([numbered((30, 41))])
    _, _, y, x, _ = drawn.place(5, 2)
    expected = np.arange(30 * 41).reshape(30, 41)[y : y + 8, x : x + 8]
    assert np.array_equal(drawn.patch_at(5, 2)[0], expected)
    assert np.allclose(drawn(5)[2, 0].numpy(), expected / 1000 * 1.8 - 0.9, atol=1e-6)


def test_dihedral_turns_all_channels_alike():
    channels = numbered((30, 41)).read(Box.whole((1, 1, 1, 30, 41)))
    volume = ArrayVolume(np.concatenate([channels, channels + 5000], 1))
    domain = Domain(name="source", channels=2, limits=((0.0, 1000.0),) * 2)
    drawn = sampler([volume], domain=domain, augmentation="dihedral")
    patches = [drawn.patch_at(step, 0) for step in range(64)]
    assert all(np.array_equal(p[1] - p[0], np.full((8, 8), 5000)) for p in patches)
    # every symmetry leaves another corner, and another neighbour of it, first
    corners = {(np.sign(p[0, -1, 0] - p[0, 0, 0]), np.sign(p[0, 0, -1] - p[0, 0, 0])) for p in patches}
    transposed = {abs(int(p[0, 0, 1] - p[0, 0, 0])) for p in patches}
    assert (len(corners), transposed) == (4, {1, 41})


def test_without_augmentation_nothing_is_turned():
    drawn = sampler([numbered((30, 41))], augmentation="none")
    assert all(drawn.patch_at(step, 0)[0, 0, 1] - drawn.patch_at(step, 0)[0, 0, 0] == 1 for step in range(20))


@pytest.mark.parametrize("start", [0, 7])
def test_reading_ahead_changes_nothing(start):
    drawn = [sampler([numbered((30, 41))], side=side) for side in (0, 1)]
    seen = list(prefetched(drawn, start, lambda k: k < start + 5))
    assert [step for step, _ in seen] == list(range(start, start + 5))
    for step, batches in seen:
        assert all(torch.equal(b, s(step)) for b, s in zip(batches, drawn, strict=True))


def test_a_failed_read_reaches_the_trainer():
    image = np.ones((16, 16), np.float32)
    image[8, 8] = np.nan
    drawn = sampler([ArrayVolume(image, "YX")], patch=16)
    with pytest.raises(DataError, match="NaN"):
        list(prefetched([drawn], 0, lambda k: k < 3))


def test_a_patch_that_no_image_can_hold_is_refused_with_one_that_fits():
    with pytest.raises(DataError, match=r"source: array is 30 x 41 px, smaller than the patch of 48; set .*patch=24"):
        sampler([numbered((30, 41))], patch=48)


def test_planes_are_frames_or_channels():
    volume = numbered((16, 16), planes=5)
    assert sampler([volume]).frames[0].channels == 1
    domain = Domain(name="source", channels=5, limits=((0.0, 1000.0),) * 5)
    assert sampler([volume], domain=domain, planes="stack")(0).shape == (3, 5, 8, 8)


class Counting:
    """A volume that counts how often it is read."""

    def __init__(self, volume):
        self.volume, self.reads = volume, 0

    @property
    def header(self) -> Header:
        return self.volume.header

    def read(self, box):
        self.reads += 1
        return self.volume.read(box)


def test_small_sets_are_decoded_once_and_large_ones_as_needed():
    counting = Counting(numbered((32, 32)))
    kept, streamed = (held_in_memory([counting], gib)[0] for gib in (1, 1e-9))
    assert (counting.reads, streamed) == (1, counting)
    assert kept.header == counting.header
    assert torch.equal(sampler([kept])(3), sampler([streamed])(3))


def test_places_a_run_is_judged_by_are_not_drawn():
    images, spared = [numbered((200, 200))] * 2, [(0, 0, 50, 60), (1, 0, 120, 20)]
    free, held = sampler(images), sampler(images, spared=spared)
    draws = [(step, i) for step in range(300) for i in range(3)]
    places = [held.place(*draw)[:4] for draw in draws]
    assert not any(p[0] == s[0] and abs(p[2] - s[2]) < 8 and abs(p[3] - s[3]) < 8 for p in places for s in spared)
    assert 0.98 < np.mean([free.place(*draw) == held.place(*draw) for draw in draws]) < 1


def test_small_images_spare_nothing():
    assert sampler([numbered((40, 40))], spared=[(0, 0, 5, 5)]).spared == ()

"""Patches from blocks: the order is a pure function, every place is equally likely, memory and decoding are bounded."""

import multiprocessing
import pickle
import threading
import time
import weakref
from collections import Counter
from concurrent.futures import ProcessPoolExecutor, wait
from itertools import pairwise, product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from isoscope import sources
from isoscope.domain import Domain
from isoscope.errors import DataError
from isoscope.frames import Frames
from isoscope.patches import shuffling
from isoscope.patches.blocks import Origins
from isoscope.patches.sampling import Sampler, prefetched
from isoscope.patches.shuffling import AHEAD, Shuffle, Turns
from isoscope.preparation.prepared import prepared
from isoscope.preparation.section import Preparation
from isoscope.volume import ArrayVolume, Layout
from isoscope.writing.conversion import plan, run

few = settings(max_examples=20, deadline=None)
DOMAIN = Domain(name="source", channels=1, limits=((0.0, 255.0),))
SIDES = [(70, 50), (20, 90), (64, 64)]
CELL = (1, 1, 16, 16)
HOW = Shuffle((CELL,) * 3, live=6, uses=5)
WATCHDOG = 120


def noise(size, seed=0, planes=1, channels=1):
    shape = (1, channels, planes, *size)
    return ArrayVolume(np.random.default_rng(seed).integers(0, 255, shape, np.uint8))


@pytest.fixture(scope="module")
def volumes():
    return [noise(size, seed) for seed, size in enumerate(SIDES)]


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    """Two sharded OME-Zarr images, opened."""
    home = tmp_path_factory.mktemp("stores")
    for seed in range(2):
        made = plan(noise((96, 80), seed), shard=32, levels=1)
        path = home / f"{seed}.ome.zarr"
        run(made, sources.store_for_writing(path).create(path, made.header, made.layout))
    return sources.open_all(home)


def sampler(volumes, how=HOW, **words):
    return Sampler(volumes, DOMAIN, **({"patch": 8, "batch": 4, "seed": 3, "side": 0, "shuffle": how} | words))


# --- geometry

sets = st.lists(
    st.tuples(
        st.integers(4, 20), st.integers(4, 20), st.integers(1, 5),
        st.tuples(st.just(1), st.integers(1, 3), st.integers(1, 9), st.integers(1, 9)),
    ),
    min_size=1, max_size=3,
)  # fmt: skip


@given(sets, st.sampled_from(["xy", "stack"]), st.integers(1, 4))
@few
def test_every_place_lies_in_exactly_one_block(images, planes, patch):
    frames = [Frames(noise((h, w), planes=z), planes) for h, w, z, _ in images]
    origins, cells = Origins(frames, patch), [cell for *_, cell in images]
    places = [origins.place(n) for n in range(len(origins))]
    assert len(set(places)) == len(origins)
    expected = Counter(
        (v, k, y, x)
        for v, f in enumerate(frames)
        for k, y, x in product(range(len(f)), range(f.size[0] - patch + 1), range(f.size[1] - patch + 1))
    )
    assert Counter(places) == expected
    found = {}
    for place in places:
        found.setdefault(origins.block(place, cells), set()).add(place)
    for block, inside in found.items():
        count = int(np.prod(block.shape))
        assert all(side <= n for side, n in zip(block.shape, cells[block.volume], strict=True))
        assert {origins.place_in(block, n) for n in range(count)} == inside
        assert len(inside) == count


@given(sets, st.sampled_from(["xy", "stack"]), st.integers(1, 4), st.integers(0, 2**31))
@few
def test_a_block_holds_all_pixels_of_its_patches(images, planes, patch, seed):
    frames = [Frames(noise((h, w), n, z, 2), planes) for n, (h, w, z, _) in enumerate(images)]
    origins, cells = Origins(frames, patch), [cell for *_, cell in images]
    v, frame, y, x = origins.place(seed % len(origins))
    window = origins.read(origins.block((v, frame, y, x), cells))
    spans = slice(y, y + patch), slice(x, x + patch)
    assert np.array_equal(frames[v].read(frame, *spans, window), frames[v].read(frame, *spans))


# --- order


@given(st.integers(0, 2**31), st.integers(0, 3), st.integers(0, 10**9), st.integers(1, 9), st.integers(1, 9))
@few
def test_the_order_is_a_pure_function_of_seed_side_step_and_index(seed, side, step, live, uses):
    volumes, how = [noise((30, 41)), noise((20, 9), planes=2)], Shuffle((CELL,) * 2, live, uses)
    one, other = (sampler(volumes, how, seed=seed, side=side, augmentation="dihedral") for _ in range(2))
    for earlier in range(3):
        other(earlier)  # what was drawn before must not matter
    assert [one.place(step, i) for i in range(4)] == [other.place(step, i) for i in range(4)]
    assert torch.equal(one(step), other(step))
    assert torch.equal(one(step), torch.cat([other.one(step, i) for i in range(4)]))


@pytest.mark.parametrize("other", [{"seed": 1}, {"side": 1}])
def test_another_seed_or_side_draws_another_order(volumes, other):
    places = [[sampler(volumes, **words).place(step, 0) for step in range(20)] for words in ({}, other)]
    assert len(set(places[0]) & set(places[1])) < 5


def test_equal_sides_draw_equal_places_from_unlike_images(volumes):
    others = [noise(size, seed + 10) for seed, size in enumerate(SIDES)]
    a, b = sampler(volumes), sampler(others)
    assert [a.place(s, i) for s in range(9) for i in range(4)] == [b.place(s, i) for s in range(9) for i in range(4)]
    assert not torch.equal(a(0), b(0))


def test_every_position_is_equally_likely():
    """Also those at the ends, where blocks are smaller: 6 x 5 and 3 x 4 x 2 places in cells of 4 x 4."""
    drawn = sampler([noise((13, 12)), noise((10, 11), planes=2)], Shuffle(((1, 1, 4, 4), (1, 2, 4, 4)), 3, 2))
    # a patch of every block: those of one block are near each other, as they shall be
    counts = Counter(drawn.blocks.place(n, np.random.default_rng(n))[:4] for n in range(0, 90000, 6))
    assert len(counts) == 54
    expected = 15000 / 54
    assert sum((n - expected) ** 2 / expected for n in counts.values()) < 53 + 5 * np.sqrt(2 * 53)


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 10**6), st.integers(0, 100))
@few
def test_slots_take_turns_and_change_blocks_one_after_the_other(live, uses, seed, lap):
    turns = Turns(seed, 0, live, uses)
    laps = [[turns(n) for n in range(k * live, (k + 1) * live)] for k in range(lap, lap + uses + 1)]
    assert all(sorted(slot for slot, _ in keys) == list(range(live)) for keys in laps)
    for before, after in pairwise(laps):
        changed = [slot for slot in range(live) if dict(after)[slot] == dict(before)[slot] + 1]
        same = [slot for slot in range(live) if dict(after)[slot] == dict(before)[slot]]
        assert len(changed) + len(same) == live
        assert len(changed) <= -(-live // uses)


@given(st.integers(1, 12), st.integers(1, 12))
@few
def test_a_block_gives_as_many_patches_as_it_should(live, uses):
    turns = Turns(0, 0, live, uses)
    counts = Counter(turns(n) for n in range(4 * live * uses))
    last = {slot: max(g for s, g in counts if s == slot) for slot in range(live)}
    assert {n for (slot, g), n in counts.items() if 0 < g < last[slot]} <= {uses}
    assert all(n <= uses for n in counts.values())


# --- reading


@pytest.mark.parametrize("start", [0, 1, 13, 1000])
def test_going_on_at_any_step_gives_the_batches_of_never_having_stopped(volumes, start):
    straight = dict(prefetched([sampler(volumes)], 0, lambda k: k < 20)) if start < 20 else {}
    for step, (batch,) in prefetched([sampler(volumes)], start, lambda k: k < start + 5):
        assert torch.equal(batch, torch.cat([sampler(volumes).one(step, i) for i in range(4)]))
        if step in straight:
            assert torch.equal(batch, straight[step][0])


class Slow:
    """A volume whose reads take unlike times, and that knows how often and by how many it is read."""

    def __init__(self, volume, seed=0):
        self.volume, self.rng, self.lock = volume, np.random.default_rng(seed), threading.Lock()
        self.reads, self.now, self.most, self.alive = 0, 0, 0, []

    @property
    def header(self):
        return self.volume.header

    def read(self, box):
        with self.lock:
            self.reads, self.now = self.reads + 1, self.now + 1
            self.most, pause = max(self.most, self.now), self.rng.uniform(0, 0.002)
        time.sleep(pause)
        values = self.volume.read(box).copy()
        with self.lock:
            self.now -= 1
            self.alive = [r for r in self.alive if r() is not None] + [weakref.ref(values)]
        return values


@pytest.mark.parametrize("threads", [1, 4])
def test_the_number_of_threads_changes_nothing(volumes, monkeypatch, threads):
    monkeypatch.setattr(shuffling, "READERS", threads)
    slow = [Slow(v, threads) for v in volumes]
    for step, (batch,) in prefetched([sampler(slow)], 0, lambda k: k < 12):
        assert torch.equal(batch, sampler(volumes)(step))
    assert max(v.most for v in slow) <= threads


def test_memory_holds_so_many_blocks_and_each_is_read_once(volumes):
    volume = Slow(noise((300, 300)))
    drawn, most = sampler([volume], Shuffle((CELL,), live=40, uses=2)), 0
    for step in range(60):
        drawn(step)
        wait(drawn.blocks._blocks._ahead.values())  # so that reading is as far ahead as it ever gets
        most = max(most, sum(r() is not None for r in volume.alive))
    needed = {drawn.blocks._turns(n) for n in range(60 * 4)}
    assert len(needed) <= volume.reads <= len(needed) + AHEAD
    assert 40 <= most <= 40 + AHEAD


def test_looking_at_a_patch_disturbs_nobody(volumes):
    volume = Slow(volumes[0])
    drawn = sampler([volume], Shuffle((CELL,), 6, 5))
    drawn(0)
    drawn.close()
    before = volume.reads
    drawn.one(700, 0)
    assert volume.reads == before + 1
    assert torch.equal(drawn(1), sampler([volumes[0]], Shuffle((CELL,), 6, 5))(1))


def test_a_closed_sampler_gives_back_its_memory_and_can_go_on(volumes):
    volume = Slow(volumes[0])
    drawn = sampler([volume], Shuffle((CELL,), 6, 5))
    first = drawn(4)
    drawn.close()
    assert not any(r() is not None for r in volume.alive)
    assert torch.equal(drawn(4), first)
    drawn.close()


def test_a_block_that_cannot_be_read_reaches_the_trainer():
    class Broken(Slow):
        def read(self, box):
            if self.reads > 4:
                raise DataError("a chunk is damaged")
            return super().read(box)

    with pytest.raises(DataError, match="a chunk is damaged"):
        list(prefetched([sampler([Broken(noise((300, 300)))], Shuffle((CELL,), 6, 5))], 0, lambda k: k < 90))


def test_a_lone_nan_is_met_only_by_the_patches_that_hold_it():
    image = np.ones((40, 40), np.float32)
    image[0, 0] = np.nan
    drawn = sampler([ArrayVolume(image, "YX")], Shuffle(((1, 1, 40, 40),), 2, 3))
    hit = next(step for step in range(10**5) if drawn.place(step, 0)[2:4] == (0, 0))
    clear = next(step for step in range(100) if all(drawn.place(step, i)[2:4] != (0, 0) for i in range(4)))
    assert torch.isfinite(drawn(clear)).all()
    with pytest.raises(DataError, match="NaN"):
        drawn(hit)


@pytest.mark.parametrize("how", [{"offset": 7.5}, {"offset": 7.5, "background": {"sigma": 3}}], ids=str)
def test_prepared_images_come_in_blocks_too(volumes, how):
    class Laid(Slow):
        layout = Layout((1, 1, 1, 64, 64), (1, 1, 1, 32, 32))

    ready = prepared([Laid(v) for v in volumes], Preparation.model_validate(how))
    assert all(v.layout == Laid.layout for v in ready)
    drawn = sampler(ready)
    for step in range(6):
        assert torch.equal(drawn(step), torch.cat([drawn.one(step, i) for i in range(4)]))


def test_pinned_batches_are_the_same_in_the_layout_of_training(volumes, monkeypatch):
    pinned = []
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda self: pinned.append(self) or self)
    pair = [sampler(volumes, side=side) for side in (0, 1)]
    for step, batches in prefetched(pair, 0, lambda k: k < 3, pin=True):
        assert all(torch.equal(b, sampler(volumes, side=side)(step)) for side, b in enumerate(batches))
        assert all(b.is_contiguous(memory_format=torch.channels_last) for b in batches)
    assert len(pinned) >= 6


# --- processes


def test_a_sampler_travels_without_its_blocks(volumes):
    drawn = sampler(volumes)
    expected = drawn(3)
    travelled = pickle.loads(pickle.dumps(drawn))
    assert len(pickle.dumps(drawn)) < len(pickle.dumps(volumes)) + 5000
    assert torch.equal(travelled(3), expected)


def test_spawned_processes_draw_the_same_after_a_zarr_read(stores):
    """Never by fork: zarr's threads do not outlive it. The watchdog ends a deadlock."""
    how = Shuffle((CELL,) * 2, live=4, uses=3)
    drawn = sampler(stores, how, augmentation="dihedral")
    expected = [drawn(step) for step in range(3)]
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
        try:
            found = [f.result(WATCHDOG) for f in [pool.submit(drawn, step) for step in range(3)]]
        except TimeoutError:
            for process in pool._processes.values():
                process.kill()
            raise
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))

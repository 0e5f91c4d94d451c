"""A fixed choice of patches: nested, seeded, the same in pairs, and the only ones that are learned from."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isoscope.domain import Domain
from isoscope.errors import DataError
from isoscope.patches.subset import Subset
from isoscope.patches.supply import supply
from isoscope.recipe import Recipe
from isoscope.volume import ArrayVolume

few = settings(max_examples=25, deadline=None)
DOMAINS = [Domain(name=name, channels=1, limits=((0.0, 255.0),), polarity=1) for name in ("source", "target")]

counts, seeds = st.integers(1, 200), st.integers(0, 9)


@given(counts, counts, seeds, st.integers(0, 1), st.integers(1, 10**9))
@few
def test_larger_sets_hold_the_smaller_ones(one, other, seed, side, origins):
    small, large = sorted((one, other))
    chosen = [[Subset(n, seed, side).origin(k, origins) for k in range(n)] for n in (small, large)]
    assert chosen[1][:small] == chosen[0]
    assert all(0 <= origin < origins for origin in chosen[1])


def test_seed_and_side_choose_other_places():
    made = {tuple(Subset(8, *key).origin(k, 10**6) for k in range(8)) for key in ((0, 0), (0, 1), (1, 0))}
    assert len(made) == 3


def volume(size, seed=0, dtype="uint8"):
    return ArrayVolume(np.random.default_rng(seed).integers(0, 255, size).astype(dtype), "YX")


def made(patches, matched=False, ram=4.0, size=(80, 90), **training):
    keys = {"patches": patches, "patch": 16, "batch": 3, "calibration": 4, "ram_gib": ram, **training}
    sides = [volume(size, 0)], [volume(size, 1)]
    return supply(Recipe.model_validate({"training": keys}), DOMAINS, *sides, matched)


def places(sampler, steps=60):
    return {sampler.place(step, n)[:4] for step in range(steps) for n in range(sampler.batch)}


@given(st.integers(1, 12), seeds, st.booleans())
@few
def test_only_the_chosen_places_are_learned_from_and_calibrated_on(count, seed, matched):
    found = made(count, matched, seed=seed)
    for training, calibration in zip(found.training, found.calibration, strict=True):
        seen = places(training)
        assert 1 <= len(seen) <= count
        assert places(calibration, 20) <= {
            training.origins.place(training.subset.origin(k, len(training.origins))) for k in range(count)
        }
    assert (places(found.training[0]) == places(found.training[1])) == (matched or found.training[0].subset is None)


def test_all_of_few_are_seen_and_symmetries_still_vary():
    sampler = made(4).training[0]
    assert len(places(sampler)) == 4
    assert len({sampler.place(step, 0)[4] for step in range(60)}) == 8


def test_without_a_limit_every_place_comes():
    assert made(None).training[0].subset is None
    assert len(places(made(None).training[0])) > 100


@pytest.mark.parametrize("matched", [False, True])
def test_sets_larger_than_memory_give_the_same_patches_and_are_read_once(matched, monkeypatch):
    held, streamed = made(5, matched, size=(300, 300)), made(5, matched, ram=1.5e-4, size=(300, 300))
    assert [s.blocks for s in streamed.training] == [None, None]
    for one, other in zip(held.training, streamed.training, strict=True):
        reads = []
        real = type(other.frames[0]).read
        monkeypatch.setattr(type(other.frames[0]), "read", lambda f, *a, to=reads, of=real: to.append(a) or of(f, *a))
        batches = [other(step) for step in range(20)]
        monkeypatch.undo()
        assert len(reads) == 5
        assert all((one(step) == batch).all() for step, batch in enumerate(batches))


def test_more_patches_than_memory_holds_are_refused_with_a_limit_that_is_enough():
    with pytest.raises(
        DataError, match=r"^source: got training\.patches=9000, .* set training\.ram_gib=(\S+)$"
    ) as said:
        made(9000, ram=1.5e-4, size=(300, 300))
    enough = float(str(said.value).rpartition("=")[2])
    assert made(9000, ram=enough, size=(3000, 3000)).training[0].subset.count == 9000


def test_what_is_read_is_said():
    assert "7 patches, chosen by seed 3, of " in made(7, seed=3).reading[0]

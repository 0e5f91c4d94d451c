"""What fits is held, what does not comes in blocks within the declared memory, what cannot is refused."""

import logging
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isoscope.domain import Domain
from isoscope.errors import DataError
from isoscope.frames import Frames
from isoscope.patches.loading import GIB, described, plan, size
from isoscope.patches.sampling import Sampler
from isoscope.patches.shuffling import AHEAD
from isoscope.patches.supply import supply
from isoscope.reading import ReadOptions, adjust
from isoscope.recipe import Recipe
from isoscope.volume import ArrayVolume, Header, Layout

few = settings(max_examples=30, deadline=None)


class Declared:
    """A volume of any size, of which only the header and the layout are there."""

    def __init__(self, shape, chunk=None, dtype="uint8", codec="zstd"):
        self.header = Header("slide", shape, np.dtype(dtype))
        if chunk is not None:
            self.layout = Layout(chunk, chunk, codec)

    def read(self, box):
        raise AssertionError("nothing should be read")


def frames(*volumes, planes="xy"):
    return [Frames(v, planes) for v in volumes]


SLIDE = (1, 1, 1, 100_000, 80_000)


def test_what_fits_into_half_of_the_memory_is_held():
    small = frames(Declared((1, 1, 1, 2**15, 2**15)))  # exactly one GiB
    assert plan([small], 128, 2.0, "source") is None
    assert plan([small], 128, 1.99, "source") is not None
    assert plan([small, frames(Declared((1, 1, 1, 2**15, 2**15), dtype="uint16"))], 128, 2.0, "source") is not None
    assert described(None, small) == "1 GiB of images, decoded once into memory"


def test_a_large_set_comes_in_blocks_of_a_shard_each():
    large = frames(Declared(SLIDE, (1, 1, 1, 512, 512)))
    how = plan([large], 128, 4.0, "source")
    assert how.cells == ((1, 1, 1024, 1024),)
    assert (how.live, how.uses) == (256, 1536**2 // (4 * 128**2))
    assert described(how, large) == (
        "7.45 GiB of images, in blocks of 1024 x 1024 px: 256 in memory at a time, 36 patches of each"
    )


@pytest.mark.parametrize(
    ("chunk", "planes", "cell"),
    [
        (None, "xy", (1, 1, 1024, 1024)),
        ((1, 1, 1, 300, 700), "xy", (1, 1, 1200, 1400)),
        ((1, 1, 1, 1, 2000), "xy", (1, 1, 1024, 2000)),
        ((2, 1, 16, 64, 64), "xy", (2, 16, 1024, 1024)),
        ((2, 1, 16, 64, 64), "stack", (2, 1, 1024, 1024)),
    ],
)
def test_blocks_begin_where_chunks_do(chunk, planes, cell):
    how = plan([frames(Declared((90, 1, 32, 8000, 9000), chunk), planes=planes)], 64, 100.0, "source")
    assert how.cells == (cell,)


def test_little_memory_makes_blocks_smaller_and_not_fewer_than_mix_well():
    large = frames(Declared(SLIDE, (1, 1, 1, 64, 64), "uint16"))
    plans = [plan([large], 64, gib, "source") for gib in (4.0, 0.2, 0.05, 0.01)]
    sides = [how.cells[0][2] for how in plans]
    assert sides == sorted(sides, reverse=True)
    assert sides[0] > sides[-1] >= 64
    assert all(how.live >= 32 for how in plans)


volumes = st.builds(
    Declared,
    st.tuples(st.integers(1, 9), st.integers(1, 3), st.integers(1, 40), st.integers(64, 9000), st.integers(64, 9000)),
    st.none() | st.tuples(st.integers(1, 9), st.integers(1, 3), st.integers(1, 64), *[st.integers(1, 3000)] * 2),
    st.sampled_from(["uint8", "uint16", "float32"]),
)


@given(
    st.lists(volumes, min_size=1, max_size=3), st.sampled_from(["xy", "stack"]), st.floats(1e-3, 4), st.integers(8, 64)
)
@few
def test_no_plan_takes_more_memory_than_declared(images, planes, gib, patch):
    """Or it is refused, with a limit that is enough."""
    sides = [frames(*images, planes=planes)]
    try:
        how = plan(sides, patch, gib, "source")
    except DataError as error:
        enough = float(re.search(r"ram_gib=(\S+)$", str(error))[1])
        assert enough > gib
        how, gib = plan(sides, patch, enough, "source"), enough
    if how is None:
        assert size(images) <= gib / 2 * GIB
        return
    largest = 0
    for f, cell in zip(sides[0], how.cells, strict=True):
        t, c, z, y, x = f.volume.header.shape
        deep = z if planes == "stack" else min(cell[1], z)
        box = (min(cell[0], t), c, deep, min(cell[2] + patch - 1, y), min(cell[3] + patch - 1, x))
        largest = max(largest, int(np.prod(box, dtype=np.int64)) * f.volume.header.dtype.itemsize)
    assert 32 <= how.live <= 256
    assert (how.live + AHEAD) * largest <= gib / 2 * GIB
    assert how.uses >= 1


@pytest.mark.parametrize(
    ("volume", "expected"),
    [
        (
            Declared(SLIDE, (1, 1, 1, 256, 256), codec="jpeg2000"),
            "of which slide is in jpeg2000, slow to decode time and again; expected all, within",
        ),
        (Declared(SLIDE, SLIDE), "a block is at least 7.45 GiB; expected all, or 40 such blocks, within"),
        (
            Declared(SLIDE, (1, 1, 1, 20_000, 80_000)),
            "a block is at least 1.5 GiB; expected all, or 40 such blocks, within",
        ),
    ],
    ids=["slow", "whole", "strips"],
)
def test_what_would_be_decoded_again_and_again_is_refused(volume, expected):
    with pytest.raises(DataError, match=re.escape(expected)) as caught:
        plan([frames(volume)], 128, 4.0, "source")
    said = str(caught.value)
    assert said.startswith("source: got 7.45 GiB of images")
    assert "half of training.ram_gib = 4" in said
    assert "`isoscope convert SOURCE STORES`" in said
    assert "\n" not in said
    assert plan([frames(volume)], 128, 20.0, "source") is None


# --- both sides of a run

KEYS = {"training": {"patch": 8, "batch": 4, "calibration": 2, "ram_gib": 8e-5}}
DOMAINS = [Domain(name=name, channels=1, limits=((0.0, 255.0),)) for name in ("source", "target")]


def image(size, dtype="uint8", seed=0):
    return ArrayVolume(np.random.default_rng(seed).integers(0, 255, size).astype(dtype), "YX")


@pytest.mark.parametrize("matched", [False, True])
def test_matched_sides_draw_equal_places_even_where_one_would_fit(caplog, matched):
    caplog.set_level(logging.INFO)
    a, b = image((200, 200)), image((200, 200), "uint16", 1)
    made = supply(Recipe.model_validate(KEYS), DOMAINS, [a], [b], matched)
    places = [[s.place(step, i) for step in range(9) for i in range(4)] for s in made.training]
    assert (places[0] == places[1]) == matched
    assert ["blocks" in line for line in made.reading] == [matched, True]
    assert [how is not None for how in made.order] == [matched, True]
    assert [record.message for record in caplog.records] == made.reading


def test_calibration_patches_come_from_all_over_and_fill_no_memory():
    held = supply(Recipe(), DOMAINS, [image((200, 200))], [image((200, 200))], matched=False)
    made = supply(Recipe.model_validate(KEYS), DOMAINS, [image((300, 300))], [image((300, 300))], matched=False)
    assert all(s.blocks is not None for s in made.training)
    assert all(s.blocks is None for s in [*made.calibration, *held.training])


def test_the_order_of_sets_in_memory_is_that_of_ever():
    """Runs that were begun before there were blocks go on as they began."""
    sides = [(30, 41), (20, 9)]
    drawn = Sampler(
        [image(side) for side in sides], DOMAINS[0], patch=8, batch=3, seed=7, side=1, augmentation="dihedral"
    )
    ends = np.cumsum([(h - 7) * (w - 7) for h, w in sides])
    for step in range(50):
        rng = np.random.default_rng([7, 1, step, 2])
        flat = int(rng.integers(ends[-1]))
        v = int(flat >= ends[0])
        y, x = divmod(flat - v * int(ends[0]), sides[v][1] - 7)
        assert drawn.place(step, 2) == (v, 0, y, x, int(rng.integers(8)))


@pytest.mark.parametrize("channels", [(0,), (2, 0)])
def test_chosen_channels_keep_the_layout(channels):
    volume = Declared((1, 3, 1, 64, 64), (1, 1, 1, 32, 32))
    assert adjust(volume, ReadOptions(channels=channels), "x").layout == volume.layout


def test_what_is_unpacked_on_the_way_counts_as_well():
    """Samples of a packed archive are small, and each unpacks all others."""
    samples = [Declared((1, 1, 1, 512, 512), (10_000, 1, 1, 512, 512)) for _ in range(10_000)]
    with pytest.raises(DataError, match=r"isoscope convert"):
        plan([frames(*samples)], 128, 4.0, "source")


def test_converting_is_no_remedy_for_what_is_chunked_like_ours():
    with pytest.raises(DataError) as caught:
        plan([frames(Declared(SLIDE, (1, 1, 1, 512, 512)))], 128, 0.01, "source")
    assert re.search(r"ram_gib = 0\.01; set training\.ram_gib=0\.0\d+$", str(caught.value))

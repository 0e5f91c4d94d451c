"""Every tiling covers a plane once and only once, and shows the same picture."""

from dataclasses import replace

import numpy as np
import pytest

from isoscope import kinds
from isoscope.inference import Predictor
from isoscope.testing import check_tiling


@pytest.mark.parametrize("name", kinds.tilings)
def test_every_tiling_conforms(name, factory):
    check_tiling(factory("tilings", name))


@pytest.mark.parametrize("ramp", [1, 7, 500])
def test_feathering_of_any_width_conforms(ramp, factory):
    check_tiling(factory("tilings", "feathered", ramp=ramp))


def spoil(change):
    """A factory of the overlap tiling with every tile changed."""

    def factory():
        tiles = kinds.tilings["overlap"]()
        return lambda region, grid: (out for tile in tiles(region, grid) for out in change(tile, grid))

    return factory


def moved(span, by):
    return slice(span.start + by, span.stop + by)


def twice(tile, _):
    yield from (tile, tile)


def frame_dropped(tile, grid):
    """The released stitching leaves an outer frame empty."""
    if tile.write[0].start > 0:
        yield tile


def off_stride(tile, _):
    rows = tile.read[0]
    spare = rows.stop - tile.write[0].stop > 2
    yield replace(tile, read=(slice(rows.start, rows.stop - 2 * spare), tile.read[1]))


def shifted(tile, _):
    yield replace(tile, keep=(moved(tile.keep[0], 1), tile.keep[1]))


def without_halo(tile, _):
    read = tuple(slice(w.start // 4 * 4, -(-w.stop // 4) * 4) for w in tile.write)
    keep = tuple(moved(w, -r.start) for w, r in zip(tile.write, read, strict=True))
    yield replace(tile, read=read, keep=keep)


def beyond(tile, grid):
    if tile.read[1].stop == grid.padded[1]:
        tile = replace(tile, read=(tile.read[0], slice(tile.read[1].start, tile.read[1].stop + 4)))
    yield tile


def misshapen(tile, _):
    yield replace(tile, weight=np.ones((1, 1)) if tile.write[0].stop > 1 else None)


def overflowing(tile, _):
    (ys, xs), (ky, kx) = tile.write, tile.keep
    yield replace(tile, write=(ys, slice(xs.start, xs.stop + 999)), keep=(ky, slice(kx.start, kx.stop + 999)))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (overflowing, "outside the region"),
        (twice, "add up to 2"),
        (frame_dropped, "add up to 0"),
        (off_stride, "multiples of the network's stride"),
        (shifted, "pixels move"),
        (without_halo, "halo of 8"),
        (beyond, "outside the padded plane"),
        (misshapen, "weights of shape"),
    ],
)
def test_conformance_tells_tilings_that_break_their_contract(change, said):
    with pytest.raises(AssertionError, match=said):
        check_tiling(spoil(change))


@pytest.mark.parametrize("name", kinds.tilings)
def test_every_tiling_shows_the_picture_of_the_whole_image(name, frozen_model, grey_image):
    image = grey_image(70, 101)
    whole = Predictor(frozen_model).predict(image, tile=512)
    tiled = Predictor(frozen_model).predict(image, tile=32, tiling=name)
    assert np.abs(tiled - whole).max() < 1e-3 * np.ptp(whole)

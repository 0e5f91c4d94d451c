"""Patches in the stains of other images: the same draw for the same place, and nothing where nothing can be mixed."""

from dataclasses import replace

import numpy as np
import pytest

from isoscope.errors import DataError, RecipeError
from isoscope.patches.supply import supply
from isoscope.preparation.mixing import StainMixing
from isoscope.preparation.stain import measure
from isoscope.proposal import propose
from isoscope.volume import ArrayVolume

VECTORS = {
    "violet": np.array([[0.65, 0.70, 0.29], [0.27, 0.68, 0.68]]),
    "red": np.array([[0.55, 0.78, 0.30], [0.07, 0.99, 0.11]]),
}


def tissue(stain, seed=0, side=96):
    """RGB [3, side, side], uint8: two stains of random strengths on white."""
    rng = np.random.default_rng(seed)
    strengths = rng.gamma(1.5, 0.4, (side, side, 2)) * (rng.random((side, side, 1)) < 0.8)
    return np.moveaxis((255 * np.exp(-strengths @ VECTORS[stain])).round().astype(np.uint8), -1, 0)


def volumes(*pictures):
    plain = [ArrayVolume(p, "CYX") for p in pictures]
    return [ArrayVolume(p, "CYX", replace(v.header, rgb=True)) for p, v in zip(pictures, plain, strict=True)]


def test_a_patch_takes_the_stain_of_another_image():
    violet, red = tissue("violet", 1), tissue("red", 2)
    mixing = StainMixing(volumes(violet, red), "macenko")
    made = [mixing(violet, 0, (0, 1, 0, index)) for index in range(40)]
    own = [m is violet for m in made]
    assert 8 < sum(own) < 32, "its own stain is one of the two"
    moved = next(m for m in made if m is not violet)
    assert np.array_equal(moved, next(m for m in made[::-1] if m is not violet))
    theirs, want = (measure(np.moveaxis(p, 0, -1).reshape(-1, 3) / 255, "macenko") for p in (moved, red))
    assert np.abs(np.array(theirs[0]) - want[0]).max() < 0.08
    assert np.abs(np.array(theirs[1]) - want[1]).max() < 0.08


def test_the_draw_is_a_function_of_its_key():
    mixing = StainMixing(volumes(tissue("violet"), tissue("red")), "reinhard")
    patch = tissue("violet")[:, :32, :32]
    for key in [(0, 1, 2, 3), (5, 1, 0, 0)]:
        np.testing.assert_array_equal(mixing(patch, 0, key), mixing(patch, 0, key))


def test_what_has_no_stain_or_no_fellow_is_left_as_it_is():
    white, patch = np.full((3, 64, 64), 255, np.uint8), tissue("red")[:, :32, :32]
    alone = StainMixing(volumes(tissue("red")), "macenko")
    assert all(alone(patch, 0, (0, 1, 0, i)) is patch for i in range(8))
    beside = StainMixing(volumes(white, tissue("red"), tissue("violet")), "macenko")
    assert all(beside(patch, 0, (0, 1, 0, i)) is patch for i in range(8))


def test_other_images_are_refused_with_the_remedy():
    with pytest.raises(DataError, match="stain_mixing=none"):
        StainMixing(volumes(tissue("red").astype(np.float32)), "macenko")


def coloured(**user):
    grey, colour = volumes(tissue("violet", 3)), volumes(tissue("violet", 4), tissue("red", 5))
    proposal = propose(grey, colour, task="coloration", preset="cpu", user=user)
    return supply(proposal.recipe, (proposal.source, proposal.target), grey, colour, matched=False)


def test_coloration_mixes_and_draws_the_same_places_as_without():
    mixed, plain = coloured(), coloured(training={"stain_mixing": "none"})
    assert mixed.training[1].place(3, 1) == plain.training[1].place(3, 1)
    differing = [not np.array_equal(mixed.training[1](k), plain.training[1](k)) for k in range(6)]
    assert any(differing)
    np.testing.assert_array_equal(mixed.training[0](0), plain.training[0](0))


def test_one_stain_for_all_leaves_nothing_to_mix():
    assert coloured().training[1].mixing is not None
    assert coloured(target={"prepare": {"stain": "macenko"}}).training[1].mixing is None


def test_targets_without_colours_are_refused():
    grey = [ArrayVolume(tissue("red", n)[0], "YX") for n in range(2)]
    made = propose(grey, grey, task="denoise", preset="cpu", user={"training": {"stain_mixing": "macenko"}})
    with pytest.raises(RecipeError, match="1 channels; expected RGB"):
        supply(made.recipe, (made.source, made.target), grey, grey, matched=False)


@pytest.mark.parametrize("preset", ["released", "cyclegan"])
def test_published_settings_do_not_mix(preset):
    recipe = propose(volumes(tissue("violet")), volumes(tissue("red")), task="coloration", preset=preset).recipe
    assert recipe.training.stain_mixing == "none"

"""Whatever is installed combines: two steps and a prediction, or a refusal whose reason is in the list below.

Every pair of choices occurs in some run (pairwise covering), so that two plug-ins that do not get along are met.
"""

import itertools
import re

import numpy as np
import pytest

from isoscope import inference, kinds
from isoscope.errors import IsoscopeError
from isoscope.proposal import propose
from isoscope.training import train
from isoscope.volume import ArraySink, ArrayVolume, Header

LOSSES = {
    "least squares": ["lsgan", "cycle", "saliency"],
    "hinge": ["hinge", "cycle", "spectrum"],
    "contrast": ["bce", "patchnce"],
    "absolute": ["l1"],
    "laplace": ["laplace"],
}
EVERYTHING = {
    "forward": list(kinds.generators),
    "backward": list(kinds.generators),
    "discriminator": list(kinds.discriminators),
    "losses": list(LOSSES),
    "tiling": list(kinds.tilings),
    "task": list(kinds.tasks),
    "method": list(kinds.methods),
}
FREE = {
    "forward": ["resnet", "unet"],
    "backward": ["resnet", "unet"],
    "discriminator": ["patchgan", "patchgan94"],
    "losses": ["least squares", "hinge"],
    "tiling": ["feathered", "overlap"],
    "task": ["coloration", "denoise", "labeling", "segment", "superres"],
    "method": ["c2gan"],
}
NOTHING_TO_LEARN = {
    "forward": "camera", "backward": "unet", "discriminator": "patchgan", "losses": "absolute", "tiling": "overlap",
    "task": "denoise", "method": "supervised",
}  # fmt: skip
"""A row that a covering has or has not, by what else is installed."""
VOLUMES = {
    "forward": ["unet3d"],
    "backward": ["camera", "psf", "refine", "resnet", "unet", "unet3d"],
    "discriminator": list(kinds.discriminators),
    "losses": ["absolute", "contrast", "hinge", "least squares"],
    "tiling": list(kinds.tilings),
    "task": ["denoise"],
    "method": ["c2gan", "supervised"],
    "context": [1],
}
REASONS = [
    r"generator 'unet3d' got 1 planes as input and 1 as output; .*; set output\.context=5, or choose unet",
    r"generator '\w+' (maps|keeps) .*, got \d -> \d; choose another, such as unet",
    r"the forward generator has nothing to learn; set method\.forward=unet or another",
    r"neither generator has anything to learn; set method\.forward=unet or another",
    r"losses\.\w+: got unpaired images; expected pairs, .* choose method supervised",
    r"losses\.\w+: got a method that learns no way back; .* choose method c2gan",
    r"losses\.patchnce: got \d channels in the source and \d in the target; .* choose method c2gan",
    r"losses\.patchnce: generator \w+ offers no features; choose another, such as resnet",
    r"got losses\.\w+ for method supervised, which has no discriminators; .* use l1 or laplace",
]
SIDES = {
    "axial": ({"planes": 20, "pixel_size": (2.0, 1.0, 1.0)}, {"planes": 3, "pixel_size": (2.0, 1.0, 1.0)}),
    "coloration": ({}, {"planes": 3, "rgb": True}),
    "denoise": ({}, {}),
    "labeling": ({"planes": 3}, {"planes": 2, "axes": "CYX"}),
    "segment": ({}, {"labels": True}),
    "superres": ({}, {}),
}


def covering(factors):
    """Rows such that every pair of values of two factors is in one of them: greedy, and the same every time."""
    todo = {
        frozenset([(one, a), (other, b)])
        for one, other in itertools.combinations(factors, 2)
        for a in factors[one]
        for b in factors[other]
    }
    while todo:
        row = dict(min(map(sorted, todo)))
        for name in factors:
            if name not in row:
                row[name] = max(factors[name], key=lambda value, name=name: len(pairs({**row, name: value}) & todo))
        todo -= pairs(row)
        yield row


def pairs(row):
    return {frozenset(pair) for pair in itertools.combinations(row.items(), 2)}


def image(seed, planes=1, axes="ZYX", rgb=False, labels=False, pixel_size=None):
    """Five spots, or their labels, 48 px wide."""
    rng, (y, x) = np.random.default_rng(seed), np.mgrid[:48, :48]
    places = rng.uniform(0, 48, (5, 2))
    spots = [np.hypot(y - cy, x - cx) for cy, cx in places]
    if labels:
        values = np.max([(spot < 6) * (k + 1) for k, spot in enumerate(spots)], axis=0).astype("uint8")
    else:
        values = 20 + 150 * sum(np.exp(-(spot**2) / 18) for spot in spots) + rng.normal(0, 4, (planes, 48, 48))
        values = np.clip(values if planes > 1 else values[0], 0, 255).astype("uint8")
    axes = "CYX" if rgb else axes if planes > 1 else "YX"
    shape = ArrayVolume(values, axes).header.shape
    return ArrayVolume(values, axes, Header(f"spots{seed}", shape, values.dtype, axes, pixel_size, rgb=rgb))


def keys(row, component):
    method = {"name": row["method"], "forward": component(row["forward"]).model_dump()}
    if row["method"] == "c2gan":
        method["backward"] = component(row["backward"]).model_dump()
    if row["method"] != "supervised":
        method["discriminator"] = component(row["discriminator"]).model_dump()
    return {
        "method": method, "losses": {name: {} for name in LOSSES[row["losses"]]},
        "training": {"steps": 2, "batch": 1, "patch": 32, "calibration": 2},
        "inference": {"tiling": {"name": row["tiling"]}, "tile": 32}, "output": {"context": row.get("context", 0)},
    }  # fmt: skip


def tried(row, component, folder):
    """What it predicts for a training image, or why it is refused."""
    a, b = ({"planes": 4}, {"planes": 4}) if "context" in row else SIDES.get(row["task"], ({}, {}))
    source = [image(k, **a) for k in range(2)]
    target = [image(k if row["method"] == "supervised" else k + 9, **b) for k in range(2)]
    try:
        recipe = propose(source, target, task=row["task"], preset="cpu", user=keys(row, component)).recipe
        model = inference.load(train(recipe, source, target, folder / "run", overwrite=True)).model
        plan = inference.plan(model, source[0])
        sink = ArraySink(plan.header)
        inference.stream(plan, model, source[0], sink)
    except IsoscopeError as refused:
        return str(refused)
    return sink.array


def test_every_pair_is_covered_in_few_rows():
    factors = {"a": "123", "b": "456", "c": "789", "d": "xyz"}
    rows = list(covering(factors))
    for one, other in itertools.combinations(factors, 2):
        assert {(r[one], r[other]) for r in rows} == set(itertools.product(factors[one], factors[other]))
    assert 9 <= len(rows) <= 15, "not the 81 of all combinations"


def test_all_that_is_installed_combines_or_says_why_not(component, tmp_path):
    heard = set()
    for row in (*covering(EVERYTHING), NOTHING_TO_LEARN):
        found = tried(row, component, tmp_path)
        if isinstance(found, str):
            why = [reason for reason in REASONS if re.fullmatch(reason, found)]
            assert why, f"{row} is refused for a reason that is not listed: {found}"
            heard.update(why)
        else:
            assert np.isfinite(found.astype(np.float64)).all()
    assert heard == set(REASONS), "a reason that nothing gives any more"


@pytest.mark.parametrize("row", list(covering(FREE)), ids=lambda row: "-".join(row.values()))
def test_every_free_generator_combines_with_every_discriminator(row, component, tmp_path):
    found = tried(row, component, tmp_path)
    assert not isinstance(found, str), found
    assert found.shape[-2:] == (48, 48)
    assert np.isfinite(found.astype(np.float64)).all()


@pytest.mark.parametrize("row", list(covering(VOLUMES)), ids=lambda row: "-".join(map(str, row.values())))
def test_a_generator_of_three_dimensions_combines_with_those_of_two(row, component, tmp_path):
    found = tried(row, component, tmp_path)
    if isinstance(found, str):
        assert any(re.fullmatch(reason, found) for reason in REASONS), found
    else:
        assert found.shape == (1, 1, 4, 48, 48)
        assert np.isfinite(found.astype(np.float64)).all()

import json
import os
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from isoscope.errors import DataError
from isoscope.recipe import DomainRecipe
from isoscope.sources import open_all
from isoscope.splits.mismatch import compare
from isoscope.survey import survey
from isoscope.volume import ArrayVolume, Box, Header

DATA = Path(os.environ.get("ISOSCOPE_TEST_DATA", Path(__file__).parents[3] / "shared" / "data"))
BRIGHT = DomainRecipe(polarity="bright")


def discs(seed, radius=5, count=8, size=160, dark=False, name="discs"):
    """Bright discs on dark ground, on a grid so that they never touch, and camera noise."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size]
    image = np.full((size, size), 20.0)
    cells = rng.choice(16, count, replace=False)
    for cell in cells:
        cy, cx = 20 + 40 * (cell // 4), 20 + 40 * (cell % 4)
        image[(y - cy) ** 2 + (x - cx) ** 2 <= radius**2] = 180
    values = np.clip(image + rng.normal(0, 8, image.shape), 0, 255).astype("uint8")
    values = 255 - values if dark else values
    return ArrayVolume(values, "YX", Header(name, (1, 1, 1, size, size), values.dtype, "YX"))


def judged(source, target, recipes=(BRIGHT, BRIGHT), /, **changes):
    domains = [survey(v, r, side) for v, r, side in zip((source, target), recipes, ("source", "target"), strict=True)]
    domains = [d.model_copy(update=changes.get(d.name, {})) for d in domains]
    return {f.id.removeprefix("D0."): f for f in compare(source, target, *domains)}


def levels(findings):
    return {name: f.level for name, f in findings.items()}


SET = [discs(k) for k in range(3)]
OTHER = [discs(k) for k in range(10, 13)]
ALL_OK = {"foreground": "ok", "pixel_size": "ok", "objects": "ok", "shared": "ok"}


def test_domains_alike_pass():
    found = judged(SET, OTHER)
    assert levels(found) == ALL_OK
    assert found["objects"].values["source"] == pytest.approx(10, abs=2.5)


def test_polarity_does_not_matter():
    dark = [discs(k, dark=True) for k in range(10, 13)]
    found = judged(SET, dark, (BRIGHT, DomainRecipe(polarity="dark")))
    assert levels(found) == ALL_OK
    assert found["foreground"].values["ratio"] == pytest.approx(1, abs=0.15)


def test_more_content_on_one_side():
    found = judged(SET, [discs(k, count=2) for k in range(10, 13)])
    assert levels(found) == {**ALL_OK, "foreground": "warn"}
    assert "choose fields alike" in found["foreground"].message
    assert found["foreground"].values["ratio"] == pytest.approx(4, abs=0.6)


def test_larger_objects():
    found = judged([discs(k, radius=3, count=12) for k in range(3)], [discs(k, radius=11, count=1) for k in range(3)])
    assert levels(found) == {**ALL_OK, "objects": "warn"}
    assert found["objects"].values["ratio"] > 2


def test_no_objects_at_all():
    found = judged(SET, OTHER, target={"threshold": 1e6})
    assert found["objects"].level == "ok"
    assert "no objects stand out" in found["objects"].message


def test_an_empty_domain_is_a_mismatch_with_finite_numbers():
    found = judged(SET, OTHER, target={"foreground": 0.0})
    assert found["foreground"].level == "warn"
    json.dumps([asdict(f) for f in found.values()], allow_nan=False)


def test_unknown_polarity_is_not_compared():
    found = judged(SET, OTHER, target={"polarity": 0, "foreground": 0.9})
    assert found["foreground"].level == "ok"
    assert "polarity is not known" in found["foreground"].message


@pytest.mark.parametrize(
    ("target", "level"),
    [
        ({"pixel_size": (1.0, 0.2, 0.2)}, "ok"),
        ({"pixel_size": (1.0, 0.21, 0.21)}, "ok"),
        ({"pixel_size": (1.0, 0.2, 0.25)}, "warn"),
        ({"pixel_size": (1.0, 200.0, 200.0), "unit": "nanometer"}, "ok"),
        ({"pixel_size": (1.0, 0.2, 0.2), "unit": "nanometer"}, "warn"),
        ({"pixel_size": (9.0, 0.2, 0.2)}, "ok"),
    ],
)
def test_pixel_sizes(target, level):
    found = judged(SET, OTHER, source={"pixel_size": (1.0, 0.2, 0.2)}, target=target)["pixel_size"]
    assert found.level == level
    assert ("resample" in found.message) == (level == "warn")


@pytest.mark.parametrize("target", [{}, {"pixel_size": (1.0, 1.0, 1.0), "unit": "furlong"}])
def test_pixel_sizes_that_nobody_states(target):
    found = judged(SET, OTHER, source={"pixel_size": (1.0, 0.2, 0.2)}, target=target)["pixel_size"]
    assert (found.level, found.values) == ("ok", {})
    assert found.message.endswith("states that of target")


def test_an_image_in_both_domains_fails():
    found = judged(SET, [*OTHER, discs(1, name="copy")])["shared"]
    assert found.level == "fail"
    assert "discs (source) and copy (target) hold the same pixels; expected" in found.message
    assert found.values == {"shared": 1.0}
    more = judged([*SET, discs(7)], [*OTHER, discs(1, name="copy"), discs(7, name="other")])["shared"]
    assert "hold the same pixels, and 1 more; expected" in more.message


def test_only_suspects_are_read_whole():
    class Watched(ArrayVolume):
        whole = 0

        def read(self, box, /):
            type(self).whole += box.shape == self.header.shape
            return super().read(box)

    large = [Watched(np.random.default_rng(k).integers(0, 255, (300, 300), "uint8"), "YX") for k in range(4)]
    assert judged(large[:2], large[2:])["shared"].level == "ok"
    assert Watched.whole == 0


def test_an_image_that_differs_beyond_its_middle_is_not_shared():
    values = np.random.default_rng(0).integers(0, 255, (300, 300), "uint8")
    other = values.copy()
    other[0, 0] += 1
    assert judged([ArrayVolume(values, "YX")], [ArrayVolume(other, "YX")])["shared"].level == "ok"


def test_stacks_and_colour_read_as_surveyed():
    stack = [ArrayVolume(np.stack([pixels(discs(k + 9 * z)) for z in range(3)]), "ZYX") for k in range(2)]
    colour = [replaced(np.stack([pixels(discs(k))] * 3)) for k in range(20, 22)]
    source = survey(stack, BRIGHT, "source", "stack")
    target = survey(colour, DomainRecipe(polarity="bright", grey=True), "target")
    assert (source.channels, target.channels) == (3, 1)
    assert len(compare(stack, colour, source, target)) == 4
    with pytest.raises(DataError, match="survey these images"):
        compare(SET, colour, source, target)


def pixels(volume):
    return volume.read(Box.whole(volume.header.shape))[0, 0, 0]


def replaced(array):
    volume = ArrayVolume(array, "CYX")
    return ArrayVolume(array, "CYX", replace(volume.header, rgb=True))


def test_findings_are_one_line_each_and_the_same_again():
    twice = [compare(SET, OTHER, survey(SET, BRIGHT, "source"), survey(OTHER, BRIGHT, "target")) for _ in range(2)]
    assert twice[0] == twice[1]
    assert all("\n" not in f.message and f.id.startswith("D0.") for f in twice[0])


def test_noisy_and_clean_images_of_other_cells_belong_together():
    folder = DATA / "w2s_widefield"
    if not folder.is_dir():
        pytest.skip(f"no w2s_widefield in {DATA}")
    noisy, clean = open_all(f"{folder}/dev_A_noisy/*_0.tif"), open_all(f"{folder}/dev_B_clean/*_0.tif")
    assert levels(judged(noisy, clean, (DomainRecipe(), DomainRecipe()))) == ALL_OK

"""Objects through the command line: from masks of other images to labels and their scores."""

import json

import numpy as np
import pytest
import zarr

from isoscope.sources import open_one
from isoscope.volume import Box
from isoscope.writing.whole import write_whole

pytestmark = pytest.mark.usefixtures("one_thread")


def pixels(path):
    (volume,) = open_one(path)
    return volume.read(Box.whole(volume.header.shape))[0, 0, 0]


@pytest.fixture
def cells(tmp_path, spots):
    """Images of spots, and masks of others."""
    for seed in range(3):
        write_whole(tmp_path / "images" / f"{seed}.tif", spots(seed, 5, (64, 64)), pixel_size=(1.0, 0.3, 0.3))
        write_whole(
            tmp_path / "masks" / f"{seed}.tif", (spots(seed + (seed < 2) * 10, 0, (64, 64)) > 80).astype(np.uint8)
        )
    return tmp_path


def test_from_masks_of_others_to_scored_objects(isoscope, cells, tiny):
    sides = ["--source", cells / "images" / "[01].tif", "--target", cells / "masks" / "[01].tif"]
    options = ["--task", "segment", "--preset", "cpu", "--steps", "2", "--quiet", *tiny[:-2]]
    assert isoscope("train", *sides, *options, "--out", cells / "run")[0] == 0
    assert isoscope("predict", cells / "run", cells / "images" / "2.tif", "--out", cells / "depth.tif")[0] == 0
    assert pixels(cells / "depth.tif").dtype == np.float32
    out = cells / "labels.ome.zarr"
    assert isoscope("labels", cells / "depth.tif", "--out", out)[0] == 0
    assert pixels(out).dtype == np.uint32
    code, said, _ = isoscope("evaluate", out, cells / "masks" / "2.tif", "--labels", "--json")
    assert code == 0
    assert {"dice", "iou", "object_f1", "object_count_error"} <= set(json.loads(said)["mean"]["prediction"])


def test_otsu_finds_bright_spots_and_says_how(isoscope, cells):
    out = cells / "labels"
    code, said, _ = isoscope("labels", cells / "images", "--otsu", 1, "--out", out, "--to", "ome.zarr", "--json")
    assert code == 0
    assert json.loads(said)["how"] == {"dip": 1.0, "smallest": 16, "sigma": 1.0}
    (volume,) = open_one(out / "2.ome.zarr")
    assert volume.header.attributes["labels"]["by"] == "otsu"
    assert volume.header.pixel_size == (1.0, 0.3, 0.3)
    found, mask = pixels(out / "2.ome.zarr"), pixels(cells / "masks" / "2.tif")
    assert (found > 0)[mask > 0].mean() > 0.9
    group = zarr.open_group(out / "2.ome.zarr", mode="r")
    assert "image-label" in group.attrs["ome"]
    assert len(group.attrs["ome"]["multiscales"][0]["datasets"]) == 1, "means of labels are no labels"


def test_resuming_with_other_settings_is_refused(isoscope, cells, refused):
    words = ["labels", cells / "images" / "2.tif", "--otsu", 1, "--out", cells / "l.ome.zarr"]
    assert isoscope(*words)[0] == 0
    assert "exists" in refused(*words)
    assert isoscope(*words, "--resume")[0] == 0
    refused(*words, "--resume", "--smallest", 99)


def test_scores_of_labels_are_shown_with_the_worst(isoscope, cells):
    code, said, _ = isoscope("evaluate", cells / "masks", cells / "masks", "--labels")
    assert code == 0
    assert "object F1" in said
    assert "PSNR" not in said
    assert "worst by object F1" in said

import json

import numpy as np
import pytest
from example_raw_camera import lowlight, raw_camera

from isoscope import kinds, sources
from isoscope.errors import DataError
from isoscope.testing import check_store, check_task, example_domain
from isoscope.volume import Box

FRAMES = np.random.default_rng(0).poisson(9, (3, 40, 50)).astype("<u2") + 100


@pytest.fixture
def raw(tmp_path):
    """raw(pixels, **said): a .raw file and its .json."""

    def write(pixels=FRAMES, **said):
        facts = {"frames": 3, "height": 40, "width": 50, "pixel_um": 0.1} | said
        (tmp_path / "cells.json").write_text(json.dumps(facts))
        pixels.tofile(tmp_path / "cells.raw")
        return tmp_path / "cells.raw"

    return write


def test_task_and_store_are_found_and_conform(tmp_path):
    check_task(kinds.tasks["lowlight"])
    check_store(kinds.stores["raw_camera"], tmp_path)


def test_the_store_reads_what_the_camera_wrote(raw):
    (volume,) = sources.open_one(raw())
    header = volume.header
    assert (header.shape, header.axes, header.pixel_size) == ((3, 1, 1, 40, 50), "TYX", (1.0, 0.1, 0.1))
    assert np.array_equal(volume.read(Box.whole(header.shape))[:, 0, 0], FRAMES)


@pytest.mark.parametrize(
    ("said", "complaint"),
    [
        ({"frames": 4}, "got 12000 bytes; expected 16000, as cells.json says"),
        ({"frames": 10**12}, "got 12000 bytes"),
        ({"width": -50}, "all above 0"),
        ({"pixel_um": float("nan")}, "all above 0"),
        ({"height": "tall"}, "does not say frames, height, width and pixel_um"),
    ],
)
def test_files_that_do_not_fit_together_are_refused(raw, said, complaint):
    with pytest.raises(DataError, match=complaint):
        raw_camera().open(raw(**said))


def test_a_raw_file_alone_is_somebody_elses(raw):
    path = raw()
    path.with_suffix(".json").unlink()
    assert not raw_camera().claims(path)


def test_unequal_channels_are_refused():
    with pytest.raises(DataError, match="equal channels, got 1 and 3"):
        lowlight(example_domain(1), example_domain(3))

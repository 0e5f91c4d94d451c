"""What concerns the shipped checks as a whole."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from isoscope import testing
from isoscope.errors import DataError
from isoscope.kinds import REGISTRIES
from isoscope.testing import check_generator, check_store
from isoscope.volume import ArraySink, ArrayVolume, Box, Header, Layout


def test_there_is_a_check_for_every_kind():
    singular = {kind: kind.removesuffix("s") for kind in REGISTRIES} | {"losses": "loss"}
    assert {f"check_{one}" for one in singular.values()} <= set(testing.__all__)


def test_checks_leave_the_random_state_alone(factory):
    before = torch.random.get_rng_state()
    check_generator(factory("generators", "resnet"))
    assert torch.equal(torch.random.get_rng_state(), before)


class NumpySink(ArraySink):
    def __init__(self, path, header):
        super().__init__(header)
        self.path = path

    def close(self):
        h = self.header
        facts = {"name": h.name, "axes": h.axes, "pixel_size": h.pixel_size, "channels": h.channels, "rgb": h.rgb}
        with self.path.open("wb") as handle:
            np.savez(handle, pixels=self.array, header=json.dumps(facts))


class NumpyStore:
    """A store for numpy archives, to be spoilt."""

    suffixes = writes = (".npz",)

    def claims(self, path):
        return path.suffix == ".npz"

    def open(self, path):
        held = np.load(path)
        facts = json.loads(str(held["header"]))
        pixels = held["pixels"]
        tuples = {k: tuple(facts.pop(k)) for k in ("pixel_size", "channels")}
        return [ArrayVolume(pixels, header=Header(shape=pixels.shape, dtype=pixels.dtype, **facts, **tuples))]

    def create(self, path, header, layout):
        return NumpySink(path, header)


class Stretching(NumpyStore):
    """As the released scripts save: grey values stretched to the image's own minimum and maximum."""

    def open(self, path):
        volume = super().open(path)[0]
        pixels = volume.read(type("All", (), {"slices": ...})).astype(float)
        stretched = (pixels - pixels.min()) / (np.ptp(pixels)) * 200
        return [ArrayVolume(stretched.astype(volume.header.dtype), header=volume.header)]


class Eager(NumpyStore):
    def create(self, path, header, layout):
        path.touch()
        return super().create(path, header, layout)


class Refusing(NumpyStore):
    def create(self, path, header, layout):
        raise DataError("no")


class Blind(NumpyStore):
    def claims(self, path):
        return False


class Doubling(NumpyStore):
    def open(self, path):
        return super().open(path) * 2


class Flattening(NumpyStore):
    def open(self, path):
        (volume,) = super().open(path)
        pixels = volume.read(Box.whole(volume.header.shape)).astype("float32")
        return [ArrayVolume(pixels, header=replace(volume.header, dtype=pixels.dtype))]


class Forgetting(NumpyStore):
    def open(self, path):
        (volume,) = super().open(path)
        other = replace(volume.header, pixel_size=(1.0, 9.0, 9.0))
        return [ArrayVolume(volume.read(Box.whole(other.shape)), header=other)]


class Unchunked(NumpyStore):
    def open(self, path):
        (volume,) = super().open(path)
        volume.layout = Layout(shard=(1, 1, 1, 32, 32), chunk=(1, 1, 1, 0, 32))
        return [volume]


class Nameless(NumpyStore):
    suffixes = ()


class LeavingSink(NumpySink):
    def abort(self):
        self.path.with_suffix(".partial").touch()


class Leaving(NumpyStore):
    def create(self, path, header, layout):
        return LeavingSink(path, header)


@pytest.mark.parametrize(
    ("spoilt", "said"),
    [
        (Stretching, "grey values"),
        (Eager, "before close"),
        (Refusing, "refuses every image"),
        (Blind, "does not claim"),
        (Leaving, "left image"),
        (Doubling, "finds 2 images"),
        (Flattening, "dtype came back as float32"),
        (Forgetting, "pixel size came back as"),
        (Unchunked, "a chunk of five lengths"),
        (Nameless, "no suffixes"),
    ],
)
def test_conformance_tells_stores_that_break_their_contract(spoilt, said, tmp_path):
    with pytest.raises(AssertionError, match=said):
        check_store(spoilt, tmp_path)


def test_a_store_that_keeps_its_word_conforms(tmp_path):
    check_store(NumpyStore, tmp_path)

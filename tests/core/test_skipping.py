"""Tiles without tissue: found for certain, filled with what the network would make of them, the rest untouched."""

from dataclasses import replace

import numpy as np
import pytest

from isoscope import inference
from isoscope import model as models
from isoscope.address import Address
from isoscope.errors import DataError, Interrupted
from isoscope.inference import plan, skipping, stream
from isoscope.tissue import tissue
from isoscope.volume import ArraySink, ArrayVolume, Box, Header
from isoscope.writing.whole import write_whole

SIZE = (512, 640)
GLASS, BARE, TISSUE = 230, 250, 120


@pytest.fixture(autouse=True)
def small_shards(monkeypatch):
    monkeypatch.setattr(inference.cutting, "_SHARD", 128)
    monkeypatch.setattr(inference.cutting, "_CHUNK", 32)
    inference.jobs._station.cache_clear()


@pytest.fixture(scope="module")
def model(source, target, untrained):
    return untrained(source, target, source={"polarity": "dark"}, output={"dtype": "float32"})


def slide(seed=0):
    """Tissue in the middle of noisy glass, a strip on the right that was not scanned, and a speck: uint8 [Y, X]."""
    rng = np.random.default_rng(seed)
    image = np.full(SIZE, GLASS, float)
    image[:, 576:] = BARE
    image[:, :576] += rng.normal(0, 1.5, (SIZE[0], 576))
    image[150:300, 200:400] = TISSUE + rng.normal(0, 30, (150, 200))
    image[40:48, 40:48] = 60
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)


def predicted(made, model, volume):
    sink = ArraySink(made.header)
    stream(made, model, volume, sink)
    return sink.array[0, 0, 0]


def pixels(store):
    """The files that hold grey values, by path."""
    return {p.relative_to(store): p.read_bytes() for p in store.rglob("c/**/*") if p.is_file()}


@pytest.mark.parametrize("tiling", ["overlap", "feathered"])
def test_tissue_and_all_within_a_halo_of_it_are_bit_for_bit_those_of_a_whole_run(model, tiling):
    volume = ArrayVolume(slide(), "YX")
    whole = plan(model, volume, tile=32, tiling=tiling)
    part = skipping(whole, model, volume)
    full, some = predicted(whole, model, volume), predicted(part, model, volume)
    near = np.zeros(SIZE, bool)
    halo = whole.grid.halo
    assert halo > 0
    near[150 - halo : 300 + halo, 200 - halo : 400 + halo] = True
    near[40 - halo : 48 + halo, 40 - halo : 48 + halo] = True
    assert np.array_equal(full[near], some[near])
    assert 0.3 < part.blank.facts["fraction"] < 0.9
    assert (full != some).mean() > 0.2


def test_what_is_filled_is_what_the_network_makes_of_the_measured_grey_value(model):
    volume = ArrayVolume(slide(), "YX")
    part = skipping(plan(model, volume, tile=32), model, volume)
    made = predicted(part, model, volume)
    fills = {fill["measured"][0]: fill["filled"][0] for fill in part.blank.facts["fills"]}
    assert set(fills) <= {GLASS - 1, GLASS, GLASS + 1, BARE}
    assert {GLASS, BARE} <= set(fills)
    for grey, filled in fills.items():
        flat = ArrayVolume(np.full((96, 96), grey, np.uint8), "YX")
        assert filled == pytest.approx(predicted(plan(model, flat), model, flat)[48, 48])
    for (_, y0, _, x0, _), values in part.blank.fills.items():
        core = made[y0 + part.grid.halo * (y0 > 0) :, x0 + part.grid.halo * (x0 > 0) :][:32, :32]
        assert (core == values[0]).all()


def test_shards_without_tissue_are_neither_read_nor_computed(model):
    class Counting(ArrayVolume):
        reads = 0

        def read(self, box: Box, /):
            type(self).reads += box.shape[3] < SIZE[0]
            return super().read(box)

    volume = Counting(slide(), "YX")
    part = skipping(plan(model, volume, tile=32), model, volume)
    Counting.reads = 0
    said = []
    stream(part, model, volume, ArraySink(part.header), progress=lambda done, total: said.append((done, total)))
    assert Counting.reads < len(part.jobs)
    assert said[-1] == (320, 320)
    assert [done for done, _ in said] == sorted(done for done, _ in said)


def test_resuming_and_jobs_in_any_order_make_the_same_bytes(model, tmp_path):
    path = write_whole(tmp_path / "in.tif", slide())
    address = Address(path)
    loaded = models.load(model.home, device=inference.jobs.device.pick())

    def planned(name, skip=True):
        made = plan(loaded, address.open(), tile=32, source=address, output=tmp_path / name)
        return skipping(made, loaded, address.open()) if skip else made

    straight, stopped, pieces = (planned(f"{n}.ome.zarr") for n in "abc")
    stream(straight, loaded, address.open(), inference.create(straight))
    asked = iter(range(100))
    with pytest.raises(Interrupted):
        stream(stopped, loaded, address.open(), inference.create(stopped), stop=lambda: next(asked) > 7)
    with pytest.raises(DataError, match="background_skipped"):
        inference.create(planned("b.ome.zarr", skip=False), resume=True)
    again = inference.create(stopped, resume=True)
    assert stream(stopped, loaded, address.open(), again).skipped > 4
    inference.save_plan(pieces, tmp_path / "plan.json")
    remade = inference.load_plan(tmp_path / "plan.json")
    assert remade.blank.facts == pieces.blank.facts
    for number in np.random.default_rng(0).permutation(len(pieces.jobs)):
        inference.run(pieces, pieces.jobs[number])
    inference.finish(pieces)
    inference.jobs._station.cache_clear()
    first, *others = (pixels(tmp_path / f"{name}.ome.zarr") for name in "abc")
    assert first
    assert all(other == first for other in others)


def test_the_output_says_what_was_left_out(model):
    volume = ArrayVolume(slide(), "YX")
    part = skipping(plan(model, volume, tile=32), model, volume)
    facts = part.header.attributes["background_skipped"]
    assert facts["tiles"] == len(part.blank.fills) == sum(fill["tiles"] for fill in facts["fills"])
    assert facts["fraction"] == pytest.approx(facts["tiles"] * 32**2 / np.prod(SIZE))
    assert part.fingerprint() != plan(model, volume, tile=32).fingerprint()


def test_the_forecast_leaves_them_out(model):
    volume = ArrayVolume(slide(), "YX")
    whole = plan(model, volume, tile=32)
    part = skipping(whole, model, volume)
    trial = inference.tried(model)
    seconds = [inference.forecast(p, model, trial).seconds for p in (whole, part)]
    assert seconds[1] == pytest.approx(seconds[0] * (1 - part.blank.facts["fraction"]), rel=1e-3)


RANDOM = np.random.default_rng(0)


@pytest.mark.parametrize(
    "image",
    [np.full(SIZE, 200.0), RANDOM.normal(150, 40, SIZE), RANDOM.normal(230, 2, SIZE)],
    ids=["constant", "tissue everywhere", "empty"],
)
def test_where_no_background_can_be_told_everything_is_computed(model, image, caplog):
    volume = ArrayVolume(np.clip(image, 0, 255).astype(np.uint8), "YX")
    whole = plan(model, volume, tile=32)
    assert skipping(whole, model, volume) is whole
    assert "no tile is flat background; all are computed" in caplog.text


def test_pale_tissue_beyond_the_threshold_is_computed(model):
    """Otsu's threshold puts it with the glass; it is not flat."""
    image = slide()
    image[350:480, 100:500] = np.clip(np.random.default_rng(1).normal(205, 25, (130, 400)), 0, 255)
    volume = ArrayVolume(image, "YX")
    part = skipping(plan(model, volume, tile=32), model, volume)
    assert part.blank.fills
    for _, y0, y1, x0, x1 in part.blank.fills:
        assert not (y1 > 358 and y0 < 472 and x1 > 108 and x0 < 492), (y0, x0)


def test_coloured_slides_are_told_by_saturation_too():
    image = np.full((3, 60, 80), 230.0)
    image[1, 20:40, 30:50] = 224  # hardly darker, but pink
    image[0, 20:40, 30:50], image[2, 20:40, 30:50] = 240, 236
    image[:, :10, :10] = 90
    found = tissue(image, rgb=True, polarity=-1)
    assert found.mask[22:38, 32:48].all()
    assert found.mask[:10, :10].all()
    assert found.contrast == pytest.approx(140, abs=2)
    assert found.mask.mean() < 0.3


def test_a_stack_read_as_channels_has_tissue_where_any_plane_has(source, target, untrained):
    keys = {"output": {"dtype": "float32", "planes": "stack"}, "source": {"polarity": "dark"}}
    model = untrained([stacked(20), stacked(21)], target, task="labeling", **keys)
    values = np.stack([slide(), slide(1), np.roll(slide(2), 200, axis=0)])
    volume = ArrayVolume(values, "ZYX")
    part = skipping(plan(model, volume, tile=32), model, volume)
    whole, some = (predicted(p, model, volume) for p in (plan(model, volume, tile=32), part))
    assert np.array_equal(whole[150:500, 200:400], some[150:500, 200:400])
    assert len(part.blank.facts["fills"][0]["measured"]) == 3


def stacked(seed):
    rng = np.random.default_rng(seed)
    values = np.clip(rng.normal(120, 50, (3, 64, 64)), 0, 255).astype(np.uint8)
    return ArrayVolume(values, "ZYX", Header(f"stack{seed}", (1, 1, 3, 64, 64), values.dtype, "ZYX"))


def test_networks_that_cannot_see_a_tile_by_itself_are_refused(source, target, untrained):
    volume = ArrayVolume(slide(), "YX")
    home = untrained(source, target, norm="instance", source={"polarity": "dark"}).home
    dense = models.load(home, normalisation="dense")
    with pytest.raises(DataError, match="expected one with frozen statistics and a halo"):
        skipping(plan(dense, volume, tile=32), dense, volume)


def test_content_of_unknown_polarity_is_refused(model):
    blind = replace(model, inputs=model.inputs.model_copy(update={"polarity": 0}))
    volume = ArrayVolume(slide(), "YX")
    with pytest.raises(DataError, match=r"train with --set source\.polarity=dark"):
        skipping(plan(blind, volume, tile=32), blind, volume)

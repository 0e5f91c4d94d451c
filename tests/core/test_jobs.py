"""Jobs one by one, in other processes, in any order and twice: the same bytes as one stream."""

import json
import multiprocessing
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from isoscope import inference
from isoscope import model as models
from isoscope.address import Address
from isoscope.errors import DataError
from isoscope.reading import ReadOptions
from isoscope.sources import open_one
from isoscope.writing.ledger import identity
from isoscope.writing.whole import write_whole

SHARD = 32


def picture(size, seed=0):
    return np.random.default_rng(seed).uniform(0, 255, size).astype(np.float32)


def contents(store: Path):
    """Every file of a store but its ledger, by path."""
    return {p.relative_to(store).as_posix(): p.read_bytes() for p in store.rglob("*") if p.is_file()}


def work(path, numbers):
    """What a process of an engine does; the shards are as small as in the process that planned."""
    torch.set_num_threads(1)
    inference.cutting._SHARD = SHARD
    plan = inference.load_plan(path)
    return [inference.run(plan, plan.jobs[n]) for n in numbers]


@pytest.fixture(autouse=True)
def small_shards(monkeypatch):
    monkeypatch.setattr(inference.cutting, "_SHARD", SHARD)
    inference.jobs._station.cache_clear()
    yield
    inference.jobs._station.cache_clear()


@pytest.fixture(scope="module")
def home(source, target, untrained):
    return untrained(source, target, output={"dtype": "float32"}).home


@pytest.fixture
def planned(home, tmp_path):
    """planned(name, suffix): a plan for an image on disk and an output of that name."""

    def make(name, image=None, **more):
        model = models.load(home, device=inference.jobs.device.pick())
        path = image or tmp_path / "in.tif"
        if not path.exists():
            write_whole(path, picture((2, 80, 70)), "ZYX")
        address = Address(path)
        return inference.plan(model, address.open(), tile=16, source=address, output=tmp_path / name, **more)

    return make


@pytest.mark.parametrize("suffix", [".ome.zarr", ".ome.tif"])
def test_jobs_in_any_order_and_twice_make_the_same_bytes(planned, tmp_path, suffix):
    straight, pieces = planned(f"a{suffix}"), planned(f"b{suffix}")
    inference.finish(straight)
    assert len(pieces.jobs) == 18
    said = [inference.run(pieces, pieces.jobs[n]) for n in [*np.random.default_rng(0).permutation(18), 3, 3]]
    assert [report["skipped"] for report in said] == [False] * 18 + [True] * 2
    assert not (tmp_path / f"b{suffix}").exists()
    assert inference.finish(pieces).skipped == 18
    one, other = (tmp_path / f"{name}{suffix}" for name in "ab")
    assert one.is_dir() == (suffix == ".ome.zarr")
    assert (contents(one) == contents(other)) if one.is_dir() else (one.read_bytes() == other.read_bytes())


def test_other_processes_run_them_too(planned, tmp_path):
    straight, pieces = planned("a.ome.zarr"), planned("b.ome.zarr")
    inference.finish(straight)
    inference.save_plan(pieces, tmp_path / "plan.json")
    inference.create(pieces).abort()  # begun before anybody works on it
    halves = [list(range(12)), list(range(17, 5, -1))]  # six of them by both
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        said = pool.starmap_async(work, [(tmp_path / "plan.json", half) for half in halves]).get(timeout=120)
    assert {report["job"] for reports in said for report in reports} == set(range(18))
    assert inference.finish(pieces).skipped == 18
    assert contents(tmp_path / "a.ome.zarr") == contents(tmp_path / "b.ome.zarr")


def together(path):
    """What each of some processes does that begin at the same moment."""
    torch.set_num_threads(1)
    inference.cutting._SHARD = SHARD
    plan = inference.load_plan(path)
    for job in plan.jobs:
        inference.run(plan, job)
    return inference.finish(plan).skipped


def test_processes_may_begin_run_and_finish_together(planned, tmp_path):
    straight, shared = planned("a.ome.zarr"), planned("b.ome.zarr")
    inference.finish(straight)
    inference.save_plan(shared, str(tmp_path / "plan.json"))
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        assert pool.map_async(together, [str(tmp_path / "plan.json")] * 2).get(timeout=120) == [18, 18]
    assert contents(tmp_path / "a.ome.zarr") == contents(tmp_path / "b.ome.zarr")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.ome.zarr", "b.ome.zarr", "in.tif", "plan.json"]


def test_a_plan_says_what_it_is_and_how_the_input_is_read(planned, home, tmp_path):
    image = write_whole(tmp_path / "two.tif", picture((2, 40, 40)), "ZYX")
    address = Address(image, ReadOptions(axes="CYX", channels=(1,), pixel_size=(0.5, 0.5)))
    model = models.load(home)
    made = inference.plan(model, address.open(), tile=16, source=address, output=tmp_path / "o.ome.zarr")
    inference.save_plan(made, tmp_path / "plan.json")
    facts = json.loads((tmp_path / "plan.json").read_text())
    assert (facts["format"], facts["jobs"], facts["shape"]) == (2, 4, [1, 1, 1, 40, 40])
    assert facts["fingerprint"]["model"]["weights"] == model.sha256
    again = inference.load_plan(tmp_path / "plan.json")
    assert (again.header, again.layout, again.grid, again.jobs) == (made.header, made.layout, made.grid, made.jobs)
    assert again.header.attributes["read_as"] == {"axes": "CYX", "channels": [1], "pixel_size": [0.5, 0.5]}


def test_a_plan_that_no_longer_holds_is_refused(planned, tmp_path):
    plan = planned("o.ome.zarr")
    inference.save_plan(plan, tmp_path / "plan.json")
    os.utime(plan.source.path, (1, 1))
    with pytest.raises(DataError, match=r"no longer holds \(input.content was"):
        inference.load_plan(tmp_path / "plan.json")
    with pytest.raises(DataError, match="no longer holds"):
        inference.run(plan, plan.jobs[0])


def test_an_input_that_changes_while_it_is_read_is_never_published(planned, tmp_path):
    plan = planned("o.ome.zarr")

    def touched(done, total):
        os.utime(plan.source.path, (1, 1))

    with pytest.raises(DataError, match="changed while it was read"):
        inference.finish(plan, progress=touched)
    assert not (tmp_path / "o.ome.zarr").exists()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 1}', '{"format": 2}', '{"format": 2, "fingerprint": {}}'])
def test_what_is_no_plan_is_refused(tmp_path, text):
    (tmp_path / "plan.json").write_text(text)
    with pytest.raises(DataError) as caught:
        inference.load_plan(tmp_path / "plan.json")
    assert "\n" not in str(caught.value)


def test_a_plan_in_memory_is_for_this_process_alone(home):
    from isoscope.volume import ArrayVolume

    made = inference.plan(models.load(home), ArrayVolume(picture((40, 40)), "YX"))
    with pytest.raises(DataError, match="lives in memory"):
        inference.run(made, made.jobs[0])
    with pytest.raises(DataError, match="names no output"):
        inference.create(made)


def test_what_decides_the_bytes_is_in_the_fingerprint(planned, home, tmp_path):
    plain = planned("o.ome.zarr").fingerprint()
    model = models.load(home, normalisation="dense")
    assert inference.plan(model, picture_volume()).fingerprint()["normalisation"] == "dense"
    changed = {
        "tiling": planned("o.ome.zarr", tiling="feathered").fingerprint(),
        "input": planned("o.ome.zarr", image=write_whole(tmp_path / "other.tif", picture((80, 70)))).fingerprint(),
    }
    for key, other in changed.items():
        assert {k for k in plain if plain[k] != other[k]} == {key}
    assert plain["device"] == "cpu" or torch.cuda.is_available()


def test_an_output_says_from_what_it_was_predicted(planned, tmp_path):
    plan = planned("o.ome.zarr")
    inference.finish(plan)
    attributes = open_one(tmp_path / "o.ome.zarr")[0].header.attributes
    assert attributes["input_identity"] == plan.fingerprint()["input"]
    assert attributes["input_identity"]["content"] == identity(plan.source.path)


def picture_volume():
    from isoscope.volume import ArrayVolume

    return ArrayVolume(picture((40, 40)), "YX")

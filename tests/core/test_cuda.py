"""The same promises on a GPU; skipped without one."""

import numpy as np
import pytest
import torch

from isoscope import inference, training
from isoscope import model as models
from isoscope.errors import Interrupted
from isoscope.inference import plan, stream
from isoscope.inference.calling import Caller
from isoscope.volume import ArraySink, ArrayVolume

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device on this machine")

RESNET = {"method": {"forward": {"name": "resnet", "width": 16, "blocks": 3}}, "norm": "instance"}


@pytest.fixture(scope="module")
def home(source, target, untrained):
    return untrained(source, target, **RESNET, output={"dtype": "float32"}).home


@pytest.fixture(scope="module")
def model(home):
    return models.load(home, device="cuda")


def picture(size, seed=0):
    return np.random.default_rng(seed).uniform(0, 255, size).astype(np.float32)


def streamed(model, values, batch=None, tile=128):
    volume = ArrayVolume(values, "ZYX" if values.ndim == 3 else "YX")
    made = plan(model, volume, tile=tile)
    sink = ArraySink(made.header)
    stream(made, model, volume, sink, batch=batch)
    return sink.array


def difference(one, other):
    return float(np.abs(one - other).max() / np.ptp(other))


def test_predictions_are_those_of_the_processor(home, model):
    image = picture((300, 340))
    on_cpu = inference.load(home, device="cpu").predict(image)
    assert difference(inference.Predictor(model).predict(image), on_cpu) < 1e-4


@pytest.mark.parametrize("normalisation", ["frozen", "dense"])
def test_the_tile_size_never_changes_the_picture(home, normalisation):
    predictor = inference.Predictor(models.load(home, device="cuda", normalisation=normalisation))
    image = picture((700, 500))
    whole = predictor.predict(image, tile=1024)
    assert max(difference(predictor.predict(image, tile=t), whole) for t in (64, 128, 256)) < 1e-4


def test_measured_batches_give_the_very_same_bits(model):
    planes = picture((24, 128, 128))
    one = streamed(model, planes, batch=1)
    assert np.array_equal(streamed(model, planes), one)
    assert np.array_equal(streamed(model, planes), one), "twice the same"


def test_memory_that_really_runs_out_halves_the_batch(model, caplog, monkeypatch):
    planes = picture((16, 512, 512))
    calm = streamed(model, planes, batch=1, tile=512)
    sizes, real = [], Caller.__call__
    monkeypatch.setattr(Caller, "__call__", lambda self, items: sizes.append(len(items)) or real(self, items))
    torch.cuda.empty_cache()
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction((torch.cuda.memory_reserved() + 600 * 2**20) / total)
    try:
        short = streamed(model, planes, batch=16, tile=512)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert "memory ran out" in caplog.text
    assert max(sizes) == 16
    assert difference(short, calm) < 1e-5


def test_bfloat16_is_close(home, model):
    image = picture((300, 340))
    rough = inference.load(home, device="cuda", precision="bfloat16").predict(image)
    assert difference(rough, inference.Predictor(model).predict(image)) < 0.1


def test_training_stops_resumes_and_predicts(proposed, source, target, tmp_path):
    recipe = proposed("instance", training={"steps": 8})
    asked = iter([False] * 4 + [True] * 9)
    with pytest.raises(Interrupted):
        training.train(recipe, source, target, tmp_path / "run", stop=lambda: next(asked))
    said = []
    training.train(recipe, source, target, tmp_path / "run", resume=True, report=said.append)
    assert said[-1].step == 8
    assert all(np.isfinite(v) for v in said[-1].losses.values())
    loaded = inference.load(tmp_path / "run")
    assert loaded.model.device.type == "cuda"
    assert loaded.predict(picture((40, 40))).shape == (40, 40)

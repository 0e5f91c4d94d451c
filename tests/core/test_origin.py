import json
import shutil

import numpy as np
import pytest

from isoscope import __version__, origin, training
from isoscope.errors import DataError, Interrupted, PluginError
from isoscope.volume import ArrayVolume, Box, Header


@pytest.fixture(scope="module")
def begun(tmp_path_factory, proposed, source, target):
    """A run stopped after two steps; not to be written into."""
    folder = tmp_path_factory.mktemp("begun") / "run"
    with pytest.raises(Interrupted):
        training.train(proposed(training={"steps": 4}), source, target, folder, stop=iter([False, True]).__next__)
    return folder


def changed(volume, **more):
    """The same image with another header, or other grey values."""
    given, values = volume.header, np.array(volume.read(Box.whole(volume.header.shape)))
    values = more.pop("values", lambda v: v)(values)
    facts = {"name": given.name, "shape": values.shape, "dtype": values.dtype, **more}
    return ArrayVolume(values, "TCZYX", Header(**facts))


def test_a_run_knows_its_images(begun, source, target):
    facts = json.loads((begun / origin.NAME).read_text())
    assert [image["name"] for image in facts["source"]] == ["noisy0", "noisy1"]
    assert facts["weights"] is None
    origin.check(begun, source, target, begun=True)
    assert {"kind": "losses", "name": "cycle", "distribution": "isoscope", "version": __version__} in facts["plugins"]
    assert facts == origin.describe(source, target, plugins=facts["plugins"])


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"name": "other"}, "called other; expected noisy0, called noisy0"),
        ({"values": lambda v: v[..., :36]}, "of shape .*36.*; expected noisy0, of shape .*40, 40"),
        ({"values": lambda v: v.astype("uint16")}, "of type uint16; expected noisy0, of type uint8"),
        ({"values": lambda v: v + 1}, "noisy0 has other grey values"),
    ],
)
def test_other_images_are_refused(begun, proposed, source, target, change, expected):
    others = [changed(volume, **change) for volume in source]
    with pytest.raises(DataError, match=f"^source: .*{expected}.*; give the same images"):
        training.train(proposed(training={"steps": 4}), others, target, begun, resume=True)


def test_fewer_images_are_refused(begun, source, target):
    with pytest.raises(DataError, match="target: got 1 images; expected the 2"):
        origin.check(begun, source, target[:1], begun=True)


@pytest.fixture
def made_with(begun, tmp_path):
    """made_with(version): the same run as a version of the plug-in `cycle` of acme began it."""

    def make(**changes):
        folder = shutil.copytree(begun, tmp_path / "run")
        facts = json.loads((folder / origin.NAME).read_text())
        mine = next(p for p in facts["plugins"] if p["name"] == "cycle")
        mine.update(changes)
        (folder / origin.NAME).write_text(json.dumps(facts))
        return folder

    return make


def test_another_version_of_a_plug_in_is_refused_with_both(made_with, proposed, source, target):
    folder = made_with(distribution="acme", version="0.0.3")
    with pytest.raises(PluginError) as caught:
        training.train(proposed(training={"steps": 4}), source, target, folder, resume=True)
    assert str(caught.value) == (
        f"the run in {folder} began with version 0.0.3 of losses plug-in 'cycle', got isoscope {__version__}; expected "
        f"the same; install acme 0.0.3 (pip install acme==0.0.3, or from where you got it), or start another run, "
        f"--from this one"
    )


def test_a_plug_in_that_is_gone_is_named(made_with):
    folder = made_with(name="edges", distribution="acme", version="0.0.3")
    with pytest.raises(PluginError, match=r"needs losses plug-in 'edges', not installed; install acme 0\.0\.3"):
        origin.check_plugins(folder)


@pytest.mark.parametrize("damage", [{"plugins": 3}, {"plugins": [{"kind": "spells"}]}, []])
def test_damage_to_what_was_recorded_is_told(tmp_path, damage):
    (tmp_path / origin.NAME).write_text(json.dumps(damage))
    with pytest.raises(DataError, match="got damage"):
        origin.check_plugins(tmp_path)


def test_runs_of_before_go_on(tmp_path):
    origin.check_plugins(tmp_path)
    (tmp_path / origin.NAME).write_text(json.dumps({"format": 1}))
    origin.check_plugins(tmp_path)


def test_old_runs_go_on_with_a_warning(tmp_path, source, target, caplog):
    origin.check(tmp_path, source, target, begun=True)
    assert "nobody has checked" in caplog.text


@pytest.mark.parametrize("text", ["{", "[]", '{"source": 1, "target": [], "weights": null}', '{"source": [[]]}'])
def test_damage_is_refused(tmp_path, source, target, text):
    (tmp_path / origin.NAME).write_text(text)
    with pytest.raises(DataError, match="damage"):
        origin.check(tmp_path, source, target, begun=True)


def test_of_many_images_some_are_looked_into(source):
    facts = origin.describe([source[0]] * 600, [])["source"]
    assert sum(image["values"] is not None for image in facts) == 200


def test_weights_are_not_forgotten_before_the_first_checkpoint(tmp_path, source, target):
    origin.write(tmp_path, origin.describe(source, target, {"model": "old"}))
    origin.check(tmp_path, source, target, begun=True)
    with pytest.raises(DataError, match="weights of old; start it again"):
        origin.check(tmp_path, source, target, begun=False)

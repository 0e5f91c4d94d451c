import sys
from importlib.metadata import EntryPoint

import pytest

from isoscope import registry
from isoscope.errors import PluginError
from isoscope.registry import Plugin, Registry


@pytest.fixture
def installed(monkeypatch):
    """Replace what is installed by these plug-ins."""

    def put(*plugins):
        monkeypatch.setattr(registry, "installed", lambda: list(plugins))
        return Registry("losses")

    return put


def plugin(name, target="math:sqrt", distribution="acme", version="1.2", kind="losses"):
    return Plugin(kind, name, distribution, version, EntryPoint(name, target, f"isoscope.{kind}"))


def dist_info(site, name, entries=None, metadata=True):
    folder = site / f"{name.replace('-', '_')}-0.3.dist-info"
    folder.mkdir(parents=True)
    if metadata:
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 0.3\n")
    if entries:
        (folder / "entry_points.txt").write_text(entries)


def test_ours_are_found_by_metadata():
    assert {"unet", "resnet", "luminance"} <= set(Registry("generators"))


def test_only_the_kind_asked_for(installed):
    assert list(installed(plugin("x"), plugin("y", kind="tasks"))) == ["x"]


def test_iterating_imports_nothing(installed, tmp_path, monkeypatch):
    (tmp_path / "lazy_plugin_of_test.py").write_text("def here(): return 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    found = installed(plugin("lazy", "lazy_plugin_of_test:here"))
    assert (list(found), len(found), "lazy" in found) == (["lazy"], 1, True)
    assert found.describe("lazy").source == "acme 1.2"
    assert "lazy_plugin_of_test" not in sys.modules
    assert found["lazy"]() == 1
    assert "lazy_plugin_of_test" in sys.modules


def test_an_unknown_name_suggests_the_nearest(installed):
    with pytest.raises(PluginError, match=r"^no loss is called 'ssin'; did you mean 'ssim'\?$"):
        installed(plugin("ssim"))["ssin"]


@pytest.mark.parametrize("target", ["no_such_module_at_all:x", "math:no_such_name"])
def test_a_plugin_that_cannot_be_imported_names_its_distribution(installed, target):
    found = installed(plugin("bad", target), plugin("good"))
    assert found["good"](4) == 2
    with pytest.raises(PluginError, match=r"'bad' of acme 1\.2 cannot be imported .*uninstall acme$") as caught:
        found["bad"]
    assert "\n" not in str(caught.value)


def test_a_plugin_that_exits_on_import_cannot_end_us(installed, tmp_path, monkeypatch):
    (tmp_path / "quitting_plugin_of_test.py").write_text("import sys\nsys.exit(3)\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(PluginError, match="SystemExit: 3"):
        installed(plugin("quits", "quitting_plugin_of_test:x"))["quits"]


def test_a_name_claimed_twice_fails_only_for_who_asks_for_it(installed):
    found = installed(plugin("x"), plugin("x", distribution="rival", version="9"), plugin("y"))
    assert list(found) == ["x", "y"]
    assert found["y"](9) == 3
    with pytest.raises(PluginError, match=r"^loss 'x' is claimed by acme 1\.2 and rival 9; uninstall one of them$"):
        found["x"]


def test_added_objects_hide_installed_ones_until_removed(installed):
    found = installed(plugin("x"))
    assert found["x"](4) == 2
    found.add("x", "mine")
    assert found["x"] == "mine"
    found.remove("x")
    assert found["x"](4) == 2
    found.remove("never there")


def test_the_first_of_two_copies_of_a_distribution_shadows_the_second(tmp_path, monkeypatch):
    for folder in ("old", "new"):
        dist_info(tmp_path / folder, "Twice-Installed", "[isoscope.losses]\ntwice = math:sqrt\n")
        monkeypatch.syspath_prepend(tmp_path / folder)
    assert Registry("losses")["twice"](4) == 2


def test_a_leftover_without_metadata_breaks_nobody(tmp_path, monkeypatch):
    dist_info(tmp_path, "leftover-one", metadata=False)
    dist_info(tmp_path, "leftover-two", metadata=False)
    monkeypatch.syspath_prepend(tmp_path)
    assert "lsgan" in Registry("losses")

"""`isoscope plugins new` and `check`, and what many or misbehaving plug-ins do to them."""

import ast
import json
import os
import shutil
import subprocess
import sys
import tomllib

import pytest

from isoscope import kinds
from isoscope_terminal import conformance, scaffolding

KINDS = tuple(scaffolding.KINDS)


def install(site, name, entries, version="0.1.0"):
    """The metadata that an installer leaves behind; `entries` by group and name."""
    info = site / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    groups = [f"[{group}]\n" + "".join(f"{k} = {v}\n" for k, v in found.items()) for group, found in entries.items()]
    (info / "entry_points.txt").write_text("".join(groups))


def fresh(site, *arguments, folder="."):
    """Run python with what is installed in `site`."""
    environment = {**os.environ, "PYTHONPATH": str(site), "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, *map(str, arguments)], env=environment, cwd=folder, capture_output=True, text=True
    )


def command(site, *arguments, folder="."):
    """Run `isoscope` likewise."""
    return fresh(site, "-c", "from isoscope_terminal.app import main; main()", *arguments, folder=folder)


def test_there_is_a_template_for_every_kind():
    assert [group for group, _ in scaffolding.KINDS.values()] == [
        "tasks", "generators", "discriminators", "losses", "tilings", "methods", "stores",
    ]  # fmt: skip
    assert {group for group, _ in scaffolding.KINDS.values()} == set(kinds.REGISTRIES)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A package of each kind as `plugins new` writes it, and the folder that they are installed in."""
    root = tmp_path_factory.mktemp("authors")
    site = root / "site"
    for kind in KINDS:
        done = command(site, "plugins", "new", f"my_{kind}", "--kind", kind, folder=root)
        assert done.returncode == 0, done.stderr
        package = root / f"isoscope-my-{kind}"
        shutil.copytree(package / f"isoscope_my_{kind}", site / f"isoscope_my_{kind}")
        said = tomllib.loads((package / "pyproject.toml").read_text())["project"]
        install(site, said["name"], said["entry-points"], said["version"])
    return root


def test_the_tests_of_every_new_plugin_pass_untouched(written):
    folders = [f"isoscope-my-{kind}" for kind in KINDS]
    options = ["-q", "-W", "error", "--import-mode=importlib", "-p", "no:cacheprovider"]
    done = fresh(written / "site", "-m", "pytest", *options, *folders, folder=written)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("kind", KINDS)
def test_a_new_package_is_complete_and_typed(written, kind):
    package = written / f"isoscope-my-{kind}"
    module = f"isoscope_my_{kind}"
    found = {str(p.relative_to(package)) for p in package.rglob("*") if p.is_file() and "__pycache__" not in p.parts}
    assert found == {
        "README.md", "pyproject.toml", f"tests/test_my_{kind}.py", f"{module}/__init__.py", f"{module}/py.typed",
        f"{module}/{kind}.py",
    }  # fmt: skip
    said = tomllib.loads((package / "pyproject.toml").read_text())
    assert said["project"]["entry-points"] == {
        f"isoscope.{scaffolding.KINDS[kind][0]}": {f"my_{kind}": f"{module}.{kind}:my_{kind}"}
    }
    assert said["tool"]["setuptools"] == {"packages": [module], "package-data": {module: ["py.typed"]}}
    functions = [
        n for n in ast.walk(ast.parse((package / module / f"{kind}.py").read_text())) if isinstance(n, ast.FunctionDef)
    ]
    assert all(function.returns for function in functions)
    assert f"isoscope plugins check my_{kind}" in (package / "README.md").read_text()


@pytest.mark.parametrize(
    ("name", "kind", "said"),
    [
        ("Total Variation", "loss", "'Total Variation'; expected lower-case letters, digits and single _, no word of "
         "Python's; such as total_variation"),
        ("lambda", "loss", "such as my_lambda"),
        ("2d", "loss", "such as d"),
        ("lsgan", "loss", "loss 'lsgan' is there already, from isoscope 0.1.0; choose another name"),
        ("losses", "loss", "a package isoscope_losses is installed already; choose another name than 'losses'"),
        ("torch", "generator", "'torch' means something else in the code of a generator; choose another name"),
        ("mine", "lose", "no kind of plug-in is called 'lose'; did you mean 'loss'?"),
    ],
)  # fmt: skip
def test_names_that_cannot_stand_are_refused_before_anything_is_written(name, kind, said, refused, tmp_path):
    assert said in refused("plugins", "new", name, "--kind", kind, "--out", tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_with_anything_in_it_is_never_written_to(refused, tmp_path):
    (tmp_path / "mine").write_text("")
    for folder in (tmp_path, tmp_path / "mine"):
        assert "is there and not empty" in refused("plugins", "new", "crisp", "--kind", "loss", "--out", folder)
    assert [p.name for p in tmp_path.iterdir()] == ["mine"]


def test_an_empty_folder_will_do(isoscope, tmp_path):
    code, out, _ = isoscope("plugins", "new", "crisp", "--kind", "loss", "--out", tmp_path, "--json")
    assert (code, json.loads(out)["distribution"]) == (0, "isoscope-crisp")
    assert sorted(json.loads(out)["files"]) == sorted(str(p) for p in tmp_path.rglob("*") if p.is_file())


# --- check


def test_ours_pass(isoscope):
    code, out, _ = isoscope("plugins", "check", "overlap", "--json")
    (verdict,) = json.loads(out)["plugins"]
    assert (code, verdict["status"], verdict["kind"], verdict["reason"]) == (0, "ok", "tilings", "")


def test_an_unknown_name_is_refused(refused):
    assert "did you mean 'overlap'?" in refused("plugins", "check", "overlop")


BAD = {
    "blind": "import torch\ndef blind(): return lambda cycle: torch.zeros(())\n",
    "broken": "raise RuntimeError('no licence')\n",
    "greedy": "def greedy(*, size: int): return None\n",
    "hanging": "import time\ntime.sleep(600)\n",
    "leaving": "import os\nos._exit(7)\n",
    "noisy": "print('hello')\ndef noisy(): return lambda cycle: cycle.fake_b.square().mean()\n",
    "quitting": "import sys\nsys.exit(3)\n",
}


def test_each_bad_one_is_named_and_stops_no_other(tmp_path):
    for name, code in BAD.items():
        (tmp_path / f"acme_{name}.py").write_text(code)
    install(tmp_path, "acme-bad", {"isoscope.losses": {name: f"acme_{name}:{name}" for name in BAD}})
    done = command(tmp_path, "plugins", "check", "acme-bad", "--limit", "10", "--json")
    found = {p["name"]: (p["status"], p["reason"]) for p in json.loads(done.stdout)["plugins"]}
    assert done.returncode == 1
    assert found == {
        "blind": ("failed", "loss has no gradient; hard thresholds and rounding have none, use soft ones"),
        "broken": ("failed", "losses plug-in 'broken' of acme-bad 0.1.0 cannot be imported (RuntimeError: no licence); "
                   "repair or uninstall acme-bad"),
        "greedy": ("unchecked", "it has no defaults for size; call isoscope.testing with some"),
        "hanging": ("failed", "it took more than 10 s; repair it, or give it longer with --limit"),
        "leaving": ("failed", "it ended the process that checked it (exit code 7)"),
        "noisy": ("ok", ""),
        "quitting": ("failed", "losses plug-in 'quitting' of acme-bad 0.1.0 cannot be imported (SystemExit: 3); repair "
                     "or uninstall acme-bad"),
    }  # fmt: skip


def test_a_kind_that_we_do_not_have_is_named():
    status, reason = conformance.judge("loses", "x")
    assert (status, reason) == ("failed", "no kind of plug-in is called 'loses'; did you mean 'losses'?")


def test_methods_are_tried_with_losses_that_they_take():
    for name in ("cut", "supervised"):
        assert conformance.judge("methods", name) == ("ok", "")


# --- many


def test_five_hundred_are_listed_and_none_is_imported(tmp_path):
    for number in range(500):
        (tmp_path / f"crowd{number}.py").write_text("raise AssertionError('imported')\n")
        install(tmp_path, f"crowd-{number}", {"isoscope.losses": {f"crowd{number}": f"crowd{number}:loss"}})
    done = command(tmp_path, "plugins", "--json")
    assert done.returncode == 0, done.stderr
    found = [p for p in json.loads(done.stdout)["plugins"] if p["distribution"].startswith("crowd-")]
    assert sorted(p["name"] for p in found) == sorted(f"crowd{n}" for n in range(500))
    assert {p["status"] for p in found} == {"ok"}
    assert not list(tmp_path.glob("__pycache__/crowd*"))


def test_this_can_tell_an_import(tmp_path):
    (tmp_path / "crowd.py").write_text("raise AssertionError('imported')\n")
    install(tmp_path, "crowd", {"isoscope.losses": {"crowd": "crowd:loss"}})
    rows = json.loads(command(tmp_path, "plugins", "--load", "--json").stdout)["plugins"]
    (status,) = (p["status"] for p in rows if p["name"] == "crowd")
    assert status == "broken: cannot be imported (AssertionError: imported); repair or uninstall crowd"

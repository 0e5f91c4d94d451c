import subprocess
import sys

import pytest

HEAVY = {"torch", "zarr", "skimage", "scipy", "tifffile", "pandas", "matplotlib"}


def loaded_by(statement):
    """The top-level packages that a fresh interpreter holds after a statement."""
    code = f"import sys; {statement}; print(*sorted({{m.partition('.')[0] for m in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize(
    "statement",
    [
        "import isoscope",
        "import isoscope; isoscope.__version__; dir(isoscope)",
        "from isoscope import errors, registry, kinds, volume, sources, recipe, presets",
        "from isoscope import kinds; [list(r) for r in kinds.REGISTRIES.values()]",
        "import isoscope_terminal.app",
    ],
)
def test_nothing_heavy_is_imported_before_it_is_needed(statement):
    assert "isoscope" in (found := loaded_by(statement)) or "isoscope_terminal" in found
    assert not found & HEAVY


def test_this_can_tell():
    assert "torch" in loaded_by("import isoscope; isoscope.training")

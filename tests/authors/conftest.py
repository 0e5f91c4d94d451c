"""A virtual environment of its own for whoever installs plug-ins: what pip puts there, no other test sees."""

import os
import site
import subprocess
import sys
from pathlib import Path

import pytest

OFFLINE = {
    "PIP_NO_INDEX": "1", "PIP_NO_BUILD_ISOLATION": "0", "PIP_DISABLE_PIP_VERSION_CHECK": "1", "OMP_NUM_THREADS": "1",
    "PIP_ROOT_USER_ACTION": "ignore",
}  # fmt: skip
"""No network: packages are built with the setuptools that is installed here. (pip reads 0 as "no isolation".)"""


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """Variables of a fresh virtual environment that sees what is installed here, isoscope among it."""
    pytest.importorskip("setuptools", minversion="77", reason="needs setuptools to build packages without a network")
    root = tmp_path_factory.mktemp("venv") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", root], check=True)
    home = root / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages"
    ours = next(p for p in site.getsitepackages() if Path(p).is_dir())
    (home / "beside.pth").write_text(f"import site; site.addsitedir({ours!r})\n")
    command = root / "bin" / "isoscope"
    command.write_text(
        f"#!{root}/bin/python\nfrom isoscope_terminal.app import main\n\nif __name__ == '__main__':\n    main()\n"
    )
    command.chmod(0o755)
    own = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME")}
    return {**own, **OFFLINE, "PATH": f"{root}/bin{os.pathsep}{os.environ['PATH']}", "VIRTUAL_ENV": str(root)}

"""What a disk can do to a prediction, half made or finished: is it found, and mended to the same bytes?"""

from __future__ import annotations

import argparse
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from isoscope.writing.draft import draft_path
from streaming.kills import begun, markers, orphans, planned
from streaming.scene import files_of


def _flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def _truncate(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-7])


def _empty(file: Path) -> None:
    file.write_bytes(b"")


HARM: dict[str, Callable[[Path], object]] = {
    "flipped bit": _flip, "truncated": _truncate, "zero length": _empty, "deleted": Path.unlink,
}  # fmt: skip


def measured(_: argparse.Namespace, home: Path) -> list[dict[str, Any]]:
    """A row per kind of harm: mended to the bytes of an unharmed prediction, or not."""
    straight = home / "unharmed.ome.zarr"
    begun(planned(home, straight.name), home / "unharmed.log").wait()
    wanted = files_of(straight)
    rows = [_row("half made", name, _half(home, _shard(harm)), wanted) for name, harm in HARM.items()]
    rows.append(_row("half made", "marker deleted", _half(home, lambda d: _marker(d).unlink()), wanted))
    rows.append(_row("half made", "marker torn", _half(home, lambda d: _truncate(_marker(d))), wanted))
    rows.append(_row("half made", "killed between name and marker", _between(home), wanted))
    for name, harm in HARM.items():
        rows.append(_row("finished", f"{name}, full resolution", _finished(home, straight, "0/c", harm), wanted))
        rows.append(_row("finished", f"{name}, pyramid", _finished(home, straight, "1/c", harm), wanted))
    return rows


def _row(state: str, harm: str, mended: Path, wanted: dict[str, str]) -> dict[str, Any]:
    found = files_of(mended) if mended.exists() else {}
    differing = sum(wanted.get(name) != found.get(name) for name in {*wanted, *found})
    left = len(orphans(mended.parent))
    shutil.rmtree(mended, ignore_errors=True)
    return {"state": state, "harm": harm, "differing files": differing, "orphans": left}


def _shard(harm: Callable[[Path], object]) -> Callable[[Path], object]:
    return lambda draft: harm(_part(draft, "0/c"))


def _part(store: Path, where: str) -> Path:
    return sorted(p for p in (store / where).rglob("*") if p.is_file() and not p.name.startswith("."))[2]


def _marker(draft: Path) -> Path:
    return sorted((draft / ".isoscope" / "markers").glob("*.json"))[2]


def _half(home: Path, harm: Callable[[Path], object]) -> Path:
    """A prediction that is killed half-way, harmed, and resumed."""
    output = home / "harmed.ome.zarr"
    plan_file, log = planned(home, output.name), home / "harmed.log"
    process = begun(plan_file, log)
    while markers(output) < 20 and process.poll() is None:
        time.sleep(0.005)
    process.kill()
    process.wait()
    harm(draft_path(output))
    begun(plan_file, log).wait()
    return output


def _between(home: Path) -> Path:
    output = home / "between.ome.zarr"
    plan_file = planned(home, output.name)
    command = [sys.executable, str(Path(__file__).parent.parent / "stream.py"), "die", str(plan_file), str(home)]
    if subprocess.run(command, check=False, stderr=subprocess.DEVNULL).returncode != -signal.SIGKILL:
        raise SystemExit("the process that was to kill itself between a shard's name and its marker did not")
    begun(plan_file, home / "between.log").wait()
    return output


def _finished(home: Path, straight: Path, where: str, harm: Callable[[Path], object]) -> Path:
    """A finished prediction that is harmed, and resumed."""
    output = home / "finished.ome.zarr"
    plan_file = planned(home, output.name)
    shutil.copytree(straight, output)
    harm(_part(output, where))
    begun(plan_file, home / "finished.log").wait()
    return output

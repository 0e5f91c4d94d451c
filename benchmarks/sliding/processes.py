"""The terminal in a process of its own: how long it took and the most memory it held, stopped in time if need be.

python benchmarks/sliding/processes.py FACTS.json VERB ...      # what `isoscope VERB ...` does
"""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Ran:
    """What a command needed.

    Attributes:
        seconds: on the wall.
        memory: peak resident memory in bytes.
        done: false where it was stopped before it was.
    """

    seconds: float
    memory: int
    done: bool


def isoscope(*words: object, facts: Path, seconds: float | None = None) -> Ran:
    """Run a command; after so many seconds ask it to stop, as Ctrl-C would.

    The process itself writes down its memory: what the kernel tells a parent of its children (ru_maxrss) begins at the
    parent's own size.

    Raises:
        CalledProcessError: if it failed.
    """
    facts.unlink(missing_ok=True)
    command = [sys.executable, str(Path(__file__).resolve()), str(facts), *map(str, words)]
    print("isoscope", *words, file=sys.stderr)
    with subprocess.Popen(command, stdout=sys.stderr) as process:
        stopped = False
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGINT)
            process.wait()
            stopped = True
    if process.returncode and not stopped:
        raise subprocess.CalledProcessError(process.returncode, command)
    found = json.loads(facts.read_text())
    return Ran(**found, done=not process.returncode)


def remembered(path: Path, ran: Ran | None = None) -> Ran:
    """What a command needed, written down for a later call; with what it needed in this call, if it ran."""
    if ran is not None:
        before = remembered(path) if path.exists() else Ran(0.0, 0, False)
        both = Ran(before.seconds + ran.seconds, max(before.memory, ran.memory), ran.done)
        path.write_text(json.dumps(asdict(both)))
    return Ran(**json.loads(path.read_text()))


def _peak() -> int:
    """The most memory that this process ever had resident, in bytes (Linux)."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(found[1]) * 1024 if found else 0


def _main() -> None:
    from isoscope_terminal.app import main

    facts, started = Path(sys.argv[1]), time.perf_counter()
    try:
        main(sys.argv[2:])
    finally:
        facts.write_text(json.dumps({"seconds": time.perf_counter() - started, "memory": _peak()}))


if __name__ == "__main__":
    _main()

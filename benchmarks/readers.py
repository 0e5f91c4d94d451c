"""Read every odd file of the collection, and say of each: equal to independent readers, or refused in which line.

    python benchmarks/readers.py
    python benchmarks/readers.py --json

Data: $ISOSCOPE_TEST_DATA (default ../shared/data), folder readers_odd_formats. Each file is opened in a process of its
own, which reports its time and its peak memory; the processes run one after another. Independent readers: libtiff
(through imagecodecs), tifffile, Pillow, libpng (through imagecodecs); a file counts as right if our values are those of
at least one of them, and the others' are listed that say otherwise.
"""

from __future__ import annotations

import argparse
import importlib
import io
import json
import os
import resource
import subprocess
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

DATA = Path(os.environ.get("ISOSCOPE_TEST_DATA", "../shared/data")) / "readers_odd_formats"
Array = NDArray[Any]
TIFF = (".tif", ".tiff", ".svs")


def by_libtiff(path: Path, pages: int) -> Array:
    import imagecodecs

    return np.asarray(imagecodecs.tiff_decode(path.read_bytes(), index=0 if pages == 1 else None))


def by_tifffile(path: Path, _pages: int) -> Array:
    import tifffile

    return np.asarray(tifffile.imread(path))


def by_libpng(path: Path, _pages: int) -> Array:
    import imagecodecs

    return np.asarray(imagecodecs.png_decode(path.read_bytes()))


def by_pillow(path: Path, pages: int) -> Array:
    from PIL import Image, ImageSequence

    with Image.open(io.BytesIO(path.read_bytes())) as image:
        frames = [np.asarray(frame) for frame in ImageSequence.Iterator(image)] if pages > 1 else [np.asarray(image)]
        return np.squeeze([frame for frame in frames if frame.shape == frames[0].shape])


def independents(path: Path) -> dict[str, Callable[[Path, int], Array]]:
    if path.suffix in TIFF:
        return {"libtiff": by_libtiff, "tifffile": by_tifffile, "Pillow": by_pillow}
    return {"libpng": by_libpng, "Pillow": by_pillow} if path.suffix == ".png" else {}


def tags(path: Path) -> tuple[bool, int, int]:
    """Whether white is 0, the bits of a sample, and the samples that are transparency: all that we interpret."""
    if path.suffix not in TIFF:
        return False, 8, 0
    import tifffile

    with tifffile.TiffFile(path) as tif:
        page = tif.pages.first
        inverted = page.photometric == 0 and page.sampleformat != 3
        return inverted, page.bitspersample, sum(e in (1, 2) for e in page.extrasamples)


def as_czyx(values: Array, path: Path, shape: tuple[int, ...]) -> Array | None:
    """What another reader gave, in our terms: channels first, black 0, no transparency; None if of another size."""
    inverted, bits, alpha = tags(path)
    if values.dtype == bool:
        values = values * np.uint8(255 if path.suffix == ".png" else 1)
    if inverted:
        values = 2**bits - 1 - values
    _, c, z, y, x = shape
    if path.suffix == ".png":
        alpha = (values.ndim == 3) * (values.shape[-1] in (2, 4))
    last, first = (z, y, x, c + alpha), (z, c + alpha, y, x)
    if values.size != z * y * x * (c + alpha):
        return None
    if values.shape[-1:] == (c + alpha,) and c + alpha > 1:
        return values.reshape(last).transpose(3, 0, 1, 2)[:c]
    return values.reshape(first).transpose(1, 0, 2, 3)[:c]


def compared(path: Path, ours: Array) -> dict[str, str]:
    """What each independent reader says: equal, other, or why it cannot."""
    said = {}
    for name, read in independents(path).items():
        try:
            theirs = as_czyx(read(path, ours.shape[2]), path, ours.shape)
        except Exception as error:
            said[name] = f"cannot ({type(error).__name__})"
            continue
        said[name] = "other" if theirs is None or not np.array_equal(theirs, ours[0]) else "equal"
    return said


def examined(path: Path) -> dict[str, Any]:
    """One file, read by us; in a process of its own."""
    importlib.import_module("isoscope_images.reader")  # so that memory and time count files, not imports
    importlib.import_module("isoscope_tiff.reader")
    from isoscope.errors import DataError
    from isoscope.sources import open_one, store_for_reading
    from isoscope.volume import Box

    before, began = peak(), time.perf_counter()
    try:
        store = store_for_reading(path)
        (volume,) = open_one(path)
        values = volume.read(Box.whole(volume.header.shape))
    except DataError as error:
        line = str(error).replace(f"{path}", path.name)
        facts: dict[str, Any] = {"verdict": "refused", "line": line, "lines": str(error).count("\n") + 1}
        return facts | {"seconds": time.perf_counter() - began, "peak": peak(), "growth": peak() - before}
    spent, top = time.perf_counter() - began, peak()
    h = volume.header
    said = compared(path, values)
    verdict = "equal" if "equal" in said.values() else "WRONG" if "other" in said.values() else "unchecked"
    facts = {"store": type(store).__name__, "shape": h.shape, "axes": h.axes, "dtype": str(h.dtype), "readers": said}
    return facts | {"verdict": verdict, "seconds": spent, "peak": top, "growth": top - before}


def peak() -> float:
    """The process's peak memory in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def rows(folder: Path, *, corrupt: bool) -> Iterator[dict[str, Any]]:
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        if (path.parent.name == "corrupt") == corrupt:
            command = [sys.executable, __file__, "--one", str(path)]
            done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
            facts = json.loads(done.stdout) if done.returncode == 0 else {"verdict": f"CRASHED {done.returncode}"}
            yield {"file": str(path.relative_to(folder)), "stderr": done.stderr[-500:]} | facts


def summary(found: list[dict[str, Any]]) -> dict[str, Any]:
    counts = dict(Counter(row["verdict"] for row in found))
    longest, largest = (max(found, key=lambda r: r.get(key, 0)) for key in ("seconds", "peak"))
    return {
        "files": len(found), "verdicts": counts,
        "longest": {"file": longest["file"], "seconds": longest.get("seconds")},
        "largest": {"file": largest["file"], "peak_MB": largest.get("peak"), "growth_MB": largest.get("growth")},
    }  # fmt: skip


def page(found: list[dict[str, Any]]) -> str:
    lines = ["| file | store | shape TCZYX | type | verdict |", "|---|---|---|---|---|"]
    for row in found:
        others = [f"{name} {said}" for name, said in row.get("readers", {}).items() if said != "equal"]
        same = [name for name, said in row.get("readers", {}).items() if said == "equal"]
        verdict = f"{row['verdict']}: {row['line']}" if "line" in row else f"{row['verdict']}: {', '.join(same)}"
        verdict += f" ({'; '.join(others)})" if others else ""
        shape = "x".join(map(str, row.get("shape", ())))
        lines.append(f"| {row['file']} | {row.get('store', '')} | {shape} | {row.get('dtype', '')} | {verdict} |")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="one JSON document instead of tables")
    parser.add_argument("--one", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        warnings.simplefilter("ignore")
        print(json.dumps(examined(options.one)))
        return 0
    sound, corrupt = (list(rows(DATA, corrupt=kind)) for kind in (False, True))
    report = {"readable": summary(sound), "corrupt": summary(corrupt)}
    if options.json:
        print(json.dumps(report | {"rows": sound, "corrupt_rows": corrupt}))
    else:
        print(page(sound), page(corrupt), json.dumps(report, indent=2), sep="\n\n")
    wrong = [row for row in sound + corrupt if row["verdict"] not in ("equal", "refused")]
    return 1 if wrong or any(row.get("lines", 1) > 1 for row in sound + corrupt) else 0


if __name__ == "__main__":
    sys.exit(main())

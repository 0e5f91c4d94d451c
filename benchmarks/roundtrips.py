"""Carry every image set through file -> OME-Zarr 0.5 -> OME-TIFF -> OME-Zarr 0.4, and ask others about each step.

    python benchmarks/roundtrips.py
    python benchmarks/roundtrips.py --json

Data: $ISOSCOPE_TEST_DATA (default ../shared/data): two files per set and format, the first and the last; all of
neubias_misc and readers_odd_formats. Each is converted as `isoscope convert` does, in a scratch folder that is removed.
After every step values, shape, type, axes, pixel size, channel names, colours and notes are held against the file we
began with. Types that OME-TIFF has no name for must be refused there and go by plain TIFF. Judges: isoscope verify and
ome-zarr-models check every store, ome-zarr-py and napari open it, ome-types and tifffile the OME-TIFF; the values that
they read must be those of the file too. Needs `pip install -e '.[dev,judges]' ome-types lxml`.
"""

from __future__ import annotations

import argparse
import json
import logging
import math
import os
import sys
import tempfile
import time
import warnings
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isoscope.errors import DataError
from isoscope.sources import open_one, store_for_writing
from isoscope.volume import AXES, Box, Header, Volume

DATA = Path(os.environ.get("ISOSCOPE_TEST_DATA", "../shared/data"))
ODD = "readers_odd_formats"
ALL_OF = (ODD, "neubias_misc")
STEPS = ((".ome.zarr", None), (".ome.tif", None), (".ome.zarr", {"version": "0.4"}))
OME = ("int8", "int16", "int32", "uint8", "uint16", "uint32", "float32", "float64")
SAME = ("shape", "dtype", "axes", "pixel_size", "unit", "channels", "rgb", "attributes")
Array = NDArray[Any]


def chosen(root: Path) -> Iterator[tuple[str, Path]]:
    """The files to carry, each with the name of its set."""
    sets: dict[tuple[str, str], list[Path]] = defaultdict(list)
    for path in sorted(p for p in root.rglob("*") if p.is_file()):
        if path.parent not in (root, root / ODD / "corrupt"):
            sets[str(path.parent.relative_to(root)), path.suffix].append(path)
    for (name, _), paths in sorted(sets.items()):
        yield from ((name, p) for p in (paths if name.startswith(ALL_OF) else dict.fromkeys([paths[0], paths[-1]])))


def converted(path: Path, out: Path, wish: dict[str, Any] | None) -> Volume:
    """What `isoscope convert PATH OUT` leaves behind; with a wish, in the version that --ome-zarr asks for."""
    from isoscope.writing.conversion import plan, run
    from isoscope.writing.ledger import identity

    (volume,) = open_one(path)
    made = plan(volume)
    fingerprint = made.fingerprint(content=identity(path), read_as={})
    run(made, store_for_writing(out, wish).create(out, made.header, made.layout, fingerprint=fingerprint))
    (written,) = open_one(out)
    return written


def pixels(volume: Volume) -> Array:
    return volume.read(Box.whole(volume.header.shape))


def identical(one: Array, other: Array) -> bool:
    """To the bit, so that NaN is NaN and -0.0 is not 0.0; byte order is the format's business."""
    native = [np.ascontiguousarray(v.astype(v.dtype.newbyteorder("="), copy=False)) for v in (one, other)]
    same = native[0].shape == native[1].shape and native[0].dtype == native[1].dtype
    return same and bool(np.array_equal(*(v.view(np.uint8) for v in native)))


def said(header: Header, key: str) -> Any:
    value = getattr(header, key)
    if key == "dtype":
        return value.newbyteorder("=").name
    return sorted(value) if key == "axes" else value  # the order in the file is the format's: ours is always TCZYX


def differences(given: Header, values: Array, found: Volume) -> list[str]:
    """What is no longer as it was."""
    changed = [key for key in SAME if not alike(said(given, key), said(found.header, key))]
    said_of = [f"{k} {getattr(given, k)!r} -> {getattr(found.header, k)!r}" for k in changed]
    return said_of + ([] if identical(values, pixels(found)) else ["values"])


def alike(one: Any, other: Any) -> bool:
    """Equal; sizes in micrometers to the last but one bit, because units are multiplied."""
    if isinstance(one, tuple) and one and isinstance(one[0], float) and isinstance(other, tuple):
        return all(math.isclose(a, b, rel_tol=1e-15) for a, b in zip(one, other, strict=True))
    return bool(one == other)


def by_models(store: Path, _: Header) -> None:
    """ome-zarr-models: the metadata is OME-NGFF, or it raises."""
    import ome_zarr_models
    import zarr

    ome_zarr_models.open_ome_zarr(zarr.open_group(store, mode="r"))


def by_ome_zarr(store: Path, _: Header) -> Array:
    """ome-zarr-py: level 0, TCZYX."""
    from ome_zarr.format import FormatV04, FormatV05
    from ome_zarr.io import parse_url
    from ome_zarr.reader import Reader

    location = parse_url(store, mode="r", fmt=FormatV05() if (store / "zarr.json").exists() else FormatV04())
    nodes = list(Reader(location)())
    return np.asarray(nodes[0].data[0])


def by_napari(store: Path, header: Header) -> Array:
    """napari: one layer per channel, shown at a range that is not empty, each pixel as large as it is; TCZYX."""
    from napari.components import ViewerModel
    from napari.layers import Layer
    from napari_ome_zarr import napari_get_reader

    ((data, words, _),) = napari_get_reader(str(store))(str(store))
    layers = ViewerModel().add_image(data, **words)
    layers = [layers] if isinstance(layers, Layer) else layers
    for layer in layers:
        if tuple(layer.scale[1:]) != (header.pixel_size or (1.0, 1.0, 1.0)):
            raise ValueError(f"shows pixels of {tuple(layer.scale)}")
        if not layer.contrast_limits[0] < layer.contrast_limits[1]:
            raise ValueError(f"shows grey values {layer.contrast_limits}")
    return np.stack([np.asarray(layer.data[0] if layer.multiscale else layer.data) for layer in layers], 1)


def by_verify(store: Path, _: Header) -> None:
    """isoscope verify: every file is what the ledger says."""
    from isoscope.writing.verification import examine

    if not (report := examine(store)).well or report.leftover:
        raise ValueError(str(report))


def by_tifffile(file: Path, _: Header) -> Array:
    """tifffile: the full resolution, TCZYX."""
    import tifffile

    with tifffile.TiffFile(file) as tif:
        if file.name.endswith(".ome.tif") and not tif.is_ome:
            raise ValueError("no OME-TIFF")
        values, axes = tif.series[0].asarray(), tif.series[0].axes.replace("S", "C")
    where = [axes.index(a) for a in AXES if a in axes]
    return values.transpose(where)[tuple(slice(None) if a in axes else None for a in AXES)]


def by_ome_types(file: Path, header: Header) -> None:
    """ome-types: the XML follows the schema, and says what the header says."""
    import ome_types

    about = ome_types.from_tiff(file, validate=True).images[0].pixels
    sizes = (about.size_t, about.size_c, about.size_z, about.size_y, about.size_x)
    if sizes != header.shape or about.type.value.replace("double", "float64") not in (
        header.dtype.name, header.dtype.name.removesuffix("32")
    ):  # fmt: skip
        raise ValueError(f"says {sizes} {about.type.value}")
    steps = tuple(getattr(about, f"physical_size_{a}") for a in "zyx")
    if (header.pixel_size or (None,) * 3) != steps and header.unit == "micrometer":
        raise ValueError(f"says pixel size {steps}")
    names = tuple(channel.name for channel in about.channels)
    if header.channels and names != header.channels:
        raise ValueError(f"says channels {names}")


JUDGES = {
    ".ome.zarr": {
        "ome-zarr-models": by_models,
        "ome-zarr-py": by_ome_zarr,
        "napari": by_napari,
        "isoscope verify": by_verify,
    },
    ".ome.tif": {"tifffile": by_tifffile, "ome-types": by_ome_types},
    ".tif": {"tifffile": by_tifffile},
}


def judged(path: Path, suffix: str, header: Header, values: Array) -> dict[str, str]:
    """What each judge says of an output: accepts, other values, or why not."""
    verdicts = {}
    for name, judge in JUDGES[suffix].items():
        try:
            read = judge(path, header)
            verdicts[name] = "accepts" if read is None or identical(values, read) else "OTHER VALUES"
        except Exception as error:
            verdicts[name] = f"REFUSES: {type(error).__name__}: {str(error)[:300]}"
    return verdicts


def stepped(
    at: Path, folder: Path, suffix: str, wish: dict[str, Any] | None, header: Header, values: Array
) -> tuple[dict[str, Any], Path]:
    """One step: what it changed, and what the judges say; and where the result lies."""
    out = folder / (header.name + suffix)
    folder.mkdir(exist_ok=True)
    found = converted(at, out, wish)
    changed, verdicts = differences(header, values, found), judged(out, suffix, found.header, values)
    return {"to": suffix, "differs": changed, "judges": verdicts}, out


def walked(at: Path, scratch: Path, header: Header, values: Array) -> Iterator[dict[str, Any]]:
    """All steps; where OME-TIFF is refused the way leads through plain TIFF, and the line is kept."""
    for number, (suffix, wish) in enumerate(STEPS):
        try:
            step, out = stepped(at, scratch / str(number), suffix, wish, header, values)
        except DataError as error:
            if suffix != ".ome.tif" or header.dtype.name in OME:
                raise
            step, out = stepped(at, scratch / str(number), ".tif", None, header, values)
            step["refused"] = str(error).replace(str(scratch / str(number)) + "/", "")
        yield step
        at = out


def carried(path: Path, scratch: Path) -> dict[str, Any]:
    """One file through all steps."""
    try:
        (volume,) = open_one(path)
        header, values = volume.header, pixels(volume)
    except DataError as error:
        return {"verdict": "not readable", "line": str(error).replace(str(path), path.name)}
    facts: dict[str, Any] = {"shape": header.shape, "dtype": str(header.dtype), "axes": header.axes, "steps": []}
    facts |= {"pixel_size": header.pixel_size, "channels": header.channels, "rgb": header.rgb}
    try:
        facts["steps"] = list(walked(path, scratch, header, values))
    except DataError as error:
        return facts | {"verdict": "REFUSED", "line": str(error)}
    equal = "equal by plain TIFF" if any("refused" in step for step in facts["steps"]) else "equal"
    return facts | {"verdict": equal if all(map(sound, facts["steps"])) else "DIFFERS"}


def sound(step: dict[str, Any]) -> bool:
    return not step["differs"] and set(step["judges"].values()) == {"accepts"}


def stained(scratch: Path) -> Path:
    """The three stains of in-silico labelling in one OME-TIFF of tifffile's: no other set names its channels."""
    import imageio.v3
    import tifffile

    found = sorted((DATA / "isl_phase13_fluor3" / "dev_cols_0_671").glob("[!p]*.png"))
    names = [path.stem for path in found]
    about = {"axes": "CYX", "Channel": {"Name": names}, "PhysicalSizeX": 0.325, "PhysicalSizeY": 0.325}
    planes = np.stack([imageio.v3.imread(path) for path in found])
    tifffile.imwrite(scratch / "stains.ome.tif", planes, photometric="minisblack", metadata=about)
    return scratch / "stains.ome.tif"


def row(name: str, path: Path) -> dict[str, Any]:
    began = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="isoscope-roundtrips-") as scratch:
        facts = carried(path, Path(scratch))
    return {"set": name, "file": path.name, **facts, "seconds": round(time.perf_counter() - began, 2)}


def rows(root: Path, only: str = "") -> Iterator[dict[str, Any]]:
    for name, path in chosen(root):
        if name.startswith(only):
            yield row(name, path)
    if "isl_phase13_fluor3".startswith(only):
        with tempfile.TemporaryDirectory(prefix="isoscope-stains-") as scratch:
            yield row("isl_phase13_fluor3, stacked", stained(Path(scratch)))


def summary(found: list[dict[str, Any]]) -> dict[str, Any]:
    steps = [step for row in found for step in row.get("steps", ())]
    verdicts = Counter((judge, verdict.split(":")[0]) for s in steps for judge, verdict in s["judges"].items())
    return {
        "files": len(found), "verdicts": dict(Counter(row["verdict"] for row in found)),
        "steps": len(steps), "steps that change something": sum(bool(step["differs"]) for step in steps),
        "judges": {f"{judge} {verdict}": count for (judge, verdict), count in sorted(verdicts.items())},
    }  # fmt: skip


def remarks(row: dict[str, Any]) -> str:
    """What is wrong with a row, or why it went no further."""
    said = [row["line"]] if "line" in row else []
    for step in row.get("steps", ()):
        said += [step["refused"]] if "refused" in step else []
        said += [f"{step['to']}: {what}" for what in step["differs"]]
        said += [f"{judge} {verdict}" for judge, verdict in step["judges"].items() if verdict != "accepts"]
    return "; ".join(dict.fromkeys(said))


def page(found: list[dict[str, Any]]) -> str:
    lines = ["| set | file | shape TCZYX | type | verdict |", "|---|---|---|---|---|"]
    for row in found:
        shape, why = "x".join(map(str, row.get("shape", ()))), remarks(row)
        verdict = row["verdict"] + (f": {why}" if why else "")
        lines.append(f"| {row['set']} | {row['file']} | {shape} | {row.get('dtype', '')} | {verdict} |")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="one JSON document instead of a table")
    parser.add_argument("--only", default="", help="sets whose name begins so")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    found = list(rows(DATA, options.only))
    report = summary(found)
    print(json.dumps(report | {"rows": found}) if options.json else f"{page(found)}\n\n{json.dumps(report, indent=2)}")
    return 0 if set(report["verdicts"]) <= {"equal", "equal by plain TIFF", "not readable"} else 1


if __name__ == "__main__":
    sys.exit(main())

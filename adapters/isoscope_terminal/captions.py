"""What stands below a figure: files, display limits, scale bars, regions and scores, as data and in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from isoscope.figures import ScaleBar, Sheet

__all__ = ["caption", "facts"]

Facts = Mapping[str, Any]

_NAMES = {"psnr": "PSNR {:.2f} dB", "ssim": "SSIM {:.3f}", "nrmse": "NRMSE {:.4f}", "pearson": "Pearson {:.3f}"}


def facts(sheet: Sheet, paths: Mapping[str, str], titles: Mapping[str, str]) -> dict[str, Any]:
    """What a figure shows, ready for JSON.

    Args:
        sheet: the figure.
        paths: of the images by role.
        titles: of the panels by role, from the left.
    """
    from isoscope.figures import scale_bar

    pixel, width = sheet.pixel_size, sheet.images["prediction"].size[1]
    widths = [width, *(region.side for region in sheet.regions)]
    return {
        "panels": dict(titles),
        "images": {role: _image(image, paths[role]) for role, image in sheet.images.items()},
        "shape_yx": list(sheet.images["prediction"].size), "overview_step": sheet.step,
        "pixel_size_yx_um": list(pixel) if pixel else None,
        "scale_bars": [_bar(scale_bar(w, pixel[1])) for w in widths] if pixel else [],
        "regions": [{"y": r.y, "x": r.x, "side": r.side, "why": r.why} for r in sheet.regions],
        "line_y0x0y1x1": [sheet.line.y0, sheet.line.x0, sheet.line.y1, sheet.line.x1] if sheet.line else None,
        "rows": [
            {"channel": r.channel, "limits": {k: list(v) for k, v in r.limits.items()}, "error_limit": r.error_limit}
            for r in sheet.rows
        ],
        "measures": sheet.measures,
    }  # fmt: skip


def _image(image: Any, path: str) -> dict[str, Any]:
    header = image.header
    made = {"model": header.attributes.get("model")} if header.attributes.get("predicted") else {}
    return {
        "path": path, "channels": header.shape[1], "rgb": header.rgb, "plane": image.plane, "planes": header.shape[2],
        "time": image.time, "times": header.shape[0], **made,
    }  # fmt: skip


def _bar(bar: ScaleBar) -> dict[str, Any]:
    return {"micrometers": bar.micrometers, "pixels": bar.pixels, "said": str(bar)}


def caption(document: Facts) -> str:
    """The facts in words, a line each."""
    return "\n".join(_lines(document))


def _lines(document: Facts) -> Iterator[str]:
    panels, images = document["panels"], document["images"]
    yield "Panels from the left: " + "; ".join(_panel(role, title, images) for role, title in panels.items()) + "."
    yield from (f"{panels[role]}: {said}." for role, image in images.items() if (said := _shown(image, document)))
    yield from (_limits(row, panels) for row in document["rows"])
    yield _bars(document["scale_bars"], document["pixel_size_yx_um"])
    yield from (
        f"Region {n}: y {r['y']}, x {r['x']}, {r['side']} px a side ({r['why']})."
        for n, r in enumerate(document["regions"], 1)
    )
    if document["overview_step"] > 1:
        step = document["overview_step"]
        yield (
            f"Overviews, their errors and the histograms are of means over {step} x {step} px; "
            f"regions and profiles are at full resolution."
        )
    if document["line_y0x0y1x1"]:
        yield "Profile from y {:g}, x {:g} to y {:g}, x {:g} px.".format(*document["line_y0x0y1x1"])
    yield from (_measured(each, panels) for each in document["measures"])


def _panel(role: str, title: str, images: Facts) -> str:
    if role == "overlay":
        return f"{title}: prediction magenta, truth green, grey where they are equal"
    return f"{title}: |prediction - truth|" if role == "error" else f"{title}: {images[role]['path']}"


def _shown(image: Facts, document: Facts) -> str:
    """Which part of an image with more is shown."""
    said = []
    if not image["rgb"] and image["channels"] > 1 and image["channels"] != len(document["rows"]):
        said.append(f"channel 0 of {image['channels']}")
    said += [f"{what} {image[what]} of {image[what + 's']}" for what in ("plane", "time") if image[what + "s"] > 1]
    return ", ".join(said)


def _limits(row: Facts, panels: Facts) -> str:
    groups: dict[tuple[float, float], list[str]] = {}
    for role, (low, high) in row["limits"].items():
        groups.setdefault((low, high), []).append(panels[role])
    said = "; ".join(f"{low:.6g} to {high:.6g} for {', '.join(roles)}" for (low, high), roles in groups.items())
    error = f"; error white from {row['error_limit']:.4g}" if row["error_limit"] is not None else ""
    name = f", {row['channel']}" if row["channel"] else ""
    return f"Display limits in grey values{name}: {said}{error}."


def _bars(bars: list[Facts], pixel: list[float] | None) -> str:
    if pixel is None:
        return "No scale bar: no header states a pixel size."
    regions = f", {', '.join(bar['said'] for bar in bars[1:])} in the regions" if bars[1:] else ""
    return f"Scale bars: {bars[0]['said']} in the overview{regions}; pixels of {pixel[0]:g} x {pixel[1]:g} µm (y, x)."


def _measured(each: Facts, panels: Facts) -> str:
    place = f"Region {each['region']}" if each["region"] else "Whole plane"
    scores = [f"{panels[role]} {_scores(each[role])}" for role in ("input", "prediction") if role in each]
    low, high = each["data_range"]
    return f"{place}, against the truth, data range {low:g} to {high:g}: {'; '.join(scores)}."


def _scores(found: Mapping[str, float | None]) -> str:
    """What could be computed."""
    return ", ".join(text.format(value) for name, text in _NAMES.items() if (value := found[name]) is not None)

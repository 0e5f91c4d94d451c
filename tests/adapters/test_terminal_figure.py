"""`isoscope figure`: what lands on paper, the same bytes each time, and refusals of one line."""

import json
import re
import zlib

import numpy as np
import pytest
from matplotlib import rc_context
from matplotlib.colors import to_hex
from skimage.io import imread

from isoscope.figures import Wish, aligned, compose, scale_bar
from isoscope.sources import open_one
from isoscope.writing.whole import write_whole
from isoscope_terminal.panels import REGION_COLOURS
from isoscope_terminal.publishing import STYLE, drawn, publish, titled

PIXEL = 0.2


@pytest.fixture
def images(tmp_path, spots):
    """Paths of an input, a prediction and a truth of one field, with pixels of 0.2 µm."""
    made = {"input": spots(0, 20, (64, 96)), "prediction": spots(0, 4, (64, 96)), "truth": spots(0, 0, (64, 96))}
    return [write_whole(tmp_path / f"{n}.tif", a, pixel_size=(1.0, PIXEL, PIXEL)) for n, a in made.items()]


@pytest.fixture
def sheet(images):
    roles = ("input", "prediction", "truth")
    pyramids = {role: open_one(path) for role, path in zip(roles, images, strict=True)}
    return compose(aligned(pyramids), Wish(zooms=("10,20,16", "30,40,32"), line="5,5,5,90"))


def bar_of(axes):
    return next((patch for patch in axes.patches if patch.get_gid() == "scale bar"), None)


def test_bars_are_as_long_as_they_say(sheet):
    paper = drawn(sheet, titled(sheet))
    for n, width in ((0, 96), (5, 16), (10, 32)):
        bar = bar_of(paper.axes[n])
        assert bar.get_width() * PIXEL == pytest.approx(scale_bar(width, PIXEL).micrometers)
        left, right = paper.axes[n].get_xlim()
        assert (right - left, left < bar.get_x() < right - bar.get_width()) == (width, True)
        assert any(str(scale_bar(width, PIXEL)) == text.get_text() for text in paper.axes[n].texts)
    assert bar_of(paper.axes[1]) is None


def test_the_bar_in_the_file_has_that_many_pixels(sheet, tmp_path):
    publish(tmp_path / "a.png", sheet, dpi=600)
    with rc_context(STYLE):
        paper = drawn(sheet, titled(sheet), raster=True)
        paper.set_dpi(600)
        paper.draw_without_rendering()
    picture = imread(tmp_path / "a.png")
    box = bar_of(paper.axes[0]).get_window_extent()
    middle = picture[picture.shape[0] - round((box.y0 + box.y1) / 2)]
    at = middle[round(box.x0) - 30 : round(box.x1) + 30, :3].min(axis=1)
    pixels = paper.axes[0].get_window_extent().width / 96
    assert abs(np.count_nonzero(at > 250) - scale_bar(96, PIXEL).pixels * pixels) <= 6  # its edge is thin and black


def test_regions_are_framed_where_they_lie_and_enlarged_in_the_same_colour(sheet):
    paper = drawn(sheet, titled(sheet))
    overview, first = paper.axes[0], paper.axes[5]
    frames = [p for p in overview.patches if p.get_gid() is None]
    assert [(f.get_x(), f.get_y(), f.get_width()) for f in frames] == [(19.5, 9.5, 16), (39.5, 29.5, 32)]
    assert [to_hex(f.get_edgecolor()) for f in frames] == list(REGION_COLOURS[:2])
    assert to_hex(first.spines["left"].get_edgecolor()) == REGION_COLOURS[0]
    assert np.array_equal(first.images[0].get_array(), sheet.rows[0].views[1].panels["input"])
    assert tuple(first.images[0].get_extent()) == (19.5, 35.5, 25.5, 9.5)


def test_the_colour_bar_ends_at_the_error_that_is_white(sheet):
    from isoscope.pictures import colour_bar

    paper = drawn(sheet, titled(sheet))
    (bar,) = paper.axes[4].child_axes
    assert bar.get_ylim() == (0, pytest.approx(sheet.rows[0].error_limit))
    colours = bar.collections[-1].cmap(np.linspace(0, 1, 256))[:, :3]
    assert np.allclose(colours[[0, 100, 255]], colour_bar(256, 1)[::-1, 0][[0, 100, 255]] / 255)


@pytest.mark.parametrize("suffix", ["pdf", "svg", "png"])
def test_the_same_command_writes_the_same_bytes(isoscope, images, tmp_path, suffix):
    made = []
    for name in ("a", "b"):
        assert isoscope("figure", *images, "--out", tmp_path / f"{name}.{suffix}", "--line", "1,1,60,90")[0] == 0
        made.append((tmp_path / f"{name}.{suffix}").read_bytes())
    assert made[0] == made[1]
    assert re.search(rb"20\d\d-\d\d-\d\d|D:20\d\d", made[0]) is None


def test_pdf_holds_its_fonts_as_truetype(isoscope, images, tmp_path):
    out = tmp_path / "a.pdf"
    assert isoscope("figure", *images, "--out", out, "--titles", "Raw,Ours,$Truth_1,Both,Off")[0] == 0
    content = out.read_bytes()
    assert content.startswith(b"%PDF")
    assert b"/FontFile2" in content
    assert b"/Type3" not in content
    streams = re.findall(rb"stream\r?\n(.*?)\r?\nendstream", content, re.S)
    assert any(b" Tj" in text or b" TJ" in text for text in map(inflated, streams)), "text is text"


def inflated(stream):
    try:
        return zlib.decompress(stream)
    except zlib.error:
        return b""


def test_the_caption_says_what_is_shown(isoscope, images, tmp_path):
    out = tmp_path / "a.svg"
    code, said, _ = isoscope("figure", *images, "--out", out, "--zoom", "10,20,16", "--limits", 0, 200, "--json")
    assert code == 0
    document, caption = json.loads(said), (tmp_path / "a.txt").read_text()
    assert document["regions"] == [{"y": 10, "x": 20, "side": 16, "why": "asked for"}]
    assert document["scale_bars"][0] == {"micrometers": 2.0, "pixels": pytest.approx(10), "said": "2 µm"}
    assert "0 to 200 for Input, Prediction, Truth" in caption
    assert "Scale bars: 2 µm in the overview, 500 nm in the regions" in caption
    assert all(str(path) in caption for path in images)
    psnr = document["measures"][0]["prediction"]["psnr"]
    assert f"Prediction PSNR {psnr:.2f} dB" in caption
    code, said, _ = isoscope("evaluate", images[1], images[2], "--json")
    assert json.loads(said)["mean"]["prediction"]["psnr"] == pytest.approx(psnr)


def test_without_a_pixel_size_there_is_no_bar_and_a_line_says_so(isoscope, tmp_path, spots):
    paths = [write_whole(tmp_path / f"{n}.png", spots(n, 3)) for n in range(2)]
    code, said, _ = isoscope("figure", *paths, "--out", tmp_path / "a.pdf")
    assert (code, "No scale bar: no header states a pixel size" in said) == (0, True)
    code, said, _ = isoscope("figure", *paths, "--out", tmp_path / "b.pdf", "--pixel-size", "0.5,0.5")
    assert (code, "Scale bars: 5 µm" in said) == (0, True)


def test_what_cannot_be_shown_is_refused(refused, images, tmp_path, spots):
    out = ("--out", tmp_path / "a.pdf")
    small = write_whole(tmp_path / "small.tif", spots(0))
    assert "expected aligned images of one size" in refused("figure", images[0], small, *out)
    assert "got channel '7' of 1" in refused("figure", *images, *out, "--channels", "7")
    assert "got --line 0,0,0,96" in refused("figure", *images, *out, "--line", "0,0,0,96")
    assert "got --zoom 60,0,16" in refused("figure", *images, *out, "--zoom", "60,0,16")
    assert "expected one of .pdf, .svg, .png" in refused("figure", *images, "--out", tmp_path / "a.jpg")
    assert "expected 5, for input, prediction, truth" in refused("figure", *images, *out, "--titles", "A,B")
    assert "got several images" in refused("figure", f"{tmp_path}/*.tif", images[1], *out)
    assert not (tmp_path / "a.pdf").exists()


def test_nothing_is_overwritten_unasked(isoscope, refused, images, tmp_path):
    (tmp_path / "a.txt").write_text("notes")
    assert "a.txt exists" in refused("figure", *images, "--out", tmp_path / "a.pdf")
    assert not (tmp_path / "a.pdf").exists()
    assert isoscope("figure", *images, "--out", tmp_path / "a.pdf", "--overwrite")[0] == 0

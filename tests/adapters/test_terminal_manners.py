"""How commands behave: how much they say, where they write it down, in which signs, and what a pipe does to them."""

import errno
import json
import os
import pty
import subprocess
import sys

import numpy as np
import pytest

from isoscope.errors import DataError, Interrupted, blame
from isoscope.writing.whole import write_whole
from isoscope_terminal import bars, batch, voice
from isoscope_terminal.manners import manners
from isoscope_terminal.progress import Live
from isoscope_terminal.readers import Reading

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def spots(tmp_path):
    values = np.random.default_rng(0).integers(0, 99, (3, 32, 32), np.uint8)
    return write_whole(tmp_path / "spöts 1.tif", values, "ZYX")


def shell(line, **environment):
    command = line.replace("isoscope", f"{sys.executable} -m isoscope_terminal.app", 1)
    return subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command}"],
        capture_output=True,
        env={**os.environ, **environment},
        timeout=60,
    )


# --- pipes, signs and colours


def test_a_reader_that_leaves_is_no_error():
    done = shell("isoscope plugins | head -1")
    assert done.stderr == b""
    assert done.stdout
    assert shell("isoscope plugins --json | true").stderr == b""


def test_signs_that_the_terminal_lacks_are_replaced(tmp_path):
    done = shell(f"isoscope info '{tmp_path}/中.tif'", PYTHONIOENCODING="latin-1")
    assert done.returncode == 2
    assert b"\\u4e2d.tif" in done.stderr
    assert done.stderr.count(b"\n") == 1


def seen_on_a_terminal(code, **environment):
    """What a process writes to a terminal."""
    leader, follower = pty.openpty()
    with subprocess.Popen([sys.executable, "-c", code], stderr=follower, env={**os.environ, **environment}) as running:
        os.close(follower)
        seen = b""
        try:
            while part := os.read(leader, 4096):
                seen += part
        except OSError:  # the other side has closed
            pass
    os.close(leader)
    assert running.returncode == 0
    return seen


BAR = """
from isoscope_terminal.progress import Live
with Live("working") as live:
    live.update(1, 2)
    live.update(2, 2)
"""


def test_bars_have_colour_only_where_it_is_wanted():
    assert b"\x1b[3" in seen_on_a_terminal(BAR, TERM="xterm")
    assert b"\x1b[3" not in seen_on_a_terminal(BAR, TERM="xterm", NO_COLOR="1")
    assert seen_on_a_terminal(BAR, TERM="dumb") == b"working 2/2\r\n"


def test_progress_in_a_pipe_is_a_line_now_and_then(capsys, monkeypatch):
    now = iter(range(1000))
    monkeypatch.setattr("isoscope_terminal.progress.time.monotonic", lambda: next(now))
    with Live("working") as live:
        for done in range(1, 101):
            live.update(done, 100)
    lines = capsys.readouterr().err.splitlines()
    assert lines[-1] == "working 100/100"
    assert 5 < len(lines) <= 12


def test_progress_outlives_its_reader(monkeypatch):
    live = Live("working")
    monkeypatch.setattr(live._console, "print", lambda *_, **__: (_ for _ in ()).throw(BrokenPipeError))
    with live:
        live.update(1, 1)


@pytest.mark.parametrize("shell_name", ["bash", "zsh", "fish"])
def test_completion_can_be_shown_for_every_shell(shell_name):
    done = subprocess.run(
        [sys.executable, "-m", "isoscope_terminal.app"], capture_output=True, text=True,
        env={**os.environ, "_ISOSCOPE_COMPLETE": f"source_{shell_name}"}, check=True,
    )  # fmt: skip
    assert "_ISOSCOPE_COMPLETE" in done.stdout


def test_completion_completes():
    words = {"_ISOSCOPE_COMPLETE": "complete_bash", "COMP_WORDS": "isoscope pre", "COMP_CWORD": "1"}
    assert shell("isoscope", **words).stdout.split() == [b"predict"]


# --- how much is said


def test_quiet_and_verbose_stand_before_or_after_the_command(isoscope, refused, tmp_path, spots):
    (tmp_path / "notes.txt").write_text("no pixels")
    assert "notes.txt is not an image" in isoscope("info", tmp_path, "--verbose")[2]
    assert "notes.txt is not an image" in isoscope("-v", "info", tmp_path)[2]
    assert isoscope("info", tmp_path)[2] == ""
    assert not manners.verbose
    assert "--quiet and --verbose" in refused("-q", "info", tmp_path, "-v")


@pytest.mark.parametrize(
    "command",
    [[], *([name] for name in ("demo", "info", "convert", "split", "init", "train", "predict", "evaluate", "doctor")),
     ["plugins"], ["plugins", "show"]],
)  # fmt: skip
def test_every_command_has_manners(isoscope, command):
    code, out, _ = isoscope(*command, "--help")
    assert code == 0
    assert all(option in out for option in ("--quiet", "--verbose", "--log-file"))


def test_a_log_file_keeps_what_is_said(isoscope, tmp_path, spots):
    log = tmp_path / "log ü.txt"
    assert isoscope("info", tmp_path / "nowhere", "--log-file", log)[0] == 2
    assert isoscope("--log-file", log, "evaluate", spots, spots, "-q")[0] == 0
    text = log.read_text()
    assert "INFO isoscope_terminal: isoscope info" in text
    assert "error: nothing at" in text
    assert "evaluating 1/1" in text
    assert "isoscope: " not in text


def test_a_log_file_is_never_somebodys_file(refused, tmp_path, spots):
    before = spots.read_bytes()
    assert "is no log of isoscope" in refused("info", spots, "--log-file", spots)
    assert spots.read_bytes() == before
    assert "is no log of isoscope" in refused("info", spots, "--log-file", tmp_path)
    assert "No such file" in refused("info", spots, "--log-file", tmp_path / "none" / "log")


# --- how files are read


def test_files_are_read_as_the_user_says(isoscope, spots):
    code, out, _ = isoscope("info", spots, "--axes", "cyx", "--channels", "2,0", "--pixel-size", "0.5, 0.25", "--json")
    (facts,) = json.loads(out)["images"]
    assert code == 0
    assert facts["shape"] == [1, 2, 1, 32, 32]
    assert facts["pixel_size_zyx"] == [1.0, 0.5, 0.25]
    assert len(facts["histograms"]) == 2


def test_one_side_can_be_read_otherwise(isoscope, refused, spots):
    assert isoscope("evaluate", spots, spots, "--channels", "0", "-q")[0] == 0
    said = refused("evaluate", spots, spots, "--prediction-axes", "CYX", "--prediction-channels", "0")
    assert "shape" in said


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--axes", "ZYQ"], "got axes 'ZYQ'"),
        (["--axes", "YX"], "one letter each"),
        (["--pixel-size", "small"], "got pixel size 'small'"),
        (["--pixel-size", "0.1"], "expected y, x or z, y, x"),
        (["--pixel-size", "0.1,0"], "each above 0"),
        (["--channels", "red"], "got channel 'red' of 1"),
        (["--channels", ","], "expected one or more"),
        (["--level", "1"], "level 1 of 1"),
        (["--series", "3"], "series 3 of 1"),
    ],
)
def test_readings_that_make_no_sense_are_refused(refused, spots, options, expected):
    assert expected in refused("info", spots, *options)


def test_readings_can_be_typed_again_and_recorded():
    reading = Reading({"axes": "zyx", "target_level": 1, "pixel_size": "1,2"})
    assert reading.words() == ["--axes", "zyx", "--target-level", "1", "--pixel-size", "1,2"]
    assert reading.of("target").level == 1
    assert reading.of("source").level == 0
    assert reading.facts("target") == {"axes": "ZYX", "pixel_size": [1.0, 2.0], "level": 1}


# --- info


def test_info_knows_levels_tasks_and_histograms(isoscope, tmp_path):
    rng = np.random.default_rng(0)
    image = write_whole(tmp_path / "deep.ome.zarr", np.clip(rng.normal(9, 3, (600, 600)), 0, 99).astype(np.uint16))
    (facts,) = json.loads(isoscope("info", image, "--json")[1])["images"]
    assert facts["levels"] == [[1, 1, 1, 600, 600], [1, 1, 1, 300, 300], [1, 1, 1, 150, 150]]
    assert sum(facts["histograms"][0]["counts"]) == 600 * 600
    assert facts["tasks"]["denoise"]["source"]["fits"]
    assert facts["tasks"]["coloration"]["source"]["with"] == "RGB images"
    assert "needs RGB images as --target" in facts["tasks"]["coloration"]["target"]["why_not"]
    page = isoscope("info", image)[1]
    assert "0: 600 x 600, 1: 300 x 300, 2: 150 x 150" in page
    assert "█" in page
    assert "coloration, as source yes, with RGB images, source.grey=false, source.polarity=dark" in page


def test_info_looks_into_the_first_images_of_many(isoscope, tmp_path):
    for n in range(10):
        write_whole(tmp_path / f"{n}.tif", np.random.default_rng(n).integers(0, 99, (24, 24), np.uint8))
    document = json.loads(isoscope("info", tmp_path, "--json")[1])
    assert [("quantiles" in facts) for facts in document["images"]] == [True] * 8 + [False] * 2
    assert document["set"]["images"] == 10
    assert "all 10 images together" in isoscope("info", tmp_path)[1]
    write_whole(tmp_path / "other.tif", np.zeros((24, 24), np.uint16))
    assert "give images of one kind" in json.loads(isoscope("info", tmp_path, "--json")[1])["set"]["note"]


def test_a_task_that_fails_spoils_nothing(isoscope, spots):
    from isoscope import kinds

    def broken(source, target, /):
        raise ZeroDivisionError("oh")

    kinds.tasks.add("broken", broken)
    try:
        (facts,) = json.loads(isoscope("info", spots, "--json")[1])["images"]
    finally:
        kinds.tasks.remove("broken")
    assert facts["tasks"]["broken"]["source"]["why_not"] == "the task failed (ZeroDivisionError: oh)"


def test_bars_show_whatever_is_there(monkeypatch):
    assert bars.bars([0, 1, 10000], rows=2) == ["  █", " ▁█"]
    monkeypatch.setattr(bars, "can_write", lambda text: False)
    assert bars.bars([0, 1, 10000], rows=2) == ["  #", " .#"]
    assert bars.bars([], rows=1) == [""]


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        (PermissionError(errno.EACCES, "Permission denied", "a.json"), "change its permissions"),
        (OSError(errno.ENOSPC, "No space left on device", "a.json"), "free space"),
        (FileNotFoundError(errno.ENOENT, "No such file or directory", "a.json"), "look whether it is there"),
    ],
)
def test_what_the_system_refuses_has_a_remedy(error, remedy):
    text, code = voice.told(error)
    assert code == 2
    assert text.startswith(f"error: a.json: got '{error.strerror}'; expected ")
    assert remedy in text


def test_a_file_that_may_not_be_read_is_not_called_damaged():
    blamed = blame("a.tif", "cannot be read", "copy the file again")
    with pytest.raises(DataError, match=r"^a\.tif: cannot be read .*Permission denied.*; change its perm"), blamed:
        raise PermissionError(errno.EACCES, "Permission denied", "a.tif")


def test_what_stdout_can_write():
    assert voice.can_write("plain")


# --- many images


def test_one_failure_stops_only_itself(tmp_path):
    def fail(progress, stop):
        raise DataError("it holds NaN")

    def crash(progress, stop):
        raise ZeroDivisionError("oh")

    works = [batch.Work(n, tmp_path / n, 1, do) for n, do in (("a", fail), ("b", lambda *_: {"x": 1}), ("c", crash))]
    a, b, c = batch.run_all(works, "working")
    assert (a["error"], a["code"]) == ("it holds NaN", 2)
    assert (b["x"], b["error"]) == (1, None)
    assert c["code"] == 1
    with pytest.raises(DataError):
        batch.run_all(works[:1], "working")


def test_ctrl_c_stops_all(tmp_path):
    def stopped(progress, stop):
        raise Interrupted("stopped")

    works = [batch.Work(n, tmp_path / n, 1, stopped) for n in "ab"]
    with pytest.raises(Interrupted):
        batch.run_all(works, "working")

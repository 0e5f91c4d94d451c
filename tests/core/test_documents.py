"""What people read first is whole: no half-done merge, no link into nothing, no command that does not exist."""

import re
import shlex
from pathlib import Path

import pytest
import typer

from isoscope_terminal.app import app

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("benchmarks/*.md"), *ROOT.glob("docs/**/*.md")])
GUIDES = [page for page in PAGES if page.name == "README.md" or page.parent.name == "docs"]
COMMANDS = dict(typer.main.get_command(app).commands)


def name(page):
    return str(page.relative_to(ROOT))


def commands(page):
    """What is called in blocks of shell and between backticks, a list of words each."""
    text = page.read_text(encoding="utf-8").replace("\\\n", " ")
    blocks = re.findall(r"```sh\n(.*?)```", text, re.S)
    inline = re.findall(r"`([^`]+)`", re.sub(r"```.*?```", "", text, flags=re.S))
    lines = [line for block in blocks for line in block.splitlines()] + [" ".join(code.split()) for code in inline]
    return [shlex.split(line, comments=True)[1:] for line in lines if line.startswith("isoscope ")]


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_no_merge_was_left_half_done(page):
    lines = page.read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if line.startswith(("<<<<<<<", "=======", ">>>>>>>"))] == []


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_somewhere(page):
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.S)
    links = [link.split("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in link]
    assert [link for link in links if link and not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", GUIDES, ids=name)
def test_every_command_and_option_exists(page):
    for words in commands(page):
        if words[0].startswith("-"):
            continue
        assert words[0] in COMMANDS, words
        command = COMMANDS[words[0]]
        if len(words) > 1 and words[1] in getattr(command, "commands", {}):
            command = command.commands[words[1]]
        known = {flag for option in command.params for flag in (*option.opts, *option.secondary_opts)}
        assert [word for word in words[1:] if word.startswith("--") and word not in known] == [], words


def test_guides_name_every_command_but_help():
    said = {words[0] for page in GUIDES for words in commands(page)}
    assert set(COMMANDS) - said <= {"demo"}


def test_every_task_has_a_chapter():
    from isoscope.kinds import tasks

    page = (ROOT / "docs" / "tasks.md").read_text(encoding="utf-8")
    assert set(tasks) <= set(re.findall(r"^## (\w+):", page, re.M))


def test_the_pages_are_there():
    named = {page.name for page in PAGES}
    assert named >= {"README.md", "CHANGELOG.md", "CONTRIBUTING.md", "RESULTS.md", "tasks.md", "plugins.md"}

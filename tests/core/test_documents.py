"""What people read first is whole."""

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(p for folder in (".", "benchmarks", "docs") for p in (ROOT / folder).glob("*.md"))


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_no_merge_was_left_half_done(page):
    lines = page.read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if line.startswith(("<<<<<<<", "=======", ">>>>>>>"))] == []


def test_the_pages_are_there():
    assert {page.name for page in PAGES} >= {"README.md", "CHANGELOG.md", "CONTRIBUTING.md", "RESULTS.md", "plugins.md"}

"""What docs/security.md and docs/reliability.md name is there: tests, pages, targets of make."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = ("security.md", "reliability.md", "fingerprint.md")
TARGETS = {
    line.split(":")[0] for line in (ROOT / "Makefile").read_text().splitlines() if ":" in line
}


def code(page):
    return re.findall(r"`([^`\n]+)`", (ROOT / "docs" / page).read_text(encoding="utf-8"))


def named(page):
    """Paths of tests and code; a name without a folder is beside the one before it."""
    folder = Path()
    for text in code(page):
        for word in text.removeprefix("pytest ").split():
            path = Path(word.partition("::")[0])
            if word.startswith(("tests/", "docs/", "palrs_hub/", "benchmarks/")):
                folder = path.parent
                yield path
            elif re.fullmatch(r"test_\w+\.py", word):
                yield folder / path


@pytest.mark.parametrize("page", PAGES)
def test_every_path_is_there(page):
    paths = [*named(page)]
    assert paths
    assert [str(path) for path in paths if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("page", PAGES)
def test_every_target_of_make_is_there(page):
    targets = [text.split()[1] for text in code(page) if text.startswith("make ")]
    assert {*targets} <= TARGETS


def test_each_threat_names_what_shows_the_defence():
    lines = (ROOT / "docs" / "security.md").read_text(encoding="utf-8").splitlines()
    rows = [line for line in lines if line.startswith("| ") and line.count("|") == 4][1:]
    assert len(rows) >= 10
    for row in rows:
        shown_by = row.split("|")[3]
        assert re.search(r"`tests/|`make |those targets", shown_by), row

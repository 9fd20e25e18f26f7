"""The documentation hangs together: its pages, links, commands and the messages it explains."""

import ast
import re
import shlex
from pathlib import Path

import pytest
import yaml

from palrs_hub.cli import COMMANDS
from palrs_hub.cli.main import load_command

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
LINKING = [*PAGES, ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
NAMES = [str(page.relative_to(ROOT)) for page in LINKING]
SHELL = re.compile(r"^```shell\n(.*?)^```", re.DOTALL | re.MULTILINE)


def prose(page):
    """A page without what stands in its blocks of code."""
    return re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.S | re.M)


def anchors(page):
    """What can be linked to on a page: its headings, as GitHub and the site write them."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", h.lower()).strip().replace(" ", "-") for h in headings}


@pytest.mark.parametrize("page", LINKING, ids=NAMES)
def test_every_link_leads_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`\n]*`", "", prose(page))):
        if re.match(r"https?://", target):
            continue
        path, _, anchor = target.partition("#")
        linked = (page.parent / path).resolve() if path else page
        assert linked.exists(), f"{page.name} links to {target}"
        if DOCS in page.parents:
            assert DOCS in linked.parents, f"{page.name} links out of the site, to {target}"
        if anchor:
            assert anchor in anchors(linked), f"{page.name} links to {target}"


def test_every_page_is_in_the_sites_navigation_once():
    site = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
    assert site["strict"] is True
    assert site["theme"]["font"] is False  # nothing is loaded from elsewhere

    def listed(entry):
        if isinstance(entry, str):
            return [entry]
        inner = entry.values() if isinstance(entry, dict) else entry
        return [page for each in inner for page in listed(each)]

    found = listed(site["nav"])
    assert sorted(found) == sorted(str(page.relative_to(DOCS)) for page in PAGES)


@pytest.mark.parametrize("page", LINKING, ids=NAMES)
def test_every_command_has_the_options_that_it_is_shown_with(page):
    text = "".join(SHELL.findall(page.read_text(encoding="utf-8"))).replace("\\\n", " ")
    for line in text.splitlines():
        if not re.match(r"(hf-palrs|palrs-hub) ", line):
            continue
        _, name, *words = shlex.split(line, comments=True)
        assert name in COMMANDS, line
        command = load_command(name)
        if hasattr(command, "commands"):
            command = command.commands[words[0]]
        known = {option for parameter in command.params for option in parameter.opts}
        known |= {option for parameter in command.params for option in parameter.secondary_opts}
        used = {word.partition("=")[0] for word in words if word.startswith("--")}
        assert used - known - {"--", "--help"} == set(), line


def messages():
    """Every text in the source that is no docstring, with … for what is filled in."""
    for file in (ROOT / "palrs_hub").rglob("*.py"):
        nodes = list(ast.walk(ast.parse(file.read_text(encoding="utf-8"))))
        alone = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
        for node in nodes:
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                if id(node) not in alone:
                    yield node.value
            elif isinstance(node, ast.JoinedStr):
                yield "".join(
                    part.value if isinstance(part, ast.Constant) else "…" for part in node.values
                )


EXPLAINED = re.findall(
    r"^### `(.+)`$", (DOCS / "troubleshooting.md").read_text(encoding="utf-8"), re.MULTILINE
)


def fits(heading, text):
    """Whether a text has the heading's parts in their order; each … may be more than it shows."""
    start = 0
    for part in heading.split("…"):
        if (found := text.find(part, start)) < 0:
            return False
        start = found + len(part)
    return True


@pytest.fixture(scope="module")
def said():
    return list(messages())


def test_troubleshooting_explains_many_messages_and_none_twice():
    assert len(EXPLAINED) > 40
    assert len(set(EXPLAINED)) == len(EXPLAINED)


@pytest.mark.parametrize("heading", EXPLAINED)
def test_a_message_that_is_explained_is_really_given(heading, said):
    assert len(heading.replace("…", "").strip()) >= 12
    assert any(fits(heading, text) for text in said)

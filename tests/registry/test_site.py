"""The gallery: complete, inert whatever an entry says, and never half-written."""

import json
import os
import re
from html.parser import HTMLParser

import pytest
from huggingface_hub import RepoCard

from palrs_hub.cli.main import load_command
from palrs_hub.errors import RegistryError
from palrs_hub.manifest import Method, Task
from palrs_hub.registry import read_shelf
from palrs_hub.registry.facts import Sample
from palrs_hub.registry.index import read_index
from palrs_hub.registry.site import build
from palrs_hub.registry.site.build import TEMPLATES
from palrs_hub.registry.site.preview import card_page
from palrs_hub.registry.site.snippets import snippets_of
from tests.builders import a_manifest, an_evaluation

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(1)>'\"${x}{{7*7}}"
PAGES = ("index.html", "compare.html", "about.html", "vectors/careful.html")


class Page(HTMLParser):
    """The tags of a page with their attributes, and its text."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.text, self.ids = [], "", []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data


@pytest.fixture
def built(registry, tmp_path):
    sample = Sample(prompt="1+1=", unsteered="3", steered="2", coefficient=1.5)
    registry.add("careful", wanted={"tags": ("sums",), "samples": (sample,)})
    return build(read_shelf(registry.root), tmp_path / "site").folder


@pytest.fixture
def hostile(registry, tmp_path):
    """A gallery of one entry that says something hostile wherever it can."""
    sample = Sample(prompt=HOSTILE, unsteered=HOSTILE, steered=HOSTILE, coefficient=1.0)
    grid = a_manifest().selection
    cells = tuple(cell.model_copy(update={"position": HOSTILE}) for cell in grid.cells)
    registry.add(
        "careful",
        name=HOSTILE,
        wanted={"samples": (sample,)},
        task=Task(name=HOSTILE, description=HOSTILE),
        method=Method(name=HOSTILE, switches={HOSTILE: HOSTILE, "position": HOSTILE}),
        license=HOSTILE,
        evaluations=(
            an_evaluation(task=HOSTILE, metric=HOSTILE, split=HOSTILE, baselines={HOSTILE: 0.1}),
        ),
        selection=grid.model_copy(update={"rule": HOSTILE, "cells": cells}),
    )
    card = registry.root / "cards/careful.md"
    card.write_text(card.read_text().replace("## Limits", f"{HOSTILE}\n\n## Limits"))
    return build(read_shelf(registry.root), tmp_path / "site").folder


def test_a_vectors_page_shows_what_it_does_and_costs(built):
    text = Page((built / "vectors/careful.html").read_text()).text
    for shown in (
        "careful",
        "unreviewed",
        "75.0 %",
        "25.0 % unsteered",
        "Unsteered beside",
        "1+1=",
    ):
        assert shown in text, shown
    for shown in ("Lineage", "sums.jsonl", "mean_difference", "Intended use", "Failure cases"):
        assert shown in text, shown
    for snippet in ("AutoSteeredModelForCausalLM", "palrs-hub generate", "--control-vector-scaled"):
        assert snippet in text, snippet
    assert "Position response_mean" in text  # the heat map


def test_every_command_that_a_snippet_names_exists(registry):
    record = registry.add("careful")
    for snippet in snippets_of(record.entry, record.manifest):
        for command, line in re.findall(
            r"^palrs-hub (\w+)(.*(?:\\\n.*)*)", snippet.text, re.MULTILINE
        ):
            known = {option for p in load_command(command).params for option in p.opts}
            assert set(re.findall(r"(?<= )--[a-z-]+", line)) <= known, snippet.name


def test_the_index_beside_it_is_whole(built):
    index = read_index((built / "index.json").read_bytes())
    assert [entry.slug for entry in index.entries] == ["careful"]
    script = (built / "assets/entries.js").read_text()
    literal = re.fullmatch(r"window\.PALRS_ENTRIES = JSON\.parse\('(.*)'\);\n", script)[1]
    data = json.loads(literal.replace("\\'", "'").replace("\\\\", "\\"))
    row = dict(zip(data["fields"], data["rows"][0], strict=True))
    assert (row["slug"], row["tags"], row["head"]["steered"]) == ("careful", ["sums"], 0.75)


@pytest.mark.parametrize("page", PAGES)
def test_every_page_allows_nothing_but_its_own_scripts(built, page):
    tags = Page((built / page).read_text()).tags
    (policy,) = (a["content"] for t, a in tags if a.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
    assert "unsafe" not in policy
    for tag, attributes in tags:
        assert tag not in {"style", "iframe", "object", "embed", "base", "form"}
        assert not [name for name in attributes if name.startswith("on") or name == "style"]
        for name in ("src", "href"):
            target = attributes.get(name, "")
            assert not re.match(r"(https?:)?//", target), target
            if target and not target.startswith("#"):
                file = ((built / page).parent / target.partition("#")[0]).resolve()
                assert file.is_file(), target


def test_hostile_text_is_shown_and_never_active(hostile):
    html = (hostile / "vectors/careful.html").read_text()
    page = Page(html)
    assert not [tag for tag, _ in page.tags if tag == "img"]
    assert [a["src"] for tag, a in page.tags if tag == "script"] == [
        "../assets/theme.js",
        "../assets/vector.js",
    ]
    assert page.text.count(HOSTILE) > 10
    assert "49" not in page.text


def test_hostile_text_does_not_leave_the_lists_script(hostile):
    script = (hostile / "assets/entries.js").read_text()
    assert script.isascii()
    assert script.count("\n") == 1
    assert len(re.findall(r"(?<!\\)'", script)) == 2


def test_no_script_makes_markup_of_text():
    for file in (TEMPLATES / "assets").glob("*.js"):
        code = file.read_text()
        for way in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("):
            assert way not in code, (file.name, way)
        assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", code), file.name


def test_as_it_is_it_is_a_static_space(built):
    card = RepoCard((built / "README.md").read_text())
    assert (card.data.sdk, card.data.app_file) == ("static", "index.html")


def test_a_gallery_is_replaced_as_a_whole_or_not_at_all(registry, built, monkeypatch):
    registry.add("second")
    before = {path: path.read_bytes() for path in built.rglob("*") if path.is_file()}
    write_text = type(built).write_text

    def full(path, *arguments, **options):
        if path.name == "second.html":
            raise OSError(28, "No space left on device")
        return write_text(path, *arguments, **options)

    monkeypatch.setattr(type(built), "write_text", full)
    with pytest.raises(RegistryError, match="could not be written"):
        build(read_shelf(registry.root), built)
    monkeypatch.undo()
    assert {path: path.read_bytes() for path in built.rglob("*") if path.is_file()} == before
    assert [path.name for path in built.parent.glob(".*")] == []
    build(read_shelf(registry.root), built)
    assert (built / "vectors/second.html").is_file()


def test_a_folder_of_something_else_is_left_alone(registry, tmp_path):
    registry.add("careful")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(RegistryError, match="was not written by"):
        build(read_shelf(registry.root), tmp_path / "mine")
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "years of work"


def test_a_cards_preview_runs_nothing():
    page = card_page(f"---\na: b\n---\n# T\n\n{HOSTILE}", "T", {"a": HOSTILE})
    parsed = Page(page)
    assert not {tag for tag, _ in parsed.tags} & {"script", "img", "iframe", "link"}
    assert parsed.text.count(HOSTILE) == 2
    assert "script-src" not in page


@pytest.mark.parametrize(
    ("fault", "raised"), [(OSError("busy"), RegistryError), (KeyboardInterrupt, KeyboardInterrupt)]
)
def test_a_gallery_that_cannot_be_moved_in_gives_the_old_one_back(
    registry, built, monkeypatch, fault, raised
):
    replace, before = os.replace, (built / "index.json").read_bytes()

    def fails_at_the_new_one(source, target):
        if str(source).endswith("new"):
            raise fault
        replace(source, target)

    monkeypatch.setattr(os, "replace", fails_at_the_new_one)
    with pytest.raises(raised):
        build(read_shelf(registry.root), built)
    assert (built / "index.json").read_bytes() == before
    assert [path.name for path in built.parent.iterdir() if path.name.startswith(".")] == []

"""The card: front matter that the Hub understands, and text that is shown and never active."""

import re

import pytest
import yaml
from huggingface_hub import ModelCard
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from palrs_hub.card import front_matter, plain, render_card
from palrs_hub.evidence import Settings
from palrs_hub.manifest import Data, Method, Task
from tests.builders import a_base_model, a_cell, a_manifest, an_evaluation, an_intervention

HOSTILE = {
    "script": "<script>alert(1)</script>",
    "image": "<img src=x onerror=alert(1)>",
    "comment": "<!-- the rest is hidden",
    "entity": "&lt;b&gt; &copy; &#x3c;script&#x3e;",
    "link": "[click me](https://evil.example)",
    "javascript link": "[click me](javascript:alert(1))",
    "autolink": "<https://evil.example>",
    "reference": "[evil]: https://evil.example",
    "Markdown image": "![logo](https://evil.example/track.png)",
    "table cells": "a | b || c \\| d",
    "backticks": "``` `code` ~~~ \\",
    "emphasis": "**bold** __bold__ _it_ *it* ~~gone~~",
    "Jinja": "{{ 7*7 }} {% raw %} {# gone #}",
    "heading": "# title #",
    "formula": "$$x$$ $y$",
    "YAML": "a: b # c\\n--- {x: [y]} 'q' \"r\" !!python/object:os.system",
    "rule": "---",
}
hostile = pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)

printable = st.characters(exclude_categories=("C", "Z"), include_characters=" ")


MARKDOWN = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])


def parse(card):
    """The card's front matter (as YAML) and its body (as Markdown with tables and HTML)."""
    front, body = re.fullmatch(r"---\n(.*?)\n---\n(.*)", card, re.DOTALL).groups()
    return yaml.safe_load(front), MARKDOWN.parse(body)


def leaves(tokens):
    for token in tokens:
        yield token
        yield from leaves(token.children or ())


def shown(tokens):
    """All that a reader sees, without what is no text."""
    kinds = {"text", "text_special", "code_inline", "code_block", "fence"}
    return "".join(
        " " if token.type == "softbreak" else token.content
        for token in leaves(tokens)
        if token.type in kinds or token.type == "softbreak"
    )


def blocks(tokens, kind):
    """The text of each block of a kind: ``h1``, ``td``, ``li``, ``p``."""
    inside, found = False, []
    for token in tokens:
        if token.tag == kind and token.nesting:
            inside = token.nesting == 1
            if inside:
                found.append([])
        elif inside:
            found[-1].append(token)
    return [shown(part) for part in found]


def assert_nothing_is_active(tokens):
    for token in leaves(tokens):
        assert token.type not in {"html_inline", "html_block", "code_block"}
        if token.type == "image":
            assert token.attrs["src"] == "selection.svg"
        if token.type == "link_open":
            assert token.attrs["href"] == "https://huggingface.co/org/base"


# For the Hub.


def test_the_front_matter_is_what_the_hub_indexes():
    front, _ = parse(render_card(a_manifest()))
    assert front["library_name"] == "palrs-hub"
    assert front["license"] == "apache-2.0"
    assert front["base_model"] == "org/base"
    assert front["base_model_relation"] == "adapter"
    assert {"steering-vector", "method:mean_difference", "task:arithmetic"} <= set(front["tags"])
    assert front["palrs-hub"] == {"layers": [2], "coefficients": [1.5]}


def test_the_clients_model_card_reads_the_evaluations():
    data = ModelCard(render_card(a_manifest())).data
    assert data.library_name == "palrs-hub"
    assert data.base_model == "org/base"
    assert data.model_name == "careful sums"
    assert {
        (r.dataset_name, r.dataset_split, r.metric_type, r.metric_name, r.metric_value)
        for r in data.eval_results
    } == {
        ("two-digit sums", "test", "accuracy", "accuracy (steered)", 0.75),
        ("two-digit sums", "test", "accuracy", "accuracy (unsteered)", 0.25),
        ("two-digit sums", "test", "accuracy", "accuracy (random)", 0.26),
    }


def test_without_evaluations_there_is_no_model_index():
    assert "model-index" not in front_matter(a_manifest(evaluations=()))


def test_a_model_from_a_folder_is_not_named_as_a_repository():
    manifest = a_manifest(base_model=a_base_model(repo_id=None, revision=None))
    front, tokens = parse(render_card(manifest))
    assert not {"base_model", "base_model_relation"} & set(front)
    assert "a LlamaForCausalLM that was read from a folder" in shown(tokens)


@pytest.mark.parametrize("task", ["two-digit sums", "二桁の足し算", "!!!"])
def test_every_data_set_has_a_type_as_the_hub_demands(task):
    front = front_matter(a_manifest(evaluations=(an_evaluation(task=task),)))
    (result,) = front["model-index"][0]["results"]
    assert result["dataset"]["name"] == task
    assert result["dataset"]["type"]


# For people.


def test_it_says_what_the_vector_is_and_does():
    text = render_card(a_manifest(), repo_id="me/sums")
    assert "# careful sums" in text
    assert 'from_pretrained("me/sums")' in text
    assert "palrs-hub generate me/sums" in text
    cells = blocks(parse(text)[1], "td")
    assert {"2", "add", "1.5", "0.5 to 2", "the direction as the method found it", "all"} <= set(
        cells
    )
    assert {"two-digit sums", "accuracy (higher is better)", "test", "200", "0.75"} <= set(cells)
    assert "unsteered 0.25, random 0.26" in cells
    assert "0.50 ± 0.10" in cells


def test_without_a_repository_the_snippets_have_a_placeholder():
    assert 'from_pretrained("org/name")' in render_card(a_manifest())


def test_what_is_missing_is_not_reported():
    bare = a_manifest(
        evaluations=(),
        selection=None,
        diagnostics=(),
        interventions=(an_intervention(coefficient_range=None),),
        base_model=a_base_model(revision=None),
    )
    _, tokens = parse(render_card(bare))
    assert "Not reported." in blocks(tokens, "p")
    assert "Selection: not reported." in blocks(tokens, "li")
    assert {"not validated", "not recorded"} <= set(blocks(tokens, "td"))
    assert "cosine" not in shown(tokens)


def test_a_number_shows_its_interval_and_how_it_was_measured():
    _, tokens = parse(render_card(a_manifest()))
    cells = blocks(tokens, "td")
    assert "+0.5 (+0.4 to +0.6)" in cells
    assert "2.0 %" in cells
    (how,) = [item for item in blocks(tokens, "li") if "data sha256" in item]
    assert how.endswith("by problems, data sha256 eeeeeeeeeeeeeeee, new tokens at most 40, seed 0.")


def test_a_number_without_them_is_not_called_perfect():
    bare = an_evaluation(gain=None, worse=None, settings=None)
    _, tokens = parse(render_card(a_manifest(evaluations=(bare,))))
    assert blocks(tokens, "td").count("not reported") == 2
    assert [item for item in blocks(tokens, "li") if item.endswith("accuracy: not reported.")]


def test_what_was_measured_is_not_called_missing():
    assert "ot reported" not in render_card(a_manifest())


# Text from strangers is shown and never active.


def everywhere(text):
    """A manifest that holds a text wherever a manifest may hold free text."""
    return a_manifest(
        name=text,
        license=text,
        task=Task(name=text, description=text),
        base_model=a_base_model(architecture=text, model_type=text, dtype=text, quantization=text),
        method=Method(name=text, switches={text: text, "position": "response_mean"}),
        data=Data(name=text, revision=text, pairs=1, sha256="d" * 64),
        evaluations=(
            an_evaluation(
                task=text,
                metric=text,
                split=text,
                baselines={text: 0.5, "other": 0.1},
                settings=Settings(kind=text, version=text, dtype=text, instruction=text),
            ),
        ),
        selection=a_manifest().selection.model_copy(update={"rule": text, "cells": (a_cell(),)}),
        software={text: text},
    )


@hostile
def test_hostile_text_is_never_active(text):
    assert_nothing_is_active(parse(render_card(everywhere(text)))[1])


@hostile
def test_hostile_text_is_shown_as_it_is(text):
    _, tokens = parse(render_card(everywhere(text)))
    assert blocks(tokens, "h1") == [text]
    assert text in blocks(tokens, "p")
    assert any(
        item.endswith(f", {text} = {text}, position = response_mean.")
        for item in blocks(tokens, "li")
    )
    cells = blocks(tokens, "td")
    assert [text, f"{text} (higher is better)", text, "200", "0.75"] in (
        cells[start : start + 5] for start in range(len(cells))
    )
    assert f"{text} 0.5, other 0.1" in cells


@hostile
def test_hostile_text_stays_text_in_the_front_matter(text):
    manifest = everywhere(text)
    front, _ = parse(render_card(manifest))
    assert front == front_matter(manifest)
    assert front["license"] == text
    assert f"task:{text}" in front["tags"]
    data = ModelCard(render_card(manifest)).data
    assert data.model_name == text
    assert data.eval_results[0].dataset_name == text


@pytest.mark.parametrize("name", ["mean_difference", *HOSTILE.values()])
def test_the_methods_name_is_shown_as_it_is(name):
    card = render_card(a_manifest(method=Method(name=name, switches={"scale": "unit_norm"})))
    assert f"Method: {name}, scale = unit_norm." in blocks(parse(card)[1], "li")


@settings(deadline=None)
@given(st.text(printable, min_size=1, max_size=60).map(str.strip).filter(bool))
def test_any_text_is_shown_as_it_is(text):
    tokens = MARKDOWN.parse(f"# {plain(text)}\n\n| a |\n|---|\n| {plain(text)} |\n\n{plain(text)}")
    assert [blocks(tokens, kind) for kind in ("h1", "td", "p")] == [[text]] * 3
    assert_nothing_is_active(tokens)


@settings(deadline=None, max_examples=20)
@given(st.text(printable, min_size=1, max_size=60).map(str.strip).filter(bool))
def test_any_text_stays_text_in_the_front_matter(text):
    manifest = everywhere(text)
    assert parse(render_card(manifest))[0] == front_matter(manifest)


@pytest.mark.parametrize(
    "text",
    [
        "A title\n===",
        "1. one\n2. two",
        "1) one",
        "- one\n- two",
        "> quoted",
        "***",
        "    code",
        "# x",
    ],
)
def test_a_description_cannot_shape_the_card(text):
    def outline(description):
        manifest = a_manifest(task=Task(name="x", description=description))
        tokens = parse(render_card(manifest))[1]
        structure = {"h1", "h2", "ol", "ul", "hr", "blockquote", "code"}
        return [token.type for token in tokens if token.tag in structure]

    assert outline(text) == outline("Adds with care.")

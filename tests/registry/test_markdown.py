"""Curators' cards: what is refused, and that the rest is shown and never active."""

import re
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from palrs_hub.registry.markdown import active_content, render, sections

ACTIVE = {
    "script": "<script>alert(1)</script>",
    "inline": "text <img src=x onerror=alert(1)> text",
    "comment": "<!-- hidden -->",
    "picture": "![logo](https://elsewhere.example/track.png)",
    "javascript": "[click](javascript:alert(1))",
    "encoded": "[click](java&#115;cript:alert(1))",
    "data": "[click](data:text/html,<script>alert(1)</script>)",
    "autolink": "<javascript:alert(1)>",
    "reference": "[click][1]\n\n[1]: javascript:alert(1)",
    "file": "[click](file:///etc/passwd)",
    "no scheme": "[click](//elsewhere.example)",
    "svg": "<svg onload=alert(1)>",
}
HARMLESS = (
    "Plain *text* with `<script>` in backticks.",
    "[a paper](https://arxiv.org/abs/2509.23982)",
    "| a | b |\n|---|---|\n| 1 | 2 |",
    "1 < 2 and 3 > 2",
    "```html\n<script>quoted</script>\n```",
)


class Tags(HTMLParser):
    def __init__(self, html):
        super().__init__()
        self.seen = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))


def assert_inert(html):
    for tag, attributes in Tags(html).seen:
        assert tag not in {"script", "img", "svg", "iframe", "style", "form", "object", "link"}
        assert not [name for name in attributes if name.startswith("on") or name == "style"]
        if tag == "a":
            assert re.fullmatch(r"https?://\S+|#[\w-]+", attributes["href"], re.ASCII)


@pytest.mark.parametrize("text", ACTIVE.values(), ids=ACTIVE)
def test_active_content_is_named_and_never_passed_on(text):
    assert list(active_content(text))
    assert_inert(render(text))


@pytest.mark.parametrize("text", HARMLESS)
def test_plain_markdown_is_left_alone(text):
    assert not list(active_content(text))


@settings(deadline=None, max_examples=200)
@given(st.text(st.sampled_from("<>[]()!`*_#|&;:/\\\"'= \najvscriptonhref&#x;"), max_size=80))
def test_no_text_becomes_active(text):
    assert_inert(render(text))


def test_links_leave_without_a_trace():
    html = render("[a](https://example.org)")
    assert 'rel="nofollow noopener noreferrer"' in html


def test_headings_move_below_the_page():
    assert render("# a\n\n###### b", below=2) == "<h3>a</h3>\n<h6>b</h6>\n"


def test_sections_are_what_stands_below_a_heading_of_the_second_level():
    text = "# title\nlost\n## One\na\n### deeper\nb\n```\n## not one\n```\n## Two\n"
    assert sections(text) == {"One": "a\n### deeper\nb\n```\n## not one\n```", "Two": ""}

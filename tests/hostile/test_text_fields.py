"""Every text of a manifest, each in its turn: escapes are refused, and HTML stays text."""

import json
import re

import pytest

from palrs_hub.card import render_card
from palrs_hub.errors import PalrsHubError
from palrs_hub.manifest import MANIFEST_FILE, read_manifest
from palrs_hub.registry.markdown import active_content
from tests.hostile.package import sound_files, with_value

ESCAPES = ("\x1b[2J\x1b]0;owned\x07", "a\rb", "a\u202eb", "\x9b31m")
ACTIVE = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "[x](javascript:alert(1))",
    "![x](http://example.org/x)",
)


def texts(node, path=()):
    """The path of every text of a JSON value."""
    if isinstance(node, str):
        yield path
    elif isinstance(node, dict):
        for key, value in node.items():
            yield from texts(value, (*path, key))
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from texts(value, (*path, index))


FIELDS = [*texts(json.loads(sound_files()[MANIFEST_FILE]))]


def read(path, value):
    return read_manifest(with_value(path, value).files[MANIFEST_FILE])


def name(path):
    return ".".join(map(str, path))


def test_the_fields_are_many():
    assert len(FIELDS) >= 25


@pytest.mark.parametrize("path", FIELDS, ids=name)
def test_escapes_are_refused_in_every_text(path):
    for value in ESCAPES:
        with pytest.raises(PalrsHubError) as refused:
            read(path, value)
        assert all(each.isprintable() or each == "\n" for each in str(refused.value))


@pytest.mark.parametrize("path", FIELDS, ids=name)
def test_nothing_active_reaches_the_card_from_any_text(path):
    """A text that may be anything is shown as it is; one that may not is refused."""
    usual = {*active_content(body_of(read_manifest(sound_files()[MANIFEST_FILE])))}
    for value in ACTIVE:
        try:
            manifest = read(path, value)
        except PalrsHubError:
            continue
        assert {*active_content(body_of(manifest))} <= usual


def body_of(manifest):
    """The card without its front matter, which nobody renders."""
    return re.sub(r"\A---\n.*?\n---\n", "", render_card(manifest), flags=re.DOTALL)

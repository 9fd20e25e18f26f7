"""Checks of a curator's card: its sections are there, and nothing in it is active."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from palrs_hub.compatibility import Finding
from palrs_hub.registry.checks.fault import said
from palrs_hub.registry.markdown import SECTIONS, active_content, sections

if TYPE_CHECKING:
    from collections.abc import Iterator

    from palrs_hub.registry.shelf import Record

_LEAST_CHARACTERS: Final = 20


def card(record: Record) -> Iterator[Finding]:
    """There is a card, with text in each of its sections."""
    text = record.card
    if not isinstance(text, str):
        advice = "`palrs-hub registry add` writes one to begin with."
        yield Finding("card", "error", f"cards/{record.slug}.md", said(text), advice)
        return
    found = sections(text)
    for name in SECTIONS:
        if len(found.get(name, "")) < _LEAST_CHARACTERS:
            yield Finding(
                "card",
                "error",
                f"a section '## {name}' with a sentence or more",
                "next to nothing in it" if name in found else "none",
                "Write what is known; that nothing is known is worth a sentence too.",
            )


def card_content(record: Record) -> Iterator[Finding]:
    """No HTML, no pictures, and links to http and https only."""
    text = record.card
    if isinstance(text, str):
        for what in dict.fromkeys(active_content(text)):
            yield Finding(
                "card_content",
                "error",
                "plain Markdown without HTML and pictures",
                what,
                "Remove it; quote code in backticks.",
            )

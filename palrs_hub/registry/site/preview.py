"""One card as a page by itself: the front matter as a table, the Markdown as safe HTML."""

from __future__ import annotations

import base64
import hashlib
import re
from typing import TYPE_CHECKING, Final

from markupsafe import Markup

from palrs_hub.registry.markdown import render
from palrs_hub.registry.site.build import TEMPLATES, template

if TYPE_CHECKING:
    from collections.abc import Mapping

_FRONT: Final = re.compile(r"\A---\n(.*?)\n---\n", re.DOTALL)


def card_page(card: str, name: str, front: Mapping[str, object]) -> str:
    """A page with nothing outside itself, which runs no script.

    Args:
        card: The text of the card.
        name: The page's title.
        front: The card's front matter, read by one who judged it.
    """
    found = _FRONT.match(card)
    body = card[found.end() :] if found else card
    style = (TEMPLATES / "assets" / "gallery.css").read_text(encoding="utf-8")
    return template("card.html.jinja").render(
        name=name,
        # Without the evaluations, which stand in the card too.
        front={key: _shown(value) for key, value in front.items() if key != "model-index"},
        # Markdown from strangers, which ``render`` made safe; the style is ours.
        body=Markup(render(body)),
        style=Markup(style),
        style_hash=base64.b64encode(hashlib.sha256(style.encode()).digest()).decode(),
    )


def _shown(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)

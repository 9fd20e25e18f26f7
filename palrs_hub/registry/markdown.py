"""Markdown from strangers: what of it is refused in a card, and safe HTML of the rest.

HTML in Markdown is never passed on, pictures become links' texts (a picture elsewhere would tell
its host who looks), and links lead to http and https only.
"""

from __future__ import annotations

import functools
import itertools
import re
from typing import TYPE_CHECKING, Any, Final

from markdown_it import MarkdownIt

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from markdown_it.renderer import RendererHTML
    from markdown_it.token import Token
    from markdown_it.utils import EnvType, OptionsDict

SECTIONS: Final = ("Intended use", "Limits", "Side effects", "Evidence", "Failure cases")
"""The sections that a curator's card must have, each with text in it."""

_SAFE_LINK: Final = re.compile(r"https?://[^\s]+|#[\w-]+", re.ASCII)
_LARGEST_HEADING: Final = 6


def render(text: str, *, below: int = 0) -> str:
    """Safe HTML of a Markdown text.

    Args:
        text: The Markdown.
        below: By how many levels headings are moved down.
    """
    tokens = _parser().parse(text)
    for token in tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(int(token.tag[1]) + below, _LARGEST_HEADING)}"
    html: str = _parser().renderer.render(tokens, _parser().options, {})
    return html


def sections(text: str) -> dict[str, str]:
    """The text below each heading of the second level, by the heading."""
    found: dict[str, list[str]] = {}
    name = None
    lines = text.splitlines()
    headings = _headings(text)
    for number, line in enumerate(lines):
        if number in headings:
            level, title = headings[number]
            name = title if level == 2 else None if level == 1 else name
            if level <= 2:
                if name is not None:
                    found.setdefault(name, [])
                continue
        if name is not None:
            found[name].append(line)
    return {name: "\n".join(body).strip() for name, body in found.items()}


def active_content(text: str) -> Iterator[str]:
    """What in a card would be active, or would load something, were it passed on."""
    for token in _leaves(_strict_parser().parse(text)):
        if token.type in ("html_block", "html_inline"):
            yield f"HTML ({_short(token.content)})"
        elif token.type == "image":
            yield f"a picture ({_short(str(token.attrs.get('src', '')))})"
        elif token.type == "link_open":
            target = str(token.attrs.get("href", ""))
            if not _SAFE_LINK.fullmatch(target):
                yield f"a link that is not http or https ({_short(target)})"


def _headings(text: str) -> dict[int, tuple[int, str]]:
    """Line number -> level and text of the headings written with #."""
    tokens = _parser().parse(text)
    found = {}
    for token, inline in itertools.pairwise(tokens):
        if token.type == "heading_open" and token.map and token.markup.startswith("#"):
            found[token.map[0]] = (int(token.tag[1]), inline.content.strip())
    return found


def _leaves(tokens: Sequence[Token]) -> Iterator[Token]:
    for token in tokens:
        yield token
        yield from _leaves(token.children or ())


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 60 else f"{line[:57]}..."


@functools.cache
def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False, "linkify": False})
    parser.enable(["table", "strikethrough"]).disable("image")
    parser.validateLink = lambda url: bool(_SAFE_LINK.fullmatch(url))  # type: ignore[method-assign]
    parser.add_render_rule("link_open", _link_open)
    parser.add_render_rule("table_open", lambda *_: '<div class="scroll"><table>\n')
    parser.add_render_rule("table_close", lambda *_: "</table></div>\n")
    return parser


@functools.cache
def _strict_parser() -> MarkdownIt:
    """Sees what the other one takes for text."""
    parser = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    parser.validateLink = lambda url: True  # type: ignore[method-assign]
    return parser


def _link_open(
    renderer: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: EnvType
) -> str:
    token = tokens[index]
    if not str(token.attrs.get("href", "")).startswith("#"):
        token.attrSet("rel", "nofollow noopener noreferrer")
    rendered: Any = renderer.renderToken(tokens, index, options, env)
    return str(rendered)

"""Lists in pages: how much a request gets at once, and where the next page is."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlencode

from palrs_hub.local_hub.refusals import bad_request

if TYPE_CHECKING:
    from palrs_hub.local_hub.calls import Call

CURSOR = "cursor"
_FARTHEST = 10**9


def number(call: Call, name: str, default: int) -> int:
    """A whole number of the query that is not negative."""
    text = call.query.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit()) or int(text[:12]) > _FARTHEST:
        raise bad_request(f"{name} must be a whole number that is not negative; got {text!r}.")
    return int(text)


def start(call: Call) -> int:
    """How many items the pages before this one had."""
    return number(call, CURSOR, 0)


def next_page(call: Call, path: str, position: int) -> str:
    """The address of the page that begins at a position, with all else as in this request."""
    kept = [(key, value) for key, value in call.query.multi_items() if key != CURSOR]
    return f"{call.base_url}{path}?{urlencode([*kept, (CURSOR, str(position))])}"

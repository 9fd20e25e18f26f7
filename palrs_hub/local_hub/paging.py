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
    digits = text.lstrip("0") or text[:1]
    if not (text.isascii() and text.isdigit()) or int(digits[:12]) > _FARTHEST:
        raise bad_request(f"{name} must be a whole number that is not negative; got {text!r:.40}.")
    return int(digits)


def next_page(call: Call, path: str, cursor: str | None = None) -> str:
    """The address of the next page, with all else as in this request.

    Args:
        call: The request for this page.
        path: The path of the next one.
        cursor: The item behind which the next page begins, unless its path says so.
    """
    kept = [(key, value) for key, value in call.query.multi_items() if key != CURSOR]
    if cursor is not None:
        kept.append((CURSOR, cursor))
    return f"{call.base_url}{path}" + (f"?{urlencode(kept)}" if kept else "")

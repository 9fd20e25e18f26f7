"""Links that carry their own permission, for transfers that come without a token."""

from __future__ import annotations

import hashlib
import hmac
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from palrs_hub.local_hub import limits
from palrs_hub.local_hub.refusals import forbidden

if TYPE_CHECKING:
    from collections.abc import Mapping

_FIELDS = ("action", "repository", "oid", "size", "expires")


@dataclass(frozen=True)
class Link:
    """What a link lets its bearer do, for a while.

    Attributes:
        action: The one thing that it is good for.
        repository: The key of the repository.
        oid: The sha256 of the content.
        size: Its size.
    """

    action: str
    repository: int
    oid: str
    size: int


def sign(key: bytes, link: Link) -> dict[str, str]:
    """The query that a link carries."""
    query = {
        "action": link.action,
        "repository": str(link.repository),
        "oid": link.oid,
        "size": str(link.size),
        "expires": str(int(time.time()) + limits.UPLOAD_LINK_SECONDS),
    }
    return query | {"signature": _signature(key, query)}


def check(key: bytes, query: Mapping[str, str], action: str) -> Link:
    """Returns what the link is for, if it is genuine, still good, and good for the action."""
    given = query.get("signature", "")
    if not hmac.compare_digest(given.encode(), _signature(key, query).encode()):
        raise forbidden("This link was not made by this Hub")
    if query["action"] != action:
        raise forbidden("This link is for something else")
    if int(query["expires"]) < time.time():
        raise forbidden("This link has expired; ask for a new one")
    return Link(action, int(query["repository"]), query["oid"], int(query["size"]))


def _signature(key: bytes, query: Mapping[str, str]) -> str:
    told = "\n".join(query.get(name, "") for name in _FIELDS)
    return hmac.new(key, told.encode(), hashlib.sha256).hexdigest()

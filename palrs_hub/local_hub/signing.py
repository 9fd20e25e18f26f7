"""Links that carry their own permission, for uploads that come without a token."""

from __future__ import annotations

import hashlib
import hmac
import time
from typing import TYPE_CHECKING

from palrs_hub.local_hub import limits
from palrs_hub.local_hub.refusals import forbidden

if TYPE_CHECKING:
    from collections.abc import Mapping

_FIELDS = ("repository", "oid", "size", "expires")


def sign(key: bytes, *, repository: int, oid: str, size: int) -> dict[str, str]:
    """The query that lets its bearer upload one content to one repository for a while."""
    query = {
        "repository": str(repository),
        "oid": oid,
        "size": str(size),
        "expires": str(int(time.time()) + limits.UPLOAD_LINK_SECONDS),
    }
    return query | {"signature": _signature(key, query)}


def check(key: bytes, query: Mapping[str, str]) -> tuple[int, str, int]:
    """Returns repository, oid and size that the link is for, if it is genuine and still good."""
    given = query.get("signature", "")
    if not hmac.compare_digest(given.encode(), _signature(key, query).encode()):
        raise forbidden("This upload link was not made by this Hub")
    if int(query["expires"]) < time.time():
        raise forbidden("This upload link has expired; ask for a new one")
    return int(query["repository"]), query["oid"], int(query["size"])


def _signature(key: bytes, query: Mapping[str, str]) -> str:
    told = "\n".join(query.get(name, "") for name in _FIELDS)
    return hmac.new(key, told.encode(), hashlib.sha256).hexdigest()

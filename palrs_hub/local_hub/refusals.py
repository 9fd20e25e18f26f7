"""The one exception by which the embedded Hub says no, and the ways in which it says it.

The codes are those that the Hub's clients turn into exceptions of their own. A refusal never leaves
the server as an exception: ``calls.py`` makes an HTTP answer of it.
"""

from __future__ import annotations

import math


class Refusal(Exception):
    """A request is answered with an error.

    Attributes:
        status: The HTTP status.
        code: The value of ``X-Error-Code``, or None where the status says it all.
        message: What was wrong and what to do about it.
        extra: Further fields of the JSON body.
        headers: Further headers.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str | None = None,
        extra: dict[str, object] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.extra = extra or {}
        self.headers: dict[str, str] = {}


def bad_request(message: str) -> Refusal:
    """The request itself cannot be right."""
    return Refusal(400, message)


def unauthenticated(message: str) -> Refusal:
    """The request needs a token, or the token is unknown."""
    return Refusal(401, message)


def too_many(what: str, seconds: float) -> Refusal:
    """The caller has to wait."""
    wait = max(1, math.ceil(seconds))
    refusal = Refusal(429, f"{what}. Try again in {wait} seconds.")
    refusal.headers["Retry-After"] = str(wait)
    return refusal


def forbidden(message: str) -> Refusal:
    """The caller is known and may not do this."""
    return Refusal(403, message)


def conflict(message: str, *, url: str | None = None) -> Refusal:
    """What was to be made is already there; clients look for its ``url``."""
    return Refusal(409, message, extra={} if url is None else {"url": url})


def stale_parent(expected: str, found: str) -> Refusal:
    """A commit was prepared on another state than the branch now has."""
    return Refusal(
        412,
        f"The commit was prepared on {expected}, but the branch is now at {found}. "
        "Fetch the branch again and redo the commit on top of it.",
    )


def too_large(what: str, limit: int, unit: str = "bytes") -> Refusal:
    """A bound of ``limits.py`` was passed."""
    return Refusal(413, f"{what} is over this Hub's limit of {limit} {unit}.")


def repository_not_found(repository_id: str, *, anonymous: bool) -> Refusal:
    """There is no such repository, or this caller may not know of it.

    An anonymous caller gets 401, for a token might help. The code must be there in both cases: over
    plain http the client does not recognise a bare 401.
    """
    status, hint = (401, " A token may be needed.") if anonymous else (404, "")
    message = f"Repository {repository_id} not found.{hint}"
    return Refusal(status, message, code="RepoNotFound")


def revision_not_found(revision: str) -> Refusal:
    """The repository is there, but no branch, tag or commit of that name."""
    return Refusal(404, f"Invalid rev id: {revision}", code="RevisionNotFound")


def entry_not_found(path: str, revision: str) -> Refusal:
    """The revision is there, but it has no such file or folder."""
    return Refusal(404, f"Entry {path} not found at revision {revision}.", code="EntryNotFound")


def gated(repository_id: str, status: str | None, *, anonymous: bool) -> Refusal:
    """The repository shows itself to all, its files only to those who were let in.

    Args:
        repository_id: The repository.
        status: What became of the caller's request for access, or None if there is none.
        anonymous: Whether the caller gave no token.
    """
    if anonymous:
        hint = "Send a token; then ask for access."
    elif status == "pending":
        hint = "Your request for access waits for a decision of its owners."
    elif status == "rejected":
        hint = "Its owners have rejected your request for access."
    else:
        hint = f"Ask for access: POST {repository_id}/ask-access below its page's address."
    return Refusal(
        401 if anonymous else 403,
        f"Access to {repository_id} is restricted. {hint}",
        code="GatedRepo",
    )


def no_space() -> Refusal:
    """The disk is full; nothing of the request was kept."""
    return Refusal(
        507,
        "This Hub's disk is full. Nothing of this request was kept. Make room, for example with "
        "palrs-hub serve --collect-garbage, and send it again.",
    )


class Moved(Refusal):
    """The repository has another name now; ``calls.py`` adds the address to go to.

    Attributes:
        repository_id: The name that it has now.
    """

    def __init__(self, old_id: str, repository_id: str) -> None:
        super().__init__(307, f"{old_id} has moved; it is {repository_id} now.")
        self.repository_id = repository_id

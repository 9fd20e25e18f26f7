"""Discussions and pull requests: what was said and what became of it."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from palrs_hub.local_hub import refs
from palrs_hub.local_hub.records import timestamp
from palrs_hub.local_hub.refusals import Refusal, bad_request

if TYPE_CHECKING:
    import sqlite3

    from palrs_hub.local_hub.records import Repository

OPEN_STATUSES = ("draft", "open")


@dataclass(frozen=True)
class Discussion:
    """A discussion, or a pull request, which is one with a branch of its own.

    Attributes:
        base_ref: The branch that a pull request is for.
        base_commit: The commit of that branch on which it was opened.
    """

    num: int
    title: str
    author: str
    status: str
    is_pull_request: bool
    base_ref: str | None
    base_commit: str | None
    merge_commit: str | None
    created_at: str

    @property
    def ref(self) -> str:
        """The ref of a pull request."""
        return f"{refs.PULL_REQUESTS}{self.num}"


def create(
    connection: sqlite3.Connection,
    repository: Repository,
    *,
    title: str,
    description: str,
    author: str,
    status: str,
    base_ref: str | None = None,
) -> Discussion:
    """Opens a discussion; with a base branch, a pull request that stands where that does."""
    base_commit = None
    if base_ref is not None:
        base_commit = refs.find_target(connection, repository, base_ref)
        if base_commit is None:
            raise bad_request(f"{base_ref} is not a branch to open a pull request against.")
    last = connection.execute(
        "SELECT max(num) FROM discussions WHERE repository = ?", (repository.key,)
    ).fetchone()[0]
    num, is_pull_request = (last or 0) + 1, base_ref is not None
    connection.execute(
        "INSERT INTO discussions VALUES (?, ?, ?, ?, ?, ?, ?, ?, NULL, ?)",
        (
            *(repository.key, num, title, author, status),
            *(is_pull_request, base_ref, base_commit, timestamp()),
        ),
    )
    made = find(connection, repository, num)
    if base_commit is not None:
        refs.point(connection, repository, made.ref, base_commit)
    add_event(connection, repository, num, "comment", author, comment_data(description))
    return made


def find(connection: sqlite3.Connection, repository: Repository, num: int) -> Discussion:
    """The discussion of that number."""
    row = connection.execute(
        "SELECT * FROM discussions WHERE repository = ? AND num = ?", (repository.key, num)
    ).fetchone()
    if row is None:
        raise Refusal(404, f"{repository.id} has no discussion or pull request {num}.")
    return _discussion(row)


def all_of(
    connection: sqlite3.Connection,
    repository: Repository,
    *,
    kind: str | None,
    status: str | None,
    author: str | None,
) -> list[Discussion]:
    """The discussions of a repository, newest first, as far as they match."""
    rows = connection.execute(
        "SELECT * FROM discussions WHERE repository = ? ORDER BY num DESC", (repository.key,)
    )
    pull_requests = {"pull_request": True, "discussion": False}.get(kind or "all")
    found = (_discussion(row) for row in rows)
    return [
        item
        for item in found
        if (pull_requests is None or item.is_pull_request == pull_requests)
        and (status in (None, "all") or (status == "open") == (item.status in OPEN_STATUSES))
        and (author is None or item.author == author)
    ]


def change_title(
    connection: sqlite3.Connection, repository: Repository, num: int, title: str, author: str
) -> dict[str, object]:
    """Renames a discussion; returns the event of it."""
    old = find(connection, repository, num).title
    connection.execute(
        "UPDATE discussions SET title = ? WHERE repository = ? AND num = ?",
        (title, repository.key, num),
    )
    data: dict[str, object] = {"from": old, "to": title}
    return add_event(connection, repository, num, "title-change", author, data)


def change_status(
    connection: sqlite3.Connection, repository: Repository, num: int, status: str, author: str
) -> dict[str, object]:
    """Opens, closes or marks a discussion as merged; returns the event of it."""
    connection.execute(
        "UPDATE discussions SET status = ? WHERE repository = ? AND num = ?",
        (status, repository.key, num),
    )
    data: dict[str, object] = {"status": status}
    return add_event(connection, repository, num, "status-change", author, data)


def comment_data(text: str) -> dict[str, object]:
    """What the event of a comment holds."""
    latest = {"raw": text, "html": "", "updatedAt": timestamp()}
    return {"edited": False, "hidden": False, "latest": latest}


def add_event(
    connection: sqlite3.Connection,
    repository: Repository,
    num: int,
    kind: str,
    author: str,
    data: dict[str, object],
) -> dict[str, object]:
    """Adds to the record of a discussion; returns the event as the API shows it."""
    identifier, now = secrets.token_hex(12), timestamp()
    connection.execute(
        "INSERT INTO discussion_events (repository, num, id, type, author, created_at, data) "
        "VALUES (?, ?, ?, ?, ?, ?, ?)",
        (repository.key, num, identifier, kind, author, now, json.dumps(data)),
    )
    return _event(identifier, kind, author, now, data)


def events(
    connection: sqlite3.Connection, repository: Repository, num: int
) -> list[dict[str, object]]:
    """The record of a discussion, oldest first."""
    rows = connection.execute(
        "SELECT * FROM discussion_events WHERE repository = ? AND num = ? ORDER BY number",
        (repository.key, num),
    )
    return [
        _event(row["id"], row["type"], row["author"], row["created_at"], json.loads(row["data"]))
        for row in rows
    ]


def _event(
    identifier: str, kind: str, author: str, created_at: str, data: dict[str, object]
) -> dict[str, object]:
    return {
        "id": identifier,
        "type": kind,
        "author": {"name": author},
        "createdAt": created_at,
        "data": data,
    }


def _discussion(row: sqlite3.Row) -> Discussion:
    return Discussion(
        num=row["num"],
        title=row["title"],
        author=row["author"],
        status=row["status"],
        is_pull_request=bool(row["is_pull_request"]),
        base_ref=row["base_ref"],
        base_commit=row["base_commit"],
        merge_commit=row["merge_commit"],
        created_at=row["created_at"],
    )

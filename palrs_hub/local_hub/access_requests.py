"""Requests for access to gated repositories, and what their owners decided."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from palrs_hub.local_hub.records import timestamp
from palrs_hub.local_hub.refusals import Refusal

if TYPE_CHECKING:
    import sqlite3

    from palrs_hub.local_hub.records import Repository

STATUSES = ("pending", "accepted", "rejected")


@dataclass(frozen=True)
class AccessRequest:
    """A user's request to read the files of a gated repository.

    Attributes:
        status: One of ``STATUSES``.
    """

    user: str
    id: str
    status: str
    created_at: str


def find(connection: sqlite3.Connection, repository: Repository, user: str) -> AccessRequest | None:
    """The user's request, if there is one."""
    row = connection.execute(
        "SELECT * FROM access_requests WHERE repository = ? AND user = ?", (repository.key, user)
    ).fetchone()
    return None if row is None else _request(row)


def find_by_id(
    connection: sqlite3.Connection, repository: Repository, identifier: str
) -> AccessRequest | None:
    """The request of that id, if the repository has it."""
    row = connection.execute(
        "SELECT * FROM access_requests WHERE repository = ? AND id = ?",
        (repository.key, identifier),
    ).fetchone()
    return None if row is None else _request(row)


def of_status(
    connection: sqlite3.Connection, repository: Repository, status: str
) -> list[AccessRequest]:
    """The requests of that status, oldest first."""
    rows = connection.execute(
        "SELECT * FROM access_requests WHERE repository = ? AND status = ? "
        "ORDER BY created_at, user",
        (repository.key, status),
    )
    return [_request(row) for row in rows]


def ask(connection: sqlite3.Connection, repository: Repository, user: str) -> AccessRequest:
    """Asks for access; automatic gates grant it at once. To ask again changes nothing."""
    found = find(connection, repository, user)
    if found is not None:
        return found
    return _write(
        connection, repository, user, "accepted" if repository.gated == "auto" else "pending"
    )


def grant(connection: sqlite3.Connection, repository: Repository, user: str) -> AccessRequest:
    """Grants access, whether it was asked for or not."""
    return _write(connection, repository, user, "accepted")


def decide(
    connection: sqlite3.Connection, repository: Repository, request: AccessRequest, status: str
) -> None:
    """Accepts or rejects a request, or takes the decision back."""
    if request.status == status:
        raise Refusal(404, f"The request of {request.user!r} is {status} already.")
    connection.execute(
        "UPDATE access_requests SET status = ? WHERE repository = ? AND user = ?",
        (status, repository.key, request.user),
    )


def _write(
    connection: sqlite3.Connection, repository: Repository, user: str, status: str
) -> AccessRequest:
    made = AccessRequest(user, secrets.token_hex(12), status, timestamp())
    connection.execute(
        "INSERT OR REPLACE INTO access_requests VALUES (?, ?, ?, ?, ?)",
        (repository.key, made.user, made.id, made.status, made.created_at),
    )
    return made


def _request(row: sqlite3.Row) -> AccessRequest:
    return AccessRequest(row["user"], row["id"], row["status"], row["created_at"])

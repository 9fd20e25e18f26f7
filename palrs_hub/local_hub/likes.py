"""Who likes which repositories."""

from __future__ import annotations

from typing import TYPE_CHECKING

from palrs_hub.local_hub import repositories
from palrs_hub.local_hub.records import timestamp

if TYPE_CHECKING:
    import sqlite3

    from palrs_hub.local_hub.records import Repository


def like(connection: sqlite3.Connection, repository: Repository, user: str) -> None:
    """Notes that the user likes the repository; once is enough."""
    connection.execute(
        "INSERT OR IGNORE INTO likes VALUES (?, ?, ?)", (user, repository.key, timestamp())
    )
    _count(connection, repository)


def unlike(connection: sqlite3.Connection, repository: Repository, user: str) -> None:
    """Takes a like back, if there is one."""
    connection.execute(
        "DELETE FROM likes WHERE user = ? AND repository = ?", (user, repository.key)
    )
    _count(connection, repository)


def _count(connection: sqlite3.Connection, repository: Repository) -> None:
    connection.execute(
        "UPDATE repositories SET likes = (SELECT count(*) FROM likes WHERE repository = key) "
        "WHERE key = ?",
        (repository.key,),
    )


def liked_by(connection: sqlite3.Connection, user: str) -> list[tuple[Repository, str]]:
    """The repositories that the user likes and since when, newest first."""
    rows = connection.execute(
        "SELECT repositories.*, likes.created_at AS since FROM likes "
        "JOIN repositories ON key = repository WHERE user = ? ORDER BY since DESC, key DESC",
        (user,),
    )
    return [(repositories.from_row(row), row["since"]) for row in rows]


def likers(connection: sqlite3.Connection, repository: Repository) -> list[str]:
    """The users who like the repository, in the order in which they came to it."""
    rows = connection.execute(
        "SELECT user FROM likes WHERE repository = ? ORDER BY created_at, user", (repository.key,)
    )
    return [row["user"] for row in rows]

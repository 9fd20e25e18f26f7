"""Which large files have been sent to which repository."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3

    from palrs_hub.local_hub.records import Repository


def has(connection: sqlite3.Connection, repository: Repository, sha256: str, size: int) -> bool:
    """Whether that content was sent to this very repository.

    That another one has it does not count: knowing the hash of somebody's private file must not be
    enough to get at it.
    """
    return has_by_key(connection, repository.key, sha256, size)


def has_by_key(connection: sqlite3.Connection, repository_key: int, sha256: str, size: int) -> bool:
    """As ``has``, for a repository of which only the key is known."""
    row = connection.execute(
        "SELECT 1 FROM large_files WHERE repository = ? AND sha256 = ? AND size = ?",
        (repository_key, sha256, size),
    ).fetchone()
    return row is not None


def add(connection: sqlite3.Connection, repository_key: int, sha256: str, size: int) -> None:
    """Notes that the content has arrived, unless the repository was deleted in the meantime."""
    connection.execute(
        "INSERT OR IGNORE INTO large_files SELECT key, ?, ? FROM repositories WHERE key = ?",
        (sha256, size, repository_key),
    )


def total_size(connection: sqlite3.Connection, repository: Repository) -> int:
    """How many bytes of large files the repository has been sent, whatever became of them."""
    row = connection.execute(
        "SELECT coalesce(sum(size), 0) FROM large_files WHERE repository = ?", (repository.key,)
    ).fetchone()
    return int(row[0])

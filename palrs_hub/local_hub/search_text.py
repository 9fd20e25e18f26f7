"""The text by which a repository is found: its name, its tags, its README."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3


def write_text(connection: sqlite3.Connection, key: int, text: str) -> None:
    """Makes the repository findable by the words of the text, and by no others."""
    folded = text.lower()
    row = connection.execute(
        "SELECT text FROM repository_search WHERE rowid = ?", (key,)
    ).fetchone()
    # Most commits change nothing that is searched, and to index a long card takes its time.
    if row is None or row["text"] != folded:
        forget_text(connection, key)
        connection.execute(
            "INSERT INTO repository_search (rowid, text) VALUES (?, ?)", (key, folded)
        )


def forget_text(connection: sqlite3.Connection, key: int) -> None:
    """Makes the repository findable by no word."""
    connection.execute("DELETE FROM repository_search WHERE rowid = ?", (key,))

"""Repositories: make, find, describe, change, move and delete them."""

from __future__ import annotations

import json
import sqlite3

from palrs_hub.local_hub import limits, search_text, trees
from palrs_hub.local_hub.records import Repository, timestamp
from palrs_hub.local_hub.refusals import bad_request, conflict


def create(
    connection: sqlite3.Connection, kind: str, namespace: str, name: str, *, private: bool
) -> Repository:
    """Makes a repository without any commit yet; no other may have its name in whatever case."""
    now = timestamp()
    connection.execute(
        "INSERT INTO repositories (kind, namespace, name, private, created_at, last_modified) "
        "VALUES (?, ?, ?, ?, ?, ?)",
        (kind, namespace, name, private, now, now),
    )
    row = connection.execute("SELECT * FROM repositories WHERE key = last_insert_rowid()")
    made = from_row(row.fetchone())
    _take_name(connection, kind, namespace, name)
    return made


def find(
    connection: sqlite3.Connection, kind: str, namespace: str, name: str, *, any_case: bool = False
) -> Repository | None:
    """The repository of that name, exactly or in whatever case."""
    row = connection.execute(
        "SELECT * FROM repositories WHERE kind = ? AND namespace = ? AND name = ?",
        (kind, namespace, name),
    ).fetchone()
    # The columns compare without case, so that their index serves both questions.
    exact = row is not None and (row["namespace"], row["name"]) == (namespace, name)
    return from_row(row) if exact or (any_case and row is not None) else None


def find_moved(
    connection: sqlite3.Connection, kind: str, namespace: str, name: str
) -> Repository | None:
    """The repository that had the name before it was moved."""
    row = connection.execute(
        "SELECT repositories.* FROM moved_names JOIN repositories ON key = repository "
        "WHERE moved_names.kind = ? AND moved_names.namespace = ? AND moved_names.name = ?",
        (kind, namespace, name),
    ).fetchone()
    return None if row is None else from_row(row)


def move(connection: sqlite3.Connection, repository: Repository, namespace: str, name: str) -> None:
    """Renames the repository; its history goes along, and the old name leads to the new one.

    The old name is free all the same: a repository that is made under it ends the redirection.
    """
    try:
        connection.execute(
            "UPDATE repositories SET namespace = ?, name = ? WHERE key = ?",
            (namespace, name, repository.key),
        )
    except sqlite3.IntegrityError as error:
        raise conflict(f"The name {namespace}/{name} is taken.") from error
    _take_name(connection, repository.kind, namespace, name)
    if repository.id.lower() != f"{namespace}/{name}".lower():
        connection.execute(
            "INSERT OR REPLACE INTO moved_names VALUES (?, ?, ?, ?)",
            (repository.kind, repository.namespace, repository.name, repository.key),
        )


def _take_name(connection: sqlite3.Connection, kind: str, namespace: str, name: str) -> None:
    connection.execute(
        "DELETE FROM moved_names WHERE kind = ? AND namespace = ? AND name = ?",
        (kind, namespace, name),
    )


def delete(connection: sqlite3.Connection, repository: Repository) -> None:
    """Removes the repository with all that hangs on it; contents stay, others may have them too."""
    used = trees.trees_of(connection, repository)
    # Refs hold their commits, so they must go first.
    connection.execute("DELETE FROM refs WHERE repository = ?", (repository.key,))
    connection.execute("DELETE FROM repositories WHERE key = ?", (repository.key,))
    search_text.forget_text(connection, repository.key)
    trees.drop_unused_trees(connection, used)


def change_settings(
    connection: sqlite3.Connection, repository: Repository, settings: dict[str, object]
) -> None:
    """Changes who may see the repository and its files."""
    if "visibility" in settings or "private" in settings:
        private = private_from(settings)
        connection.execute(
            "UPDATE repositories SET private = ? WHERE key = ?", (private, repository.key)
        )
    if "gated" in settings:
        gated = settings["gated"]
        if gated not in ("auto", "manual", False):
            raise bad_request(f'"gated" must be "auto", "manual" or false; got {gated!r}.')
        connection.execute(
            "UPDATE repositories SET gated = ? WHERE key = ?", (gated or "", repository.key)
        )


def private_from(settings: dict[str, object]) -> bool:
    """Whether a request asks for a private repository; older clients say it in other words."""
    visibility = settings.get("visibility")
    if visibility is None:
        private = settings.get("private")
        if private not in (None, True, False):
            raise bad_request(f'"private" must be true or false; got {private!r}.')
        return bool(private)
    if visibility not in ("public", "private"):
        raise bad_request(f'"visibility" must be "public" or "private"; got {visibility!r}.')
    return visibility == "private"


def describe(
    connection: sqlite3.Connection,
    repository: Repository,
    *,
    card: dict[str, object] | None,
    tags: tuple[str, ...],
    readme: str,
) -> None:
    """Files the repository under what main now says of it."""
    connection.execute(
        "UPDATE repositories SET card = ?, tags = ? WHERE key = ?",
        (json.dumps(card), json.dumps(tags), repository.key),
    )
    text = "\n".join((repository.id, *tags, readme))
    search_text.write_text(connection, repository.key, text[: limits.SEARCH_TEXT_CHARACTERS])
    connection.execute("DELETE FROM repository_tags WHERE repository = ?", (repository.key,))
    connection.executemany(
        "INSERT INTO repository_tags VALUES (?, ?)", ((repository.key, tag) for tag in tags)
    )


def touch(connection: sqlite3.Connection, repository: Repository) -> None:
    """Notes that the repository changed now."""
    connection.execute(
        "UPDATE repositories SET last_modified = ? WHERE key = ?", (timestamp(), repository.key)
    )


def count_download(connection: sqlite3.Connection, repository: Repository) -> None:
    """Counts one download."""
    connection.execute(
        "UPDATE repositories SET downloads = downloads + 1 WHERE key = ?", (repository.key,)
    )


def from_row(row: sqlite3.Row) -> Repository:
    """The repository of a row of its table."""
    return Repository(
        key=row["key"],
        kind=row["kind"],
        namespace=row["namespace"],
        name=row["name"],
        private=bool(row["private"]),
        gated=row["gated"] or False,
        created_at=row["created_at"],
        last_modified=row["last_modified"],
        downloads=row["downloads"],
        likes=row["likes"],
        card=None if row["card"] is None else json.loads(row["card"]),
        tags=tuple(json.loads(row["tags"])),
    )

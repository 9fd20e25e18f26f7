"""Repositories: make, find, list, change, move and delete them."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass
from typing import TYPE_CHECKING

from palrs_hub.local_hub import limits, trees
from palrs_hub.local_hub.records import Repository, timestamp
from palrs_hub.local_hub.refusals import bad_request, conflict

if TYPE_CHECKING:
    from palrs_hub.local_hub.tokens import Caller

SORT_COLUMNS = {
    "lastModified": "last_modified",
    "createdAt": "created_at",
    "downloads": "downloads",
    "likes": "likes",
    # A hub of one's own has no trend worth computing.
    "trendingScore": "downloads",
}


@dataclass(frozen=True)
class Query:
    """What a listing asks for; all conditions must hold."""

    kind: str
    author: str | None = None
    tags: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    gated: bool | None = None
    sort: str = "trendingScore"


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
    return _repository(row.fetchone())


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
    return _repository(row) if exact or (any_case and row is not None) else None


def move(connection: sqlite3.Connection, repository: Repository, namespace: str, name: str) -> None:
    """Renames the repository; its history goes along, the old name is free again."""
    try:
        connection.execute(
            "UPDATE repositories SET namespace = ?, name = ? WHERE key = ?",
            (namespace, name, repository.key),
        )
    except sqlite3.IntegrityError as error:
        raise conflict(f"The name {namespace}/{name} is taken.") from error


def delete(connection: sqlite3.Connection, repository: Repository) -> None:
    """Removes the repository with all that hangs on it; contents stay, others may have them too."""
    # Refs hold their commits, so they must go first.
    connection.execute("DELETE FROM refs WHERE repository = ?", (repository.key,))
    connection.execute("DELETE FROM repositories WHERE key = ?", (repository.key,))
    trees.drop_unused_trees(connection)


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
    search_text = "\n".join((repository.id, *tags, readme))[: limits.SEARCH_TEXT_CHARACTERS]
    connection.execute(
        "UPDATE repositories SET card = ?, tags = ?, search_text = ? WHERE key = ?",
        (json.dumps(card), json.dumps(tags), search_text.lower(), repository.key),
    )
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


def search(
    connection: sqlite3.Connection, query: Query, caller: Caller, *, start: int, count: int
) -> list[Repository]:
    """The repositories that match and that the caller may see, most first."""
    conditions, values = _conditions(query)
    if not caller.owns_all:
        marks = ", ".join("?" for _ in caller.namespaces)
        conditions.append(f"(private = 0 OR namespace IN ({marks}))")
        values += caller.namespaces
    if query.sort not in SORT_COLUMNS:
        raise bad_request(f"sort must be one of {', '.join(SORT_COLUMNS)}; got {query.sort!r}.")
    rows = connection.execute(
        f"SELECT * FROM repositories WHERE {' AND '.join(conditions)} "
        f"ORDER BY {SORT_COLUMNS[query.sort]} DESC, key DESC LIMIT ? OFFSET ?",
        (*values, count, start),
    )
    return [_repository(row) for row in rows]


def _conditions(query: Query) -> tuple[list[str], list[object]]:
    conditions, values = ["kind = ?"], [query.kind]
    if query.author is not None:
        conditions.append("namespace = ?")
        values.append(query.author)
    for tag in query.tags:
        conditions.append("key IN (SELECT repository FROM repository_tags WHERE tag = ?)")
        values.append(tag)
    for word in query.words:
        conditions.append("instr(search_text, ?)")
        values.append(word.lower())
    if query.gated is not None:
        conditions.append("gated != ''" if query.gated else "gated = ''")
    return conditions, [*values]


def _repository(row: sqlite3.Row) -> Repository:
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

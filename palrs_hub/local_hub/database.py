"""The SQLite file: its tables, and the only two ways to work on it, reading and writing."""

from __future__ import annotations

import sqlite3
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from palrs_hub.errors import LocalHubError
from palrs_hub.local_hub import limits

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SCHEMA_VERSION = 1

SCHEMA = """
CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE tokens (
    sha256 TEXT PRIMARY KEY,
    user TEXT NOT NULL,
    role TEXT NOT NULL CHECK (role IN ('read', 'write')),
    organizations TEXT NOT NULL
);
CREATE TABLE repositories (
    key INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    namespace TEXT NOT NULL COLLATE NOCASE,
    name TEXT NOT NULL COLLATE NOCASE,
    private INTEGER NOT NULL,
    gated TEXT NOT NULL DEFAULT '',
    created_at TEXT NOT NULL,
    last_modified TEXT NOT NULL,
    downloads INTEGER NOT NULL DEFAULT 0,
    likes INTEGER NOT NULL DEFAULT 0,
    card TEXT,
    tags TEXT NOT NULL DEFAULT '[]',
    search_text TEXT NOT NULL DEFAULT '',
    UNIQUE (kind, namespace, name)
);
CREATE TABLE repository_tags (
    repository INTEGER NOT NULL REFERENCES repositories (key) ON DELETE CASCADE,
    tag TEXT NOT NULL,
    PRIMARY KEY (tag, repository)
) WITHOUT ROWID;
CREATE INDEX repository_tags_by_repository ON repository_tags (repository);
CREATE TABLE tree_entries (
    tree TEXT NOT NULL,
    path TEXT NOT NULL,
    oid TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    size INTEGER NOT NULL,
    large INTEGER NOT NULL,
    PRIMARY KEY (tree, path)
) WITHOUT ROWID;
CREATE TABLE commits (
    repository INTEGER NOT NULL REFERENCES repositories (key) ON DELETE CASCADE,
    oid TEXT NOT NULL,
    tree TEXT NOT NULL,
    parent TEXT,
    title TEXT NOT NULL,
    message TEXT NOT NULL,
    author TEXT NOT NULL,
    created_at TEXT NOT NULL,
    PRIMARY KEY (repository, oid)
) WITHOUT ROWID;
CREATE INDEX commits_by_tree ON commits (tree);
CREATE TABLE refs (
    repository INTEGER NOT NULL REFERENCES repositories (key) ON DELETE CASCADE,
    ref TEXT NOT NULL,
    target TEXT NOT NULL,
    message TEXT,
    PRIMARY KEY (repository, ref),
    FOREIGN KEY (repository, target) REFERENCES commits (repository, oid)
) WITHOUT ROWID;
CREATE TABLE large_files (
    repository INTEGER NOT NULL REFERENCES repositories (key) ON DELETE CASCADE,
    sha256 TEXT NOT NULL,
    size INTEGER NOT NULL,
    PRIMARY KEY (repository, sha256)
) WITHOUT ROWID;
CREATE TABLE discussions (
    repository INTEGER NOT NULL REFERENCES repositories (key) ON DELETE CASCADE,
    num INTEGER NOT NULL,
    title TEXT NOT NULL,
    author TEXT NOT NULL,
    status TEXT NOT NULL,
    is_pull_request INTEGER NOT NULL,
    base_ref TEXT,
    base_commit TEXT,
    merge_commit TEXT,
    created_at TEXT NOT NULL,
    PRIMARY KEY (repository, num)
) WITHOUT ROWID;
CREATE TABLE discussion_events (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    repository INTEGER NOT NULL,
    num INTEGER NOT NULL,
    id TEXT NOT NULL,
    type TEXT NOT NULL,
    author TEXT NOT NULL,
    created_at TEXT NOT NULL,
    data TEXT NOT NULL,
    FOREIGN KEY (repository, num) REFERENCES discussions (repository, num) ON DELETE CASCADE
);
CREATE INDEX discussion_events_by_discussion ON discussion_events (repository, num);
"""


def connect(path: Path) -> sqlite3.Connection:
    """Opens the file with the settings that every use of it needs."""
    connection = sqlite3.connect(
        path, timeout=limits.BUSY_SECONDS, isolation_level=None, check_same_thread=False
    )
    connection.row_factory = sqlite3.Row
    try:
        connection.execute("PRAGMA foreign_keys = ON")
        # An acknowledged commit must outlive a power cut, which WAL does not promise otherwise.
        connection.execute("PRAGMA synchronous = FULL")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def prepare(path: Path) -> sqlite3.Connection:
    """Opens the file, makes its tables if it is new, and refuses one of another version.

    The caller keeps the connection open for as long as the store lives: without it every last close
    would fold the write-ahead log back into the file.
    """
    try:
        connection = connect(path)
    except sqlite3.Error as error:
        raise LocalHubError(
            f"The embedded Hub cannot open its database {path}: {error}. "
            "Choose another folder, or move this one away."
        ) from error
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        _migrate(connection, path)
    except sqlite3.Error as error:
        connection.close()
        raise LocalHubError(
            f"{path} is not a usable database of the embedded Hub: {error}. "
            "Choose another folder, or move this one away."
        ) from error
    except LocalHubError:
        connection.close()
        raise
    return connection


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    connection.execute("BEGIN IMMEDIATE")
    found = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if found == 0:
        for statement in SCHEMA.split(";"):
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    connection.execute("COMMIT")
    if found > SCHEMA_VERSION:
        raise LocalHubError(
            f"{path} has format version {found}; this palrs-hub knows {SCHEMA_VERSION}. "
            "Upgrade palrs-hub."
        )


@contextmanager
def transaction(path: Path, *, write: bool) -> Iterator[sqlite3.Connection]:
    """A connection inside one transaction: it sees one state and takes effect whole or not at all.

    A writing transaction takes the lock at once, so that what it checks cannot change before it
    writes.
    """
    with closing(connect(path)) as connection:
        connection.execute("BEGIN IMMEDIATE" if write else "BEGIN")
        try:
            yield connection
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")

"""The SQLite file, and the only two ways to work on it: reading and writing."""

from __future__ import annotations

import sqlite3
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from palrs_hub.errors import LocalHubError
from palrs_hub.local_hub import limits
from palrs_hub.local_hub.schema import SCHEMA, SCHEMA_VERSION

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


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
            # After some errors, such as a full disk, SQLite has rolled back by itself.
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")

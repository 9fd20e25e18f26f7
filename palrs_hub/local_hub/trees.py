"""Trees: all files of a commit. Equal trees are stored once, under a hash of their listing."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from palrs_hub.local_hub import limits
from palrs_hub.local_hub.records import Entry, Tree
from palrs_hub.local_hub.refusals import bad_request, too_large

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable

    from palrs_hub.local_hub.records import Repository


def read_tree(connection: sqlite3.Connection, tree: str) -> Tree:
    """All files of the tree, ordered by path."""
    rows = connection.execute(
        "SELECT path, oid, sha256, size, large FROM tree_entries WHERE tree = ? ORDER BY path",
        (tree,),
    )
    return {row["path"]: _entry(row) for row in rows}


def read_entry(connection: sqlite3.Connection, tree: str, path: str) -> Entry | None:
    """One file of the tree."""
    row = connection.execute(
        "SELECT path, oid, sha256, size, large FROM tree_entries WHERE tree = ? AND path = ?",
        (tree, path),
    ).fetchone()
    return None if row is None else _entry(row)


def write_tree(connection: sqlite3.Connection, files: Tree) -> str:
    """Stores the tree if it is new; returns its hash."""
    _check(files)
    tree = tree_hash(files.values())
    connection.executemany(
        "INSERT OR IGNORE INTO tree_entries VALUES (?, ?, ?, ?, ?, ?)",
        (
            (tree, entry.path, entry.oid, entry.sha256, entry.size, entry.large)
            for entry in files.values()
        ),
    )
    return tree


def trees_of(connection: sqlite3.Connection, repository: Repository) -> list[str]:
    """The trees of all commits of a repository."""
    rows = connection.execute(
        "SELECT DISTINCT tree FROM commits WHERE repository = ?", (repository.key,)
    )
    return [row["tree"] for row in rows]


def drop_unused_trees(connection: sqlite3.Connection, trees: Iterable[str]) -> None:
    """Forgets those of the trees that no commit has any more."""
    connection.executemany(
        "DELETE FROM tree_entries WHERE tree = ?1 "
        "AND NOT EXISTS (SELECT 1 FROM commits WHERE tree = ?1)",
        ((tree,) for tree in trees),
    )


def folders(files: Tree) -> dict[str, str]:
    """Every folder of the tree with a hash of what is in it."""
    inside: dict[str, list[Entry]] = {}
    for path, entry in sorted(files.items()):
        parts = path.split("/")
        for depth in range(1, len(parts)):
            inside.setdefault("/".join(parts[:depth]), []).append(entry)
    return {folder: tree_hash(entries) for folder, entries in inside.items()}


def children(files: Tree, folder: str, *, recursive: bool) -> list[Entry | tuple[str, str]]:
    """What is in a folder ("" is the root): files, and folders as pairs of path and hash."""
    prefix = f"{folder}/" if folder else ""
    found: list[tuple[str, Entry | tuple[str, str]]] = [
        *files.items(),
        *((path, (path, oid)) for path, oid in folders(files).items()),
    ]
    return [
        item
        for path, item in sorted(found, key=lambda pair: pair[0])
        if path.startswith(prefix) and (recursive or "/" not in path[len(prefix) :])
    ]


def _check(files: Tree) -> None:
    if len(files) > limits.FILES_PER_REPOSITORY:
        raise too_large("The number of files", limits.FILES_PER_REPOSITORY, "files")
    if sum(entry.size for entry in files.values()) > limits.REPOSITORY_BYTES:
        raise too_large("The files of this repository together", limits.REPOSITORY_BYTES)
    for path in files:
        parts = path.split("/")
        for depth in range(1, len(parts)):
            folder = "/".join(parts[:depth])
            if folder in files:
                raise bad_request(f"{folder!r} is a file, so {path!r} cannot be in it.")


def tree_hash(entries: Iterable[Entry]) -> str:
    """The hash that names a tree of these files."""
    # Not git's own form of a tree: clients only compare these hashes, they never compute them.
    digest = hashlib.sha1(b"tree\0", usedforsecurity=False)
    for entry in sorted(entries, key=lambda entry: entry.path):
        line = f"{entry.path}\0{entry.oid}\0{entry.sha256}\0{entry.size}\0{entry.large:d}\n"
        digest.update(line.encode())
    return digest.hexdigest()


def _entry(row: sqlite3.Row) -> Entry:
    return Entry(row["path"], row["oid"], row["sha256"], row["size"], bool(row["large"]))
